"""What the record and the facts keep of a run's progress."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from alterd_contracts.errors import MigrationFailed
from alterd_contracts.events import Fact, MigrationEvent
from alterd_contracts.inputs import (
    CancelledReport,
    Completed,
    Control,
    CutoverAttempted,
    Failed,
    PhaseEntered,
    ReadyToComplete,
    ReleasedReport,
    Throttled,
)
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Command
from alterd_contracts.states import Status
from alterd_contracts.work import Reached
from alterd_scheduler.admission import orphaned
from alterd_scheduler.controls import decide_control
from alterd_scheduler.decisions import Decision, Known
from alterd_scheduler.facts import Moment
from alterd_scheduler.reports import Limits, decide_report
from tests.unit.test_scheduler_rules import NOW, UUID, report, running

FAR = Reached(rows_copied=300, table_rows=500, progress=60.0)


def decided(row: Migration, kind: type, seq: int = 10, seconds: float = 0, **fields: Any) -> Decision:
    moment = Moment(now=NOW + timedelta(seconds=seconds), input_seq=seq)
    return decide_report(report(kind, row.attempt, **fields), Known([row]), moment, Limits())


def after(row: Migration, kind: type, seq: int = 10, seconds: float = 0, **fields: Any) -> Migration:
    [new] = decided(row, kind, seq, seconds, **fields).records
    return new


def told(row: Migration) -> MigrationEvent:
    assert row.event is not None
    return row.event


def numbers(row: Migration) -> tuple[int, int, float]:
    return row.rows_copied, row.table_rows, row.progress


def test_a_phase_names_itself_and_says_how_far_the_run_is() -> None:
    row = after(running(), PhaseEntered, phase="checksum", reached=FAR)
    event = told(row)
    assert (event.fact, event.message, event.stage) == (Fact.PHASE, "checksum", "checksum")
    assert (event.rows_copied, event.table_rows) == (300, 500)
    assert numbers(row) == (300, 500, 60.0)
    assert row.message == ""


@pytest.mark.parametrize("ready", [True, False])
def test_readiness_says_yes_or_no(ready: bool) -> None:
    event = told(after(running(), ReadyToComplete, ready=ready))
    assert (event.fact, event.ready_to_complete) == (Fact.READY_TO_COMPLETE, ready)
    assert event.message == ("only the completion is left" if ready else "no longer ready")


def test_a_wait_for_the_throttler_begins_and_ends() -> None:
    begun = after(running(), Throttled, throttled=True, component="copy", reason="lag 7 > 5")
    assert (begun.component_throttled, begun.reason_throttled, begun.last_throttled_timestamp) == (
        "copy",
        "lag 7 > 5",
        NOW,
    )
    assert (told(begun).fact, told(begun).message) == (Fact.THROTTLED, "lag 7 > 5")
    ended = after(begun, Throttled, seq=11, seconds=42, throttled=False)
    assert (ended.component_throttled, ended.reason_throttled, ended.last_throttled_timestamp) == ("", "", NOW)
    assert (told(ended).fact, told(ended).message) == (Fact.UNTHROTTLED, "after 42 s")
    assert decided(ended, Throttled, seq=12, throttled=False).ignored == "no_effect"


def test_each_attempt_to_cut_over_is_counted_and_dated() -> None:
    first = after(running(), CutoverAttempted, attempts=1, message="waits for connection 7")
    assert (first.cutover_attempts, first.last_cutover_attempt_timestamp, first.message) == (1, NOW, "")
    event = told(first)
    assert (event.fact, event.cutover_attempts) == (Fact.CUTOVER_ATTEMPTED, 1)
    assert event.message == "attempt 1: waits for connection 7"
    third = after(first, CutoverAttempted, seq=11, seconds=9, attempts=3)
    assert third.last_cutover_attempt_timestamp == NOW + timedelta(seconds=9)
    assert told(third).message == "attempt 3"
    assert decided(third, CutoverAttempted, seq=12, attempts=3).ignored == "no_effect"
    own_words = after(third, CutoverAttempted, seq=13, attempts=4, message="cut-over attempt 4 failed: lock wait")
    assert told(own_words).message == "cut-over attempt 4 failed: lock wait"


@pytest.mark.parametrize(
    ("kind", "fields", "status"),
    [
        (Failed, {"error": MigrationFailed().info()}, Status.FAILED),
        (CancelledReport, {}, Status.CANCELLED),
        (ReleasedReport, {"reason": "the executor stops"}, Status.READY),
    ],
)
def test_an_ending_keeps_what_was_reached_and_waits_for_nothing(
    kind: type, fields: dict[str, Any], status: Status
) -> None:
    row = running(reason_throttled="lag", component_throttled="copy")
    ended = after(row, kind, reached=FAR, **fields)
    assert ended.migration_status is status
    assert numbers(ended) == (300, 500, 60.0)
    assert (ended.reason_throttled, ended.component_throttled) == ("", "")


def test_a_completed_one_never_has_fewer_rows_than_were_shown() -> None:
    """The attempt that found the change done knows nothing of rows."""
    row = running(rows_copied=300, table_rows=250, progress=60.0)
    assert numbers(after(row, Completed)) == (300, 300, 100.0)
    assert numbers(after(row, Completed, rows_copied=400, table_rows=400)) == (400, 400, 100.0)


def test_a_later_attempt_that_begins_anew_is_behind_until_it_is_further() -> None:
    row = running(attempt=2, rows_copied=300, table_rows=500, progress=60.0)
    begun = after(row, PhaseEntered, phase="copy", reached=Reached(rows_copied=5, table_rows=500, progress=1.0))
    assert numbers(begun) == (300, 500, 60.0)
    passed = Reached(rows_copied=301, table_rows=500, progress=60.2)
    assert numbers(after(begun, PhaseEntered, seq=11, phase="checksum", reached=passed)) == (301, 500, 60.2)


def test_a_lost_run_keeps_what_its_record_knows() -> None:
    lost = orphaned(running(rows_copied=300, reason_throttled="lag"), lambda *_: False, Moment(now=NOW))
    assert lost is not None
    assert (lost.rows_copied, lost.reason_throttled) == (300, "")


def test_a_retry_begins_at_zero() -> None:
    failed = running(
        rows_copied=300,
        table_rows=500,
        progress=60.0,
        cutover_attempts=3,
        last_cutover_attempt_timestamp=NOW,
        last_throttled_timestamp=NOW,
    ).evolve(migration_status=Status.FAILED)
    control = Control(command=Command.RETRY, keyspace="commerce", migration_uuid=UUID)
    [new] = decide_control(control, Known([failed]), Moment(now=NOW, input_seq=10)).records
    assert numbers(new) == (0, 0, 0.0)
    assert (new.cutover_attempts, new.last_cutover_attempt_timestamp, new.last_throttled_timestamp) == (0, None, None)


@pytest.mark.parametrize("immediate", [True, False])
def test_what_is_immediate_is_ready_to_complete_whenever_it_has_not_begun(immediate: bool) -> None:
    """Released, lost and retried alike."""
    row = running(is_immediate_operation=immediate, ready_to_complete=True)
    lost = orphaned(row, lambda *_: False, Moment(now=NOW))
    assert lost is not None
    control = Control(command=Command.RETRY, keyspace="commerce", migration_uuid=UUID)
    failed = row.evolve(migration_status=Status.FAILED)
    [retried] = decide_control(control, Known([failed]), Moment(now=NOW, input_seq=10)).records
    for new in (after(row, ReleasedReport, reason="the executor stops"), lost, retried):
        assert new.ready_to_complete == immediate, new
