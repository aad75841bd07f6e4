"""How an attempt ends, for every cause and everything that can be found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from alterd_contracts.errors import (
    AlterdError,
    Ambiguous,
    Fenced,
    Interrupted,
    LostSession,
    Released,
    ShardUnreachable,
    StatementFailed,
    Unreachable,
)
from alterd_contracts.strategy import AlreadyCompleted, Facts, Resume, StartOver
from alterd_executor.outcome import Broke, CancelWanted, Cause, Found, Stopped, at_once, settle
from alterd_executor.protocol import RunCancelled, RunCompleted, RunFailed, RunFenced, RunReleased

ERRORS = st.sampled_from(
    [
        AlterdError("what?"),
        StatementFailed("no"),
        Ambiguous("who knows"),
        Fenced(),
        LostSession(),
        Released(),
        ShardUnreachable(),
    ]
)
CAUSES: st.SearchStrategy[Cause] = st.one_of(st.just(CancelWanted()), st.just(Stopped()), ERRORS.map(Broke))
FOUND: st.SearchStrategy[Found] = st.one_of(
    st.just(Resume()), st.just(StartOver()), st.just(AlreadyCompleted(facts=Facts(message="done"))), ERRORS
)


@given(CAUSES, FOUND)
def test_a_change_that_has_happened_is_completed_whatever_was_wanted(cause: Cause, found: Found) -> None:
    ending = settle(cause, found).ending
    assert isinstance(ending, RunCompleted) == isinstance(found, AlreadyCompleted)


@given(CAUSES, FOUND)
def test_cancelled_only_when_cancelled_and_the_table_is_as_it_was(cause: Cause, found: Found) -> None:
    cancelled = isinstance(settle(cause, found).ending, RunCancelled)
    assert cancelled == (isinstance(cause, CancelWanted) and isinstance(found, Resume | StartOver))


@given(CAUSES, FOUND)
def test_nothing_is_cleaned_up_unless_the_table_is_known_to_be_as_it_was(cause: Cause, found: Found) -> None:
    settled = settle(cause, found)
    if settled.clean_up:
        assert isinstance(found, Resume | StartOver)
        assert isinstance(settled.ending, RunCancelled | RunFailed)


@given(CAUSES, FOUND)
def test_a_stopping_executor_keeps_what_the_next_attempt_may_resume(cause: Cause, found: Found) -> None:
    settled = settle(cause, found)
    if isinstance(settled.ending, RunReleased):
        assert not settled.clean_up


@given(CAUSES, FOUND)
def test_what_nobody_can_tell_fails_and_is_left_alone(cause: Cause, found: Found) -> None:
    if isinstance(found, Ambiguous):
        settled = settle(cause, found)
        assert isinstance(settled.ending, RunFailed)
        assert settled.ending.error.code == "ambiguous"
        assert not settled.clean_up


@given(CAUSES)
def test_only_errors_that_say_enough_end_at_once(cause: Cause) -> None:
    ending = at_once(cause)
    match cause:
        case Broke(error=Fenced()):
            assert ending == RunFenced()
        case Broke(error=Interrupted() | Unreachable()):
            assert isinstance(ending, RunReleased)
        case Broke(error=Ambiguous()):
            assert isinstance(ending, RunFailed)
        case _:
            assert ending is None


def test_the_first_error_is_told_beside_the_one_of_the_facts() -> None:
    settled = settle(Broke(StatementFailed("MySQL error 1")), Ambiguous("the table is neither"))
    assert isinstance(settled.ending, RunFailed)
    assert settled.ending.error.message == "the table is neither (after: MySQL error 1)"
