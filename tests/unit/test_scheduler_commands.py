"""Commands: their effect in each state."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alterd_contracts.errors import LostSession
from alterd_contracts.events import Fact
from alterd_contracts.inputs import Choices, Control, ReleasedReport, RuleChanged, ShadowAnalyzed
from alterd_contracts.migration import Migration
from alterd_contracts.requests import MOST_EFFECTS, Answered, Command, Refusal
from alterd_contracts.states import PENDING, Status
from alterd_contracts.strategy import Wanted
from alterd_scheduler.admission import admit, due, orphaned, returning
from alterd_scheduler.controls import decide_control
from alterd_scheduler.decide import decide
from alterd_scheduler.decisions import Decision, Known
from alterd_scheduler.in_order import broken_before
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
    [effect] = answer(decision).effects
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
def test_force_lifts_no_hold(status: Status, held: bool) -> None:
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


def to_all(command: Command, **fields: Any) -> Control:
    return Control(command=command, keyspace="commerce", caller="ann", **fields)


def answer(decision: Decision) -> Answered:
    assert isinstance(decision.outcome, Answered), decision.outcome
    return decision.outcome


@pytest.mark.parametrize("status", Status)
def test_launch_lets_go_what_waits_for_it_in_any_state(status: Status) -> None:
    new, _ = after(row(status, postpone_launch=True), control(Command.LAUNCH))
    assert new is not None
    assert (new.postpone_launch, new.migration_status) == (False, status)
    assert after(new, control(Command.LAUNCH))[0] is None


def test_launch_of_some_shards_leaves_the_others_waiting() -> None:
    rows = [row(shard=name, postpone_launch=True) for name in ("-40", "40-80", "80-")]
    sent = control(Command.LAUNCH, shards=("-40", "40-80"))
    assert [new.shard for new in decide_control(sent, Known(rows), at()).records] == ["-40", "40-80"]


def several() -> list[Migration]:
    """One pending migration on two shards, one that ended, one of another context, one of another keyspace."""
    other: dict[str, Any] = {"migration_uuid": UUID.replace("9e8a", "0000")}
    return [
        row(shard="1", id=2),
        row(shard="0", id=2),
        row(Status.COMPLETE, shard="0", id=1, migration_uuid=UUID.replace("9e8a", "1111")),
        row(shard="0", id=1, migration_context="another", **other),
        row(shard="0", id=1, keyspace="another", **other),
    ]


def test_a_command_to_all_reaches_what_is_pending_in_the_order_of_submission() -> None:
    decision = decide_control(to_all(Command.CANCEL), Known(several()), at())
    told = answer(decision)
    assert [(each.migration_uuid[:4], each.shard) for each in told.effects] == [
        ("0000", "0"),
        ("9e8a", "0"),
        ("9e8a", "1"),
    ]
    assert told.affected == 3
    assert {new.keyspace for new in decision.records} == {"commerce"}
    assert {new.message for new in decision.records} == {"CANCEL ALL issued by user"}


def test_a_command_to_all_may_be_limited_to_shards_and_to_a_context() -> None:
    for fields, expected in (
        ({"shards": ("1",)}, [("c", "1")]),
        ({"migration_context": "another"}, [("another", "0")]),
    ):
        decision = decide_control(to_all(Command.CANCEL, **fields), Known(several()), at())
        assert [(new.migration_context, new.shard) for new in decision.records] == expected


def test_a_command_to_all_answers_only_what_it_changed() -> None:
    rows = several()
    rows[0] = rows[0].evolve(postpone_completion=True)
    told = answer(decide_control(to_all(Command.COMPLETE), Known(rows), at()))
    assert [(each.shard, each.affected) for each in told.effects] == [("1", 1)]
    assert answer(decide_control(to_all(Command.RESUME), Known(rows), at())).effects == ()


def test_an_answer_fits_into_a_message_and_counts_the_rest() -> None:
    rows = [row(shard=str(number)) for number in range(MOST_EFFECTS + 500)]
    told = answer(decide_control(to_all(Command.PAUSE), Known(rows), at()))
    assert (len(told.effects), told.affected) == (MOST_EFFECTS, MOST_EFFECTS + 500)


@pytest.mark.parametrize("command", [Command.RETRY, Command.CLEANUP, Command.PURGE])
def test_what_is_about_the_past_names_its_migration(command: Command) -> None:
    decision = decide_control(to_all(command), Known(several()), at())
    assert isinstance(decision.outcome, Refusal)
    assert decision.records == ()


@pytest.mark.parametrize("command", [Command.THROTTLE, Command.UNTHROTTLE])
def test_throttling_is_asked_of_the_throttler(command: Command) -> None:
    assert isinstance(decide_control(control(command), Known([running()]), at()).outcome, Refusal)


def test_what_the_throttler_did_is_told_and_changes_no_record() -> None:
    rule = RuleChanged(
        command=Command.THROTTLE, keyspace="commerce", migration_uuid=UUID, ratio=0.5, expire_seconds=600, caller="ann"
    )
    decision = decide(rule, Known([running()]), at(), next_id=1, limits=Limits())
    assert decision.records == ()
    assert decision.told is not None
    assert (decision.told.fact, decision.told.caller) == (Fact.USER_THROTTLED, "ann")
    assert decision.told.message == "throttled, ratio 0.5, for 600 s"
    assert decision.told.subject == f"alterd.event.commerce._.{UUID}.user_throttled"


@given(STATES, st.booleans())
def test_force_can_be_taken_back(status: Status, forced: bool) -> None:
    new, _ = after(row(status, force_cutover=forced), control(Command.UNFORCE_CUTOVER))
    assert (new is not None) == (forced and status in PENDING)
    if new is not None:
        assert not Wanted.of(new).force_cutover


@pytest.mark.parametrize("status", Status)
def test_cleanup_is_for_what_has_ended_and_left_something(status: Status) -> None:
    for artifacts in ("", "_alterd_old_x,"):
        new, text = after(row(status, artifacts=artifacts), control(Command.CLEANUP))
        assert (new is not None) == (bool(artifacts) and status not in PENDING), text
        if new is not None:
            assert (new.retain_artifacts_seconds, new.migration_status) == (-1, status)
            assert after(new, control(Command.CLEANUP))[0] is None


@pytest.mark.parametrize("status", Status)
def test_purge_forgets_what_has_ended_and_left_nothing(status: Status) -> None:
    for artifacts in ("", "_alterd_old_x,"):
        known = Known([row(status, artifacts=artifacts)])
        decision = decide_control(control(Command.PURGE), known, at())
        gone = status not in PENDING and not artifacts
        assert len(decision.purged) == answer(decision).affected == int(gone)
        assert (decision.told is not None) == gone
        assert decision.records == ()


@given(STATES, st.booleans())
def test_a_paused_one_neither_completes_nor_begins_and_resume_undoes_it(status: Status, postponed: bool) -> None:
    before = row(status, postpone_completion=postponed)
    new, _ = after(before, control(Command.PAUSE))
    assert (new is not None) == (status in PENDING)
    if new is not None:
        assert not Wanted.of(new).may_complete
        assert admit([new], at()) == []
        assert not due(new, 3600)
        assert after(new, control(Command.PAUSE))[0] is None
        back = decide_control(control(Command.RESUME), Known([new]), at(11)).records[0]
        back = returning([back], at()) or back
        assert (back.paused, back.pause_requested, back.postpone_completion) == (False, False, postponed)


COPIES: dict[str, Any] = {"exclusive_phases": ("copy",), "tail_phases": ("cut-over",)}


def test_a_paused_run_gives_its_place_to_others_and_goes_on_when_there_is_one_again() -> None:
    copying = running(id=1, exclusive=True, stage="copy", **COPIES)
    second = row(id=2, migration_uuid="b", mysql_table="u", **COPIES)
    same = row(id=3, migration_uuid="c", **COPIES)
    parked = after_of(copying, control(Command.PAUSE))
    assert (parked.parked, parked.exclusive, Wanted.of(parked).paused) == (True, False, True)
    [other] = admit([parked, second, same], at())
    assert (other.migration_uuid, other.exclusive) == ("b", True), "the table stays its own"
    assert returning([parked, other], at()) is None
    resumed = after_of(parked, control(Command.RESUME))
    assert Wanted.of(resumed).paused
    assert returning([resumed, other], at()) is None
    back = returning([resumed, other.evolve(exclusive=False, allow_concurrent=True)], at())
    assert back is not None
    assert (back.parked, back.paused, back.exclusive, back.exclusive_wanted) == (False, False, True, False)


def test_one_that_was_paused_in_its_tail_needs_no_exclusive_place() -> None:
    tail = after_of(running(id=1, stage="cut-over", allow_concurrent=True, **COPIES), control(Command.PAUSE))
    resumed = after_of(tail, control(Command.RESUME))
    copying = row(Status.RUNNING, id=2, migration_uuid="b", mysql_table="u", exclusive=True, **COPIES)
    back = returning([resumed, copying], at())
    assert back is not None
    assert not back.exclusive


def test_what_runs_and_cannot_wait_is_not_paused_and_says_so() -> None:
    new, text = after(running(pausable=False, strategy="mysql"), control(Command.PAUSE))
    assert new is None
    assert "cannot be paused once it runs; `alterd cancel` ends it" in text
    assert after(row(Status.READY, pausable=False), control(Command.PAUSE))[0] is not None


def test_a_paused_one_that_has_begun_is_cancelled_all_the_same() -> None:
    lost = orphaned(after_of(running(), control(Command.PAUSE)), lambda *_: False, at())
    assert lost is not None
    assert not due(lost, 3600)
    assert due(after_of(lost, control(Command.CANCEL)), 3600)


def test_a_run_that_is_lost_and_begins_anew_by_itself_never_failed_in_between() -> None:
    """So nothing that follows it in order fails with it."""
    died = running(id=1, resumable=False)
    given_back = report(ReleasedReport, reason="gone", error=LostSession().info())
    lost = orphaned(died, lambda *_: False, at())
    [released] = decide_report(given_back, Known([died]), at(), Limits()).records
    follower = row(id=2, migration_uuid="f", in_order_completion=True)
    for again in (lost, released):
        assert again is not None
        assert (again.migration_status, again.losses, again.tablet_failure) == (Status.READY, 1, True)
        assert broken_before(follower, [again]) is None


def test_a_higher_priority_begins_first_but_not_before_its_own_table() -> None:
    lane = [
        row(id=1, migration_uuid="a", mysql_table="t"),
        row(id=2, migration_uuid="b", mysql_table="u"),
        row(id=3, migration_uuid="c", mysql_table="t"),
    ]
    assert [new.migration_uuid for new in admit(lane, at())] == ["a"]
    lane[1] = after_of(lane[1], control(Command.PRIORITY, priority=5))
    lane[2] = after_of(lane[2], control(Command.PRIORITY, priority=9))
    assert [new.migration_uuid for new in admit(lane, at())] == ["b"]


def after_of(before: Migration, sent: Control) -> Migration:
    sent = msgspec.structs.replace(sent, migration_uuid=before.migration_uuid)
    return decide_control(sent, Known([before]), at(before.input_seq + 1)).records[0]


def test_a_priority_out_of_range_is_refused() -> None:
    for priority in (1001, -1001):
        decision = decide_control(control(Command.PRIORITY, priority=priority), Known([row()]), at())
        assert isinstance(decision.outcome, Refusal)


@given(st.sampled_from([each for each in Command if not each.of_keyspace]), STATES, st.booleans())
def test_a_command_that_is_delivered_again_changes_nothing(command: Command, status: Status, flag: bool) -> None:
    before = row(
        status,
        postpone_launch=flag,
        postpone_completion=flag,
        force_cutover=flag,
        pause_requested=flag,
        paused=flag,
        artifacts="x,",
    )
    sent = control(command, cutover_threshold_seconds=9, priority=3)
    for new in decide_control(sent, Known([before]), at()).records:
        assert decide_control(sent, Known([new]), at()).records == ()
