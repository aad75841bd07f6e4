"""What executors report of the current attempt. Reports of any other attempt are ignored and counted. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from alterd_contracts.errors import LostSession, PriorFailed, RunDied
from alterd_contracts.events import Fact
from alterd_contracts.inputs import (
    ArtifactDeclared,
    AttemptReport,
    CancelledReport,
    Collected,
    Completed,
    CutoverAttempted,
    Failed,
    PhaseEntered,
    ProgressReport,
    ReadyToComplete,
    ReleasedReport,
    ShadowAnalyzed,
    Stale,
    Started,
    Throttled,
)
from alterd_contracts.migration import COLUMNS, Migration
from alterd_contracts.states import Status, Trigger
from alterd_contracts.work import Reached
from alterd_scheduler.decisions import Decision, Known
from alterd_scheduler.facts import Moment, changed, moved
from alterd_scheduler.gates import with_spread


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """Settings that reports are judged by."""

    max_deaths: int = 5
    release_delay: float = 5.0
    """Seconds."""


LONGEST = 6
"""Times `release_delay`, to which the wait grows by doubling while attempts do not begin."""
_LEFT: dict[str, Any] = {"exclusive": False, "exclusive_wanted": False}
OWNED_BY_SCHEDULER = frozenset(
    {"id", "migration_uuid", "keyspace", "shard", "migration_status", "attempt", "tablet", "migration_statement"}
)
"""Columns that no strategy may fill."""


def decide_report(report: AttemptReport, known: Known, moment: Moment, limits: Limits) -> Decision:
    """The record after the report; nothing for a report that is old, foreign or without effect."""
    row = known.get(report.keyspace, report.shard, report.migration_uuid)
    if row is None:
        return Decision(ignored="unknown_migration")
    if why := _why_ignored(row, report, moment):
        return Decision(ignored=why)
    new = _started(row, report, moment) if isinstance(report, Started) else _reported(row, report, moment, limits)
    if new is not None and isinstance(report, Completed):
        new = with_spread(new, known.rows(row.keyspace, row.migration_uuid))
    return Decision(records=(new,)) if new else Decision(ignored="no_effect")


def _why_ignored(row: Migration, report: AttemptReport, moment: Moment) -> str:
    if moment.input_seq and row.input_seq >= moment.input_seq:
        return "seen"
    if report.attempt != row.attempt:
        return "other_attempt"
    if isinstance(report, Started):
        return "" if row.migration_status is Status.READY else "not_ready"
    if row.migration_status is not Status.RUNNING:
        return "not_running"
    if (report.executor, report.incarnation) != (row.tablet, row.incarnation):
        return "other_executor"
    return ""


def decide_collected(report: Collected, known: Known, moment: Moment) -> Decision:
    """Artifacts past their retention are gone: the columns say so, in whatever state."""
    row = known.get(report.keyspace, report.shard, report.migration_uuid)
    if row is None:
        return Decision(ignored="unknown_migration")
    if moment.input_seq and row.input_seq >= moment.input_seq:
        return Decision(ignored="seen")
    left = [name for name in row.artifacts.split(",") if name and name not in report.names]
    columns: dict[str, Any] = {"artifacts": "".join(f"{name}," for name in left)}
    if not left:
        columns["cleanup_timestamp"] = moment.now
    return Decision(records=(changed(row, Fact.COLLECTED, moment, **columns),))


def _started(row: Migration, report: Started, moment: Moment) -> Migration | None:
    """Grants the attempt to the first executor that asks. What the one before was given back for stays told until
    this one has begun.
    """
    return moved(
        row,
        Trigger.STARTED,
        Fact.STARTED,
        moment,
        tablet=report.executor,
        incarnation=report.incarnation,
        started_timestamp=row.started_timestamp or moment.now,
        liveness_timestamp=moment.now,
        message=row.message if row.dispatch_delay else "",
    )


def _reported(  # noqa: PLR0911 - one return for each kind of report
    row: Migration, report: AttemptReport, moment: Moment, limits: Limits
) -> Migration | None:
    if isinstance(report, ProgressReport):
        row = further(row, report.reached)
    match report:
        case PhaseEntered() | ReadyToComplete() | Throttled() | CutoverAttempted():
            return _turned(row, report, moment)
        case ShadowAnalyzed():
            return changed(row, Fact.SHADOW_ANALYZED, moment, shadow_analyzed_timestamp=moment.now)
        case ArtifactDeclared(name=name):
            if f"{name}," in row.artifacts:
                return None
            return changed(row, Fact.ARTIFACT, moment, artifacts=f"{row.artifacts}{name},")
        case Completed():
            return _completed(row, report, moment)
        case Failed(error=error):
            return moved(
                row, Trigger.FAILED, Fact.FAILED, moment, error=error, message=error.message, error_code=error.code
            )
        case CancelledReport() if row.error_code == PriorFailed.code:
            prior = PriorFailed(row.cancel_message)
            return moved(row, Trigger.FAILED, Fact.FAILED, moment, error=prior.info(), message=prior.message)
        case CancelledReport():
            return moved(
                row,
                Trigger.CANCELLED,
                Fact.CANCELLED,
                moment,
                message=row.cancel_message or row.message,
                cancelled_timestamp=moment.now,
            )
        case ReleasedReport():
            return _released(row, report, moment, limits)
        case Stale(seconds=seconds):
            return changed(row, Fact.STALE, moment, message=f"no sign of life for {seconds:.0f} s")
        case _:
            return None


def _turned(
    row: Migration, report: PhaseEntered | ReadyToComplete | Throttled | CutoverAttempted, moment: Moment
) -> Migration | None:
    """The run goes on, in another way than before."""
    match report:
        case PhaseEntered(phase=phase):
            begun: dict[str, Any] = {"message": "", "dispatch_delay": 0.0} if row.dispatch_delay else {}
            return changed(row, Fact.PHASE, moment, saying=phase, stage=phase, **_place(row, phase), **begun)
        case ReadyToComplete(ready=ready):
            return changed(
                row,
                Fact.READY_TO_COMPLETE,
                moment,
                saying="only the completion is left" if ready else "no longer ready",
                ready_to_complete=ready,
                ready_to_complete_timestamp=row.ready_to_complete_timestamp or (moment.now if ready else None),
                **(_LEFT if ready and row.tail_phases else {}),
            )
        case Throttled():
            return _throttled(row, report, moment)
        case CutoverAttempted(attempts=attempts, message=message):
            if attempts <= row.cutover_attempts:
                return None
            return changed(
                row,
                Fact.CUTOVER_ATTEMPTED,
                moment,
                saying=_attempted(attempts, message),
                cutover_attempts=attempts,
                last_cutover_attempt_timestamp=moment.now,
            )


def _place(row: Migration, phase: str) -> dict[str, Any]:
    """What entering a phase means for the shard's exclusive place."""
    if phase in row.exclusive_phases:
        return {"exclusive_wanted": not row.exclusive}
    if phase in row.tail_phases:
        return _LEFT
    return {}


