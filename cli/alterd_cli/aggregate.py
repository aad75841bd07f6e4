"""A migration over all its shards: one line, and what to do where it failed on some. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from alterd_cli.display import doing
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status

ORDER = (Status.FAILED, Status.CANCELLED, Status.RUNNING, Status.READY, Status.QUEUED, Status.COMPLETE)
"""What a person wants to know first."""


class Aggregate(msgspec.Struct, frozen=True, kw_only=True):
    """The shards of one migration as one."""

    first: Migration
    shards: tuple[str, ...]
    statuses: tuple[tuple[Status, int], ...]
    """By urgency, with the number of shards."""
    progress: float
    """Percent, of rows where all are counted, else of shards."""
    rows_copied: int
    table_rows: int
    eta_seconds: int
    """Until the slowest running shard is done; -1 unknown."""
    started: datetime | None
    completed: datetime | None
    """None while one is pending."""
    ready: int
    """Shards of which only the completion is left."""
    message: str

    @property
    def status(self) -> str:
        """``running``, or ``failed 1, running 2, complete 1``."""
        if len(self.statuses) == 1:
            return self.statuses[0][0].value
        return ", ".join(f"{status} {count}" for status, count in self.statuses)


def by_migration(rows: Iterable[Migration]) -> list[list[Migration]]:
    """The rows of each migration, in the order in which they come."""
    found: dict[tuple[str, str], list[Migration]] = {}
    for row in rows:
        found.setdefault((row.keyspace, row.migration_uuid), []).append(row)
    return list(found.values())


def aggregate(rows: Sequence[Migration]) -> Aggregate:
    """All of one migration; at least one row."""
    counts = Counter(row.migration_status for row in rows)
    running = [row for row in rows if row.migration_status is Status.RUNNING]
    etas = [row.eta_seconds for row in running]
    pending = any(row.migration_status.pending for row in rows)
    return Aggregate(
        first=rows[0],
        shards=tuple(row.shard for row in rows),
        statuses=tuple((status, counts[status]) for status in ORDER if counts[status]),
        progress=_progress(rows),
        rows_copied=sum(row.rows_copied for row in rows),
        table_rows=sum(row.table_rows for row in rows),
        eta_seconds=max(etas) if etas and min(etas) >= 0 else -1,
        started=min((row.started_timestamp for row in rows if row.started_timestamp), default=None),
        completed=None
        if pending
        else max((row.completed_timestamp for row in rows if row.completed_timestamp), default=None),
        ready=sum(row.ready_to_complete and row.migration_status is Status.RUNNING for row in rows),
        message=_message(rows),
    )


def _progress(rows: Sequence[Migration]) -> float:
    """Weighed by rows where each shard knows how many it has."""
    parts = [100.0 if row.migration_status is Status.COMPLETE else row.progress for row in rows]
    weights = [row.table_rows for row in rows] if all(row.table_rows for row in rows) else [1] * len(rows)
    return sum(part * weight for part, weight in zip(parts, weights, strict=True)) / sum(weights)


def _message(rows: Sequence[Migration]) -> str:
    """What is worth most: why it failed, else what the first that says something does."""
    ranked = sorted(rows, key=lambda row: ORDER.index(row.migration_status))
    for row in ranked:
        if text := doing(row):
            return text if len(rows) == 1 else f"{row.shard}: {text}"
    return ""


def advice(rows: Sequence[Migration]) -> list[str]:
    """What to do about shards on which the migration failed or was cancelled, while others went on; else nothing."""
    uuid = rows[0].migration_uuid
    ended = (Status.FAILED, Status.CANCELLED)
    broken = [row for row in rows if row.migration_status in ended]
    pending = [row.shard for row in rows if row.migration_status.pending]
    complete = [row.shard for row in rows if row.migration_status is Status.COMPLETE]
    if not broken or not (pending or complete):
        return []
    lines = [
        f"shard {row.shard} {'has failed' if row.migration_status is Status.FAILED else 'was cancelled'}"
        + (f": {row.message}" if row.message else "")
        for row in broken
    ]
    there = " ".join(f"--shard {row.shard}" for row in broken)
    lines.append(f"  try again there: alterd retry {uuid} {there}")
    if pending:
        shards = " ".join(f"--shard {shard}" for shard in pending)
        lines.append(f"  or give up the rest, {_named(pending)}: alterd cancel {uuid} {shards}")
    if complete:
        lines.append(f"  the change has taken effect on {_named(complete)}: the shards differ until this is mended")
    return lines


def _named(shards: Sequence[str]) -> str:
    return f"shard {shards[0]}" if len(shards) == 1 else f"shards {', '.join(shards)}"
