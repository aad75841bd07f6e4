"""Single rules of the scheduler, each named after what it says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alterd_contracts.errors import ShardUnreachable, UnknownMigration, UuidTaken
from alterd_contracts.events import Fact
from alterd_contracts.inputs import (
    AttemptReport,
    Collected,
    Completed,
    Control,
    PhaseEntered,
    ReleasedReport,
    Started,
    Submission,
    Submitted,
    Target,
)
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Accepted, Answered, Command, Refusal
from alterd_contracts.statement import Statement, StatementKind
from alterd_contracts.states import PENDING, TRANSITIONS, Status, Trigger, after, diagram
from alterd_contracts.work import ExecutorInfo
from alterd_scheduler.admission import admit, blocked, due, orphaned
from alterd_scheduler.controls import decide_control
from alterd_scheduler.decisions import Known
from alterd_scheduler.facts import Moment
from alterd_scheduler.liveness import Liveness
from alterd_scheduler.reports import Limits, decide_collected, decide_report
from alterd_scheduler.submissions import decide_submission

NOW = datetime(2026, 1, 1, tzinfo=UTC)
UUID = "9e8a9249_3976_11ed_9442_0a43f95f28a3"


def row(status: Status = Status.QUEUED, **columns: Any) -> Migration:
    base: dict[str, Any] = {
        "id": 1,
        "migration_uuid": UUID,
        "keyspace": "commerce",
        "shard": "0",
        "mysql_schema": "commerce",
        "mysql_table": "t",
        "migration_statement": "alter table t add a int",
        "strategy": "mysql",
        "migration_status": status,
        "migration_context": "c",
        "request_id": "r1",
    }
    return Migration(**{**base, **columns})


def at(seq: int = 10) -> Moment:
    return Moment(now=NOW, input_seq=seq)


def request(request_id: str = "r1", sql: str = "alter table t add a int", context: str = "c") -> Submission:
    statement = Statement(kind=StatementKind.ALTER_TABLE, ddl_action="alter", table="t", sql=sql, original=sql)
    return Submission(
        request_id=request_id,
        keyspace="commerce",
        strategy="mysql",
        options="",
        migration_context=context,
        submitted=(Submitted(migration_uuid=UUID, statement=statement),),
        targets=(Target(shard="0", mysql_schema="commerce"), Target(shard="1", mysql_schema="commerce")),
        requested_at=NOW,
    )


def report(kind: type, attempt: int = 1, executor: str = "e1", **fields: Any) -> Any:
    return kind(
        keyspace="commerce",
        shard="0",
        migration_uuid=UUID,
        attempt=attempt,
        executor=executor,
        incarnation="i1",
        **fields,
    )


def running(**columns: Any) -> Migration:
    return row(
        Status.RUNNING, **{"attempt": 1, "tablet": "e1", "incarnation": "i1", "started_timestamp": NOW, **columns}
    )


def test_every_state_is_reached_and_every_pending_state_is_left() -> None:
    assert set(TRANSITIONS.values()) == set(Status)
    assert {before for before, _ in TRANSITIONS} >= PENDING


def test_the_diagram_has_every_transition() -> None:
    assert diagram().count("-->") == len(TRANSITIONS) + 1 + 3


@given(st.sampled_from(Status), st.sampled_from(Trigger))
def test_a_trigger_without_a_transition_has_no_effect(status: Status, trigger: Trigger) -> None:
    assert (after(status, trigger) is None) == ((status, trigger) not in TRANSITIONS)


def test_a_submission_becomes_one_row_per_shard_with_one_id() -> None:
    decision = decide_submission(request(), Known([]), at(), next_id=7)
    assert [(new.shard, new.id, new.migration_status) for new in decision.records] == [
        ("0", 7, Status.QUEUED),
        ("1", 7, Status.QUEUED),
    ]
    assert decision.next_id == 8
    assert isinstance(decision.outcome, Accepted)


def test_the_same_request_again_only_adds_what_is_missing() -> None:
    first = row(id=7, request_id="r1")
    decision = decide_submission(request(), Known([first]), at(), next_id=9)
    assert [(new.shard, new.id) for new in decision.records] == [("1", 7)]


def test_a_known_uuid_of_another_request_acts_as_retry() -> None:
    failed = [row(Status.FAILED, shard=shard, attempt=3, request_id="r0") for shard in ("0", "1")]
    decision = decide_submission(request(), Known(failed), at(), next_id=9)
    assert [(new.migration_status, new.first_attempt, new.retries) for new in decision.records] == [
        (Status.QUEUED, 4, 1)
    ] * 2


@pytest.mark.parametrize("other", [{"sql": "alter table t add b int"}, {"context": "d"}])
def test_a_known_uuid_with_another_statement_or_context_is_refused_whole(other: dict[str, str]) -> None:
    decision = decide_submission(request("r9", **other), Known([row()]), at(), next_id=9)
    assert decision.records == ()
    assert isinstance(decision.outcome, Refusal)
    assert decision.outcome.errors[0].code == UuidTaken.code
    assert decision.refused is not None


def test_lanes_are_sequential_and_in_order() -> None:
    lane = [row(id=1, migration_uuid="a"), row(id=2, migration_uuid="b")]
    [first] = admit(lane, at())
    assert (first.migration_uuid, first.attempt, first.migration_status) == ("a", 1, Status.READY)
    assert admit([first, lane[1]], at()) == []


def test_a_held_migration_lets_later_ones_pass() -> None:
    lane = [row(id=1, migration_uuid="a", postpone_launch=True), row(id=2, migration_uuid="b")]
    assert [new.migration_uuid for new in admit(lane, at())] == ["b"]


@pytest.mark.parametrize(
    ("before", "then", "affected"),
    [
        (row(), Status.CANCELLED, 1),
        (row(Status.READY, attempt=1), Status.CANCELLED, 1),
        (running(), Status.RUNNING, 1),
        (row(Status.READY, attempt=2, started_timestamp=NOW), Status.READY, 1),
        (row(Status.COMPLETE), Status.COMPLETE, 0),
        (row(Status.FAILED), Status.FAILED, 0),
        (row(Status.CANCELLED), Status.CANCELLED, 0),
        (running(cancel_requested=True), Status.RUNNING, 0),
    ],
)
def test_cancel_in_every_state(before: Migration, then: Status, affected: int) -> None:
    control = Control(command=Command.CANCEL, keyspace="commerce", migration_uuid=UUID)
    decision = decide_control(control, Known([before]), at())
    assert isinstance(decision.outcome, Answered)
    [effect] = decision.outcome.effects
    assert (effect.migration_status, effect.affected, len(decision.records)) == (then, affected, affected)
    if affected and then in PENDING:
        assert decision.records[0].cancel_requested


@pytest.mark.parametrize("status", Status)
def test_retry_in_every_state(status: Status) -> None:
    control = Control(command=Command.RETRY, keyspace="commerce", migration_uuid=UUID)
    before = row(status, attempt=2, message="old", error_code="x", started_timestamp=NOW, cancel_requested=True)
    decision = decide_control(control, Known([before]), at())
    if status in (Status.FAILED, Status.CANCELLED):
        [new] = decision.records
        assert new.migration_status is Status.QUEUED
        assert (new.first_attempt, new.message, new.started_timestamp, new.cancel_requested) == (3, "", None, False)
    else:
        assert decision.records == ()


def test_a_command_for_an_unknown_migration_is_told_so() -> None:
    control = Control(command=Command.CANCEL, keyspace="commerce", migration_uuid=UUID)
    outcome = decide_control(control, Known([]), at()).outcome
    assert isinstance(outcome, Refusal)
    assert outcome.errors[0].code == UnknownMigration.code
    assert "alterd show" in outcome.errors[0].hint


def test_the_first_executor_that_asks_is_granted_the_attempt() -> None:
    ready = row(Status.READY, attempt=1)
    [granted] = decide_report(report(Started), Known([ready]), at(), Limits()).records
    assert (granted.tablet, granted.incarnation, granted.migration_status) == ("e1", "i1", Status.RUNNING)
    second = decide_report(report(Started, executor="e2"), Known([granted]), at(11), Limits())
    assert second.ignored == "not_ready"


@pytest.mark.parametrize(
    ("known", "sent", "why"),
    [
        (running(attempt=2), report(Completed, 1), "other_attempt"),
        (running(), report(Completed, executor="e2"), "other_executor"),
        (running(input_seq=10), report(Completed), "seen"),
        (row(Status.CANCELLED, attempt=1), report(Completed), "not_running"),
    ],
)
def test_reports_of_others_are_ignored(known: Migration, sent: Completed, why: str) -> None:
    assert decide_report(sent, Known([known]), at(), Limits()).ignored == why


def test_no_strategy_fills_the_schedulers_own_columns() -> None:
    sent = report(Completed, columns={"migration_status": "queued", "attempt": 9, "removed_unique_keys": 2, "x": 1})
    [new] = decide_report(sent, Known([running()]), at(), Limits()).records
    assert (new.migration_status, new.attempt, new.removed_unique_keys) == (Status.COMPLETE, 1, 2)


def test_released_work_becomes_the_next_attempt_after_a_pause() -> None:
    sent = report(ReleasedReport, reason="shard away", error=ShardUnreachable().info())
    [new] = decide_report(sent, Known([running()]), at(), Limits(release_delay=5)).records
    assert (new.migration_status, new.attempt, new.tablet) == (Status.READY, 2, "")
    assert not due(new, 4.9)
    assert due(new, 5.0)


def test_work_that_does_not_begin_waits_longer_each_time_until_it_does() -> None:
    """So a shard that is away for hours makes no story of thousands of attempts."""
    limits, sent = Limits(release_delay=5), report(ReleasedReport, reason="shard away", error=ShardUnreachable().info())

    def after_report(record: Migration, sent: AttemptReport) -> Migration:
        said = msgspec.structs.replace(sent, attempt=record.attempt)
        [new] = decide_report(said, Known([record]), at(record.input_seq + 1), limits).records
        return new

    record, delays = running(), []
    for _ in range(5):
        ready = after_report(record, sent)
        delays.append(ready.dispatch_delay)
        record = after_report(ready, report(Started))
        assert record.message == "shard away"  # nothing is known to be better yet
    assert delays == [5, 10, 20, 30, 30]
    begun = after_report(record, report(PhaseEntered, phase="copy"))
    assert begun.message == ""
    assert after_report(begun, sent).dispatch_delay == 5


def test_a_run_that_dies_again_and_again_fails() -> None:
    sent = report(ReleasedReport, reason="signal 9", died=True)
    [new] = decide_report(sent, Known([running(deaths=4)]), at(), Limits(max_deaths=5)).records
    assert (new.migration_status, new.error_code) == (Status.FAILED, "run_died")


def test_the_work_of_a_dead_executor_becomes_the_next_attempt() -> None:
    assert orphaned(running(), lambda *_: True, at()) is None
    lost = orphaned(running(cancel_requested=True), lambda *_: False, at())
    assert lost is not None
    assert (lost.migration_status, lost.attempt, lost.tablet, lost.cancel_requested) == (Status.READY, 2, "", True)
    assert lost.event is not None
    assert lost.event.fact is Fact.LOST


def test_work_that_nobody_takes_is_told_once() -> None:
    ready = row(Status.READY, attempt=1)
    assert blocked(ready, frozenset({"mysql"}), at(), waited=29, patience=30) is None
    told = blocked(ready, frozenset(), at(), waited=30, patience=30)
    assert told is not None
    assert "no running executor offers the strategy mysql" in told.message
    assert blocked(told, frozenset(), at(), waited=99, patience=30) is None


def test_collected_artifacts_leave_the_record() -> None:
    done = row(Status.COMPLETE, artifacts="a,b,")
    sent = Collected(
        keyspace="commerce", shard="0", migration_uuid=UUID, attempt=1, executor="e1", incarnation="i", names=("a",)
    )
    [one] = decide_collected(sent, Known([done]), at()).records
    assert (one.artifacts, one.cleanup_timestamp) == ("b,", None)
    [none] = decide_collected(sent, Known([one.evolve(artifacts="a,")]), at(11)).records
    assert (none.artifacts, none.cleanup_timestamp) == ("", NOW)


def info(incarnation: str = "i1") -> ExecutorInfo:
    return ExecutorInfo(
        executor="e1",
        incarnation=incarnation,
        host="h",
        pid=1,
        version="0",
        slots=1,
        running=0,
        lease_ttl=15,
        started_at=NOW,
        strategies=(),
    )


def ticked(liveness: Liveness, begin: float, end: float, *, connected: bool = True) -> None:
    now = begin
    while now <= end:
        liveness.tick(now, connected=connected)
        now += 0.5


def test_silence_for_a_whole_ttl_is_death() -> None:
    liveness = Liveness(15, now=0)
    liveness.seen(info(), now=0)
    ticked(liveness, 0, 16)
    assert liveness.alive("e1", "i1", 14.9)
    assert not liveness.alive("e1", "i1", 15.1)


def test_an_outage_gives_everybody_a_whole_ttl_again() -> None:
    liveness = Liveness(15, now=0)
    liveness.seen(info(), now=0)
    ticked(liveness, 0, 60, connected=False)
    ticked(liveness, 60.5, 75)
    assert liveness.alive("e1", "i1", 74)
    assert not liveness.alive("e1", "i1", 76)


def test_a_pause_of_the_scheduler_kills_nobody() -> None:
    liveness = Liveness(15, now=0)
    liveness.seen(info(), now=0)
    liveness.tick(1, connected=True)
    liveness.tick(60, connected=True)
    assert liveness.alive("e1", "i1", 60)


def test_a_new_process_of_the_same_name_ends_the_old_ones_work_at_once() -> None:
    liveness = Liveness(15, now=0)
    liveness.seen(info("i2"), now=1)
    assert not liveness.alive("e1", "i1", 1)
    assert liveness.alive("e1", "i2", 1)


def test_a_new_leader_waits_a_whole_ttl_for_those_it_has_not_heard() -> None:
    liveness = Liveness(15, now=100)
    assert liveness.alive("e9", "i", 114)
    assert not liveness.alive("e9", "i", 115)
