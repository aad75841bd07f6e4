"""What runs beside what on one shard, and when it may complete: the rules one by one."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from alterd_contracts.events import Fact
from alterd_contracts.inputs import CancelledReport, Completed, PhaseEntered, ReadyToComplete, Submission
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Accepted, Refusal
from alterd_contracts.states import Status
from alterd_contracts.strategy import Wanted
from alterd_scheduler.admission import admit, permitted, settled
from alterd_scheduler.board import Board
from alterd_scheduler.decide import decide
from alterd_scheduler.decisions import Known
from alterd_scheduler.duplicates import duplicate
from alterd_scheduler.facts import Moment
from alterd_scheduler.gates import decide_gate
from alterd_scheduler.in_order import broken_before, failed_by
from alterd_scheduler.reports import Limits, decide_report
from alterd_scheduler.submissions import decide_submission
from tests.unit.test_scheduler_rules import NOW, at, report, request, row, running

ALTER: dict[str, Any] = {"exclusive_phases": ("copy",), "tail_phases": ("checksum", "cut-over")}
CREATE: dict[str, Any] = {"is_immediate_operation": True, "ready_to_complete": True}


def queued(number: int, table: str = "", **columns: Any) -> Migration:
    return row(id=number, migration_uuid=f"m{number}", mysql_table=table or f"t{number}", **columns)


def busy(number: int, table: str = "", **columns: Any) -> Migration:
    return queued(
        number, table, migration_status=Status.RUNNING, attempt=1, tablet="e1", started_timestamp=NOW, **columns
    )


def admitted(*lane: Migration, most: int = 256) -> list[str]:
    return [new.migration_uuid for new in admit(list(lane), at(), most)]


def test_one_that_is_not_concurrent_at_a_time_and_any_number_on_top() -> None:
    lane = [queued(1), queued(2), queued(3, allow_concurrent=True), queued(4, allow_concurrent=True)]
    assert admitted(*lane) == ["m1", "m3", "m4"]


def test_a_create_runs_during_a_long_alter() -> None:
    assert admitted(busy(1, exclusive=True, **ALTER), queued(2, allow_concurrent=True, **CREATE)) == ["m2"]
    assert admitted(busy(1, exclusive=True, **ALTER), queued(2, **CREATE)) == []


def test_the_number_of_concurrent_ones_has_a_limit() -> None:
    assert admitted(*[queued(number, allow_concurrent=True) for number in range(5)], most=3) == ["m0", "m1", "m2"]


def test_one_copies_while_tails_overlap() -> None:
    concurrent = {"allow_concurrent": True, **ALTER}
    copying, second = busy(1, exclusive=True, **concurrent), queued(2, **concurrent)
    assert admitted(copying, second) == []
    assert admitted(busy(1, exclusive=False, **concurrent), second) == ["m2"]


@pytest.mark.parametrize("other", ["t", "T"])
def test_never_two_on_one_table(other: str) -> None:
    assert admitted(busy(1, "t", allow_concurrent=True), queued(2, other, allow_concurrent=True)) == []
    launched_late = queued(1, other, allow_concurrent=True)
    assert admitted(launched_late, busy(2, "t", allow_concurrent=True)) == []


def test_later_ones_overtake_blocked_ones_but_not_on_the_same_table() -> None:
    lane = [busy(1, "a"), queued(2, "a", allow_concurrent=True), queued(3, "a"), queued(4, "b", allow_concurrent=True)]
    assert admitted(*lane) == ["m4"]
    held = queued(1, "a", postpone_completion=True, **CREATE)
    assert admitted(held, queued(2, "a"), queued(3, "b")) == ["m3"]


def test_one_that_waits_for_its_launch_is_overtaken_on_its_table() -> None:
    assert admitted(queued(1, "a", postpone_launch=True), queued(2, "a")) == ["m2"]


def test_what_is_postponed_and_immediate_stays_queued_and_an_alter_runs() -> None:
    assert admitted(queued(1, postpone_completion=True, **CREATE)) == []
    assert admitted(queued(1, postpone_completion=True, **ALTER)) == ["m1"]


def test_priority_goes_first_within_the_rules() -> None:
    assert admitted(queued(1), queued(2, priority=5)) == ["m2"]
    assert admitted(queued(1, "a"), queued(2, "a", priority=5)) == ["m1"]


def test_a_run_leaves_the_exclusive_place_with_its_phase() -> None:
    [new] = admit([row(**ALTER)], at())
    assert new.exclusive
    copying = running(exclusive=True, **ALTER)
    for sent, place in (
        (report(PhaseEntered, phase="prepare"), True),
        (report(PhaseEntered, phase="copy"), True),
        (report(PhaseEntered, phase="checksum"), False),
        (report(ReadyToComplete, ready=True), False),
    ):
        [new] = decide_report(sent, Known([copying]), at(), Limits()).records
        assert new.exclusive == place


def test_a_later_attempt_that_copies_again_waits_for_the_place() -> None:
    again = running(exclusive=False, **ALTER)
    [waiting] = decide_report(report(PhaseEntered, phase="copy"), Known([again]), at(), Limits()).records
    assert (waiting.exclusive, waiting.exclusive_wanted, Wanted.of(waiting).exclusive) == (False, True, False)
    other = busy(2, exclusive=True, **ALTER)
    assert permitted([waiting, other], at()) is None
    assert admitted(waiting, queued(3, allow_concurrent=True, **ALTER)) == []
    new = permitted([waiting, other.evolve(exclusive=False)], at())
    assert new is not None
    assert Wanted.of(new).exclusive


def test_in_order_an_immediate_one_begins_when_it_is_the_first() -> None:
    second = queued(2, allow_concurrent=True, in_order_completion=True, **CREATE)
    assert admitted(busy(1, allow_concurrent=True), second) == []
    assert admitted(second) == ["m2"]


def test_in_order_an_alter_runs_and_does_not_complete_before_its_turn() -> None:
    lane = [busy(1, allow_concurrent=True), queued(2, allow_concurrent=True, in_order_completion=True, **ALTER)]
    [new] = admit(lane, at())
    assert (new.in_order_completion_pending_count, Wanted.of(new).may_complete) == (1, False)
    [free] = settled([new])
    assert Wanted.of(free).may_complete
    assert settled([free]) == []


def fails(prior: Migration, *others: Migration) -> dict[str, Migration]:
    board = Board()
    for each in (prior, *others):
        board.put(each)
    sent = report(CancelledReport)
    known = Known([prior], board=board)
    decision = decide(
        CancelledReport(**{**{name: getattr(sent, name) for name in sent.__struct_fields__}, "migration_uuid": "m1"}),
        known,
        at(),
        next_id=9,
        limits=Limits(),
    )
    assert decision.records[-1].migration_uuid == "m1", "what it causes is written before it"
    return {new.migration_uuid: new for new in decision.records}


def test_a_failure_fails_what_follows_in_its_context() -> None:
    order: dict[str, Any] = {"in_order_completion": True}
    new = fails(
        busy(1, incarnation="i1", cancel_requested=True),
        queued(2, **order),
        busy(3, **order),
        queued(4),
        queued(5, migration_context="other", **order),
    )
    assert set(new) == {"m1", "m2", "m3"}
    assert (new["m2"].migration_status, new["m2"].error_code) == (Status.FAILED, "prior_failed")
    assert "cannot run because prior migration m1 in same context was cancelled" in new["m2"].message
    assert (new["m3"].migration_status, new["m3"].cancel_requested) == (Status.RUNNING, True)


def test_a_run_that_obeys_because_of_a_failure_before_it_has_failed() -> None:
    asked = failed_by(running(in_order_completion=True), row(Status.FAILED, id=0, migration_uuid="p"), at())
    assert asked is not None
    [new] = decide_report(report(CancelledReport), Known([asked]), at(11), Limits()).records
    assert (new.migration_status, new.error_code) == (Status.FAILED, "prior_failed")
    assert new.cancelled_timestamp is None


def test_an_older_failure_keeps_from_running_until_it_is_retried() -> None:
    later = queued(2, in_order_completion=True)
    prior = queued(1, migration_status=Status.FAILED)
    assert broken_before(later, [prior]) is prior
    assert broken_before(later, [prior.evolve(migration_status=Status.QUEUED)]) is None
    assert broken_before(later, [prior.evolve(id=3)]) is None
    assert broken_before(later, [prior.evolve(migration_context="x")]) is None


def singleton(
    flag: str, context: str = "c", table: str = "t", uuid: str = "9e8a9249_3976_11ed_9442_0a43f95f28a4"
) -> Submission:
    sent = request("r9", context=context)
    [item] = sent.submitted
    statement = msgspec.structs.replace(item.statement, table=table)
    item = msgspec.structs.replace(item, migration_uuid=uuid, statement=statement)
    return msgspec.structs.replace(sent, submitted=(item,), singletons=(flag,))


@pytest.mark.parametrize(
    ("flag", "context", "table", "refused"),
    [
        ("singleton", "c", "x", "singleton migration rejected: found pending migrations [sample: m1]"),
        ("singleton-context", "d", "t", "found pending migration: m1 in different context: c"),
        ("singleton-context", "c", "t", ""),
        ("singleton-table", "d", "T1", "found pending migration: m1 for the same table: T1"),
        ("singleton-table", "d", "t2", ""),
    ],
)
def test_singletons_over_all_shards(flag: str, context: str, table: str, refused: str) -> None:
    board = Board()
    board.put(queued(1, shard="some-other"))
    outcome = decide_submission(singleton(flag, context, table), Known([], board=board), at(), next_id=5).outcome
    if refused:
        assert isinstance(outcome, Refusal)
        assert outcome.errors[0].code == "singleton_pending"
        assert refused in outcome.errors[0].message
        assert outcome.errors[0].where["uuid"] == "m1"
    else:
        assert isinstance(outcome, Accepted)


def test_a_singleton_that_is_recorded_is_not_judged_again() -> None:
    board = Board()
    mine = row(migration_uuid="9e8a9249_3976_11ed_9442_0a43f95f28a4", request_id="r9")
    for each in (mine, queued(1)):
        board.put(each)
    outcome = decide_submission(singleton("singleton"), Known([mine], board=board), at(), next_id=5).outcome
    assert isinstance(outcome, Accepted)


def test_what_is_complete_in_its_context_is_not_run_again() -> None:
    new = duplicate(queued(2), "m1", at())
    assert new is not None
    assert (new.migration_status, new.message) == (Status.COMPLETE, "duplicate DDL as m1 for migration context c")
    assert not new.ever_dispatched


GATE: dict[str, Any] = {"postpone_completion": True, "gated": True, "gate_id": 7}


def opened(*rows: Migration, startable: bool = True) -> dict[str, Migration]:
    return {new.shard: new for new in decide_gate(rows, lambda _: startable, Moment(now=NOW))}


def test_a_gate_opens_when_all_shards_are_ready() -> None:
    a, b = (running(shard=shard, ready_to_complete=True, **GATE) for shard in ("a", "b"))
    assert opened(a, b.evolve(ready_to_complete=False)) == {}
    assert opened(a, b.evolve(in_order_completion_pending_count=1)) == {}
    new = opened(a, b)
    assert set(new) == {"a", "b"}
    assert all(not each.postpone_completion and not each.gated and each.gate_id == 7 for each in new.values())


def test_a_gate_of_creates_opens_when_each_could_begin() -> None:
    rows = [row(shard=shard, **GATE, **CREATE) for shard in ("a", "b")]
    assert opened(*rows, startable=False) == {}
    assert set(opened(*rows)) == {"a", "b"}


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED])
def test_a_failed_shard_keeps_the_gate_shut_and_is_named(status: Status) -> None:
    a = running(shard="a", ready_to_complete=True, **GATE)
    b = row(status, shard="b", message="no space", **GATE)
    told = opened(a, b)["a"]
    assert told.gated
    assert f"kept shut by shard b, {status} (no space)" in told.message
    assert told.event is not None
    assert told.event.fact is Fact.GATE_SHUT
    assert opened(told, b) == {}, "told once"
    assert opened(told.evolve(message="CANCEL issued by user", cancel_requested=True), b) == {}
    stale = opened(told.evolve(message="no sign of life", input_seq=20), b)["a"]
    assert stale.event is not None
    assert stale.event.id != told.event.id, "another fact"
    assert opened(told, b.evolve(migration_status=Status.RUNNING))["a"].message == ""


def test_an_interrupted_opening_is_finished() -> None:
    a = running(shard="a", gate_id=7)
    b = running(shard="b", ready_to_complete=False, **GATE)
    assert not opened(a, b)["b"].gated


def test_the_spread_of_a_gate_is_recorded_in_milliseconds() -> None:
    first = row(Status.COMPLETE, shard="1", gate_id=7, completed_timestamp=NOW - timedelta(milliseconds=12))
    [new] = decide_report(report(Completed), Known([running(gate_id=7), first]), at(), Limits()).records
    assert new.gate_spread_ms == pytest.approx(12)
    assert "12 ms after the first" in new.message


def test_a_decision_takes_milliseconds_beside_ten_thousand_open_records() -> None:
    board = Board()
    for shard in range(1000):
        for number in range(10):
            board.put(queued(number, shard=str(shard), allow_concurrent=True, in_order_completion=True, **ALTER))
    one = board.lane(("commerce", "500"))
    begun = time.perf_counter()
    for _ in range(20):
        lane = board.lane(("commerce", "500"))
        for new in admit(lane, at()):
            board.put(new)
        settled(lane)
        decide_submission(singleton("singleton-table", "z", "none"), Known([], board=board), at(), next_id=99)
        for each in one:
            board.put(each)
    assert (time.perf_counter() - begun) / 20 < 0.01