def _attempted(attempts: int, message: str) -> str:
    """Which attempt, unless the run's own words name it, and what was in its way."""
    attempt = f"attempt {attempts}"
    if attempt in message:
        return message
    return f"{attempt}: {message}" if message else attempt


def _throttled(row: Migration, report: Throttled, moment: Moment) -> Migration | None:
    if report.throttled:
        return changed(
            row,
            Fact.THROTTLED,
            moment,
            saying=report.reason,
            component_throttled=report.component,
            reason_throttled=report.reason,
            last_throttled_timestamp=moment.now,
        )
    if not row.reason_throttled or row.last_throttled_timestamp is None:
        return None
    seconds = (moment.now - row.last_throttled_timestamp).total_seconds()
    return changed(
        row, Fact.UNTHROTTLED, moment, saying=f"after {seconds:.0f} s", component_throttled="", reason_throttled=""
    )


def further(row: Migration, reached: Reached) -> Migration:
    """The record, with what its try has reached; rows never fall."""
    now = row.reached.then(reached)
    return row.evolve(rows_copied=now.rows_copied, table_rows=now.table_rows, progress=now.progress)


def _completed(row: Migration, report: Completed, moment: Moment) -> Migration | None:
    columns: dict[str, Any] = {
        name: value for name, value in report.columns.items() if name in COLUMNS and name not in OWNED_BY_SCHEDULER
    }
    reached = row.reached.then(Reached(rows_copied=report.rows_copied, table_rows=report.table_rows))
    columns |= {
        "message": report.message,
        "error_code": "",
        "rows_copied": reached.rows_copied,
        "table_rows": reached.table_rows,
        "progress": 100.0,
        "eta_seconds": 0,
    }
    return moved(row, Trigger.COMPLETED, Fact.COMPLETED, moment, **columns)


def _released(row: Migration, report: ReleasedReport, moment: Moment, limits: Limits) -> Migration | None:
    deaths = row.deaths + report.died
    if deaths >= limits.max_deaths:
        error = RunDied(f"{deaths} runs ended without a word; the last: {report.reason}")
        return moved(
            row,
            Trigger.FAILED,
            Fact.FAILED,
            moment,
            error=error.info(),
            message=error.message,
            error_code=error.code,
            deaths=deaths,
        )
    lost = report.error is not None and report.error.code == LostSession.code
    delay = min(2 * row.dispatch_delay or limits.release_delay, LONGEST * limits.release_delay)
    return moved(
        row,
        Trigger.RELEASED,
        Fact.RELEASED,
        moment,
        error=report.error,
        message=report.reason,
        attempt=row.attempt + 1,
        tablet="",
        incarnation="",
        stage="",
        ready_to_complete=row.is_immediate_operation,
        exclusive_wanted=False,
        deaths=deaths,
        losses=row.losses + lost,
        tablet_failure=row.tablet_failure or (lost and not row.resumable),
        ready_timestamp=moment.now,
        dispatch_delay=delay if report.error or report.died else 0.0,
    )
