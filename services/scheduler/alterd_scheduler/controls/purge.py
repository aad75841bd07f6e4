"""``purge``: records of what has ended are forgotten; the events stay as long as their stream keeps them."""

from __future__ import annotations

from alterd_contracts.events import Fact
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Answered, ShardEffect
from alterd_scheduler.controls.effect import told
from alterd_scheduler.decisions import Decision
from alterd_scheduler.facts import Moment


def decide_purge(control: Control, rows: list[Migration], moment: Moment) -> Decision:
    """Nothing goes that is pending, or whose artifacts still lie on its shard."""
    whys = {row.shard: _why_not(row) for row in rows}
    gone = tuple(row for row in rows if not whys[row.shard])
    effects = tuple(
        ShardEffect(
            shard=row.shard,
            affected=int(not whys[row.shard]),
            migration_status=row.migration_status,
            message=whys[row.shard] or "forgotten",
        )
        for row in rows
    )
    shards = tuple(row.shard for row in gone)
    return Decision(
        purged=gone,
        told=told(control, Fact.PURGED, moment, "its record is forgotten", shards) if gone else None,
        outcome=Answered(migration_uuid=control.migration_uuid, effects=effects, affected=len(gone)),
    )


def _why_not(row: Migration) -> str:
    if row.migration_status.pending:
        return f"is {row.migration_status}: only what has ended is purged"
    if row.artifacts:
        return "has artifacts: `alterd cleanup` first"
    return ""
