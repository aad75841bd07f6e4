"""A running migration in words: short cells, whole descriptions. Pure."""

from __future__ import annotations

from alterd_cli.output import compact, count, seconds
from alterd_contracts.events import MigrationEvent
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status

READY = "ready to complete"
FINE_LAG = 10.0
"""Seconds of lag below which tenths are shown."""


def rounded_lag(value: float) -> int | float:
    """Tenths of a second below ten seconds, whole ones above."""
    return round(value, 1) if value < FINE_LAG else round(value)


def lag(value: float) -> str:
    """``0.8s``, ``1m15s``; empty where there is none."""
    shown = rounded_lag(value)
    if shown <= 0:
        return ""
    return f"{shown:.1f}s" if isinstance(shown, float) else seconds(shown)


def rows(row: Migration | MigrationEvent) -> str:
    """``123,456 / 500,000 rows``; empty where none is copied or known of."""
    if row.table_rows:
        return f"{count(row.rows_copied)} / {count(row.table_rows)} rows"
    return f"{count(row.rows_copied)} rows" if row.rows_copied else ""


def progress_cell(row: Migration) -> str:
    """``42% 210k/500k`` where rows are counted, ``42%`` else."""
    complete = row.migration_status is Status.COMPLETE
    return progress_of(row.progress, row.rows_copied, row.table_rows, complete=complete)


def progress_of(progress: float, rows_copied: int, table_rows: int, *, complete: bool) -> str:
    """As `progress_cell`, of one shard or of several."""
    percent = f"{progress:.0f}%"
    return percent if not table_rows or complete else f"{percent} {compact(rows_copied)}/{compact(table_rows)}"


def doing(row: Migration) -> str:
    """What a running one does and waits for; of any other its message."""
    if row.migration_status is Status.RUNNING:
        return _joined(_stage(row), *_waiting(row))
    return _joined(_held_back(row), row.message) if row.migration_status.pending else row.message


def describe(row: Migration) -> str:
    """All that is worth knowing beside state and percentage."""
    if row.migration_status is not Status.RUNNING:
        return doing(row)
    eta = seconds(row.eta_seconds)
    behind = lag(row.vreplication_lag_seconds)
    return _joined(
        _stage(row),
        rows(row),
        f"eta {eta}" if eta else "",
        f"lag {behind}" if behind else "",
        f"{count(row.keys_waiting)} keys waiting" if row.keys_waiting else "",
        *_waiting(row),
    )


def _held_back(row: Migration) -> str:
    """Why one that waits does not begin."""
    if row.paused:
        return _paused(row)
    if row.postpone_launch:
        return "waits for `alterd launch`"
    if row.postpone_completion and row.is_immediate_operation:
        return "waits for `alterd complete`"
    return ""


def _stage(row: Migration) -> str:
    """Statements that the server carries out alone have one phase, named as the state."""
    return "" if row.stage == Status.RUNNING else row.stage


def _waiting(row: Migration) -> tuple[str, ...]:
    return (
        READY if row.ready_to_complete and READY not in row.stage else "",
        f"throttled: {row.reason_throttled}" if row.reason_throttled else "",
        _attempt(row),
        _paused(row),
        "cancel requested" if row.cancel_requested else "",
    )


def _paused(row: Migration) -> str:
    """By whom it is made to wait; a held one is paused too."""
    return "on hold" if row.held else "paused" if row.paused else ""


def _attempt(row: Migration) -> str:
    """The last attempt to cut over, unless the run's own words name it, and what is in its way."""
    message = "" if row.cancel_requested and row.message == row.cancel_message else row.message
    attempt = f"cut-over attempt {row.cutover_attempts}" if row.cutover_attempts else ""
    if not attempt or attempt in message:
        return message
    if not message:
        return "" if attempt in row.stage else attempt
    return f"{attempt}: {message}"


def _joined(*parts: str) -> str:
    return ", ".join(part for part in parts if part)
