"""Commands about the completion: their effect in each state."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alterd_contracts.events import Fact
from alterd_contracts.inputs import Choices, Control, ShadowAnalyzed
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Answered, Command, Refusal
from alterd_contracts.states import PENDING, Status
from alterd_contracts.strategy import Wanted
from alterd_scheduler.controls import decide_control
from alterd_scheduler.decisions import Known
from alterd_scheduler.reports import Limits, decide_report
from alterd_scheduler.submissions import decide_submission
from tests.unit.test_scheduler_rules import NOW, UUID, at, report, request, row, running

COLUMNS = ("postpone_completion", "force_cutover", "cutover_threshold_seconds")
STATES = st.sampled_from(Status)


def control(command: Command, **fields: Any) -> Control:
    return Control(command=command, keyspace="commerce", migration_uuid=UUID, caller="ann", **fields)


def after(before: Migration, sent: Control) -> tuple[Migration | None, str]:
    """The row afterwards, None where nothing changed, and what the caller is told."""
    decision = decide_control(sent, Known([before]), at())
    assert isinstance(decision.outcome, Answered)
    [effect] = decision.outcome.effects
    assert effect.affected == len(decision.records)
    return (decision.records[0] if decision.records else None), effect.message


@pytest.mark.parametrize("status", Status)
def test_complete_takes_the_hold_away_from_what_is_pending(status: Status) -> None:
    new, _ = after(row(status, postpone_completion=True), control(Command.COMPLETE))
    if status in PENDING:
        assert new is not None
        assert Wanted.of(new).may_complete
        assert new.migration_status is status
        assert new.event is not None
        assert (new.event.fact, new.event.caller) == (Fact.COMPLETION_PERMITTED, "ann")
    else:
        assert new is None


def test_what_is_not_held_is_not_completed() -> None:
    new, text = after(running(), control(Command.COMPLETE))
    assert new is None
    assert "not postponed" in text


@given(STATES, st.booleans())
def test_postponing_and_completing_undo_each_other(status: Status, held: bool) -> None:
    before = row(status, postpone_completion=held)
    there, back = Command.COMPLETE, Command.POSTPONE_COMPLETE
    first, second = (there, back) if held else (back, there)
    changed, _ = after(before, control(first))
    assert (changed is None) == (status not in PENDING)
    if changed is not None:
        decision = decide_control(control(second), Known([changed]), at(11))
        assert decision.records[0].postpone_completion == held


@given(STATES, st.booleans())
def test_force_is_for_ever_and_lifts_no_hold(status: Status, held: bool) -> None:
    new, text = after(row(status, postpone_completion=held), control(Command.FORCE_CUTOVER))
    if status in PENDING:
        assert new is not None
        assert (new.force_cutover, new.postpone_completion) == (True, held)
        assert ("postponed" in text) == held
        again = decide_control(control(Command.FORCE_CUTOVER), Known([new]), at(11))
        assert again.records == ()
    else:
        assert new is None


@given(STATES, st.integers(-5, 60))
def test_a_threshold_is_within_its_limits_or_refused(status: Status, seconds: int) -> None:
    sent = control(Command.CUTOVER_THRESHOLD, cutover_threshold_seconds=seconds)
    decision = decide_control(sent, Known([row(status)]), at())
    if seconds != 0 and not 5 <= seconds <= 30:
        assert isinstance(decision.outcome, Refusal)
        assert decision.outcome.errors[0].code == "invalid_input"
        assert decision.records == ()
    else:
        assert [new.cutover_threshold_seconds for new in decision.records] == (
            [seconds or 10] if status in PENDING else []
        )


def test_the_same_threshold_again_changes_nothing() -> None:
    before = running(cutover_threshold_seconds=10)
    assert after(before, control(Command.CUTOVER_THRESHOLD, cutover_threshold_seconds=0))[0] is None


@given(st.sampled_from(Command), STATES, st.booleans(), st.integers(0, 30))
def test_each_command_changes_its_own_column_only(command: Command, status: Status, held: bool, seconds: int) -> None:
    before = row(status, postpone_completion=held, cutover_threshold_seconds=7)
    sent = control(command, cutover_threshold_seconds=seconds or 0)
    own = {
        Command.COMPLETE: {"postpone_completion"},
        Command.POSTPONE_COMPLETE: {"postpone_completion"},
        Command.FORCE_CUTOVER: {"force_cutover"},
        Command.CUTOVER_THRESHOLD: {"cutover_threshold_seconds"},
    }.get(command, set())
    for new in decide_control(sent, Known([before]), at()).records:
        assert {name for name in COLUMNS if getattr(new, name) != getattr(before, name)} == own


def test_a_command_reaches_the_shards_it_names() -> None:
    rows = [running(shard=name, postpone_completion=True) for name in ("0", "1")]
    decision = decide_control(control(Command.COMPLETE, shards=("1",)), Known(rows), at())
    assert [new.shard for new in decision.records] == ["1"]


def test_what_was_chosen_stands_in_every_shards_record() -> None:
    chosen = Choices(retain_artifacts_seconds=60, postpone_completion=True, cutover_threshold_seconds=15)
    sent = request()
    [item] = sent.submitted
    sent = msgspec.structs.replace(sent, submitted=(msgspec.structs.replace(item, choices=chosen),))
    for new in decide_submission(sent, Known([]), at(), next_id=1).records:
        assert (new.retain_artifacts_seconds, new.postpone_completion, new.cutover_threshold_seconds) == (60, True, 15)


def test_the_record_says_since_when_the_new_table_has_statistics() -> None:
    [new] = decide_report(report(ShadowAnalyzed), Known([running()]), at(), Limits()).records
    assert new.shadow_analyzed_timestamp == NOW
    assert new.event is not None
    assert new.event.fact is Fact.SHADOW_ANALYZED
