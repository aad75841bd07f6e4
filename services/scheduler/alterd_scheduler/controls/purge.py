"""``purge``: records of what has ended are forgotten; the events stay as long as their stream keeps them."""

from __future__ import annotations

from alterd_contracts.errors import InvalidInput
from alterd_contracts.events import Fact
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_contracts.requests import MOST_EFFECTS, Answered, Refusal, ShardEffect
from alterd_scheduler.controls.effect import told
from alterd_scheduler.decisions import Decision
from alterd_scheduler.facts import Moment

MOST_NAMED = 5
"""Shards in the way."""


def decide_purge(control: Control, rows: list[Migration], moment: Moment) -> Decision:
    """`rows`: of one migration on all shards, which go together or not at all. A shard that is forgotten alone would be
    taken for new when the migration is submitted again, and run it a second time.

    Nothing goes that is pending, or whose artifacts still lie on its shard.
    """
    if control.shards:
        refused = InvalidInput("a migration is forgotten on all its shards", hint="leave --shard out")
        return Decision(outcome=Refusal(errors=(refused.info(),)), ignored="malformed_command")
    whys = {row.shard: why for row in rows if (why := _why_not(row))}
    gone = () if whys else tuple(rows)
    waits = "stays as long as shard " + ", ".join(sorted(whys)[:MOST_NAMED]) + (" …" if len(whys) > MOST_NAMED else "")
    effects = tuple(
        ShardEffect(
            shard=row.shard,
            affected=int(not whys),
            migration_status=row.migration_status,
            message=whys.get(row.shard, waits if whys else "forgotten"),
        )
        for row in rows
    )
    shards = tuple(row.shard for row in gone)
    return Decision(
        purged=gone,
        told=told(control, Fact.PURGED, moment, "its record is forgotten", shards) if gone else None,
        outcome=Answered(migration_uuid=control.migration_uuid, effects=effects[:MOST_EFFECTS], affected=len(gone)),
    )


def _why_not(row: Migration) -> str:
    if row.migration_status.pending:
        return f"is {row.migration_status}: only what has ended is purged"
    if row.artifacts:
        return "has artifacts: `alterd cleanup` first"
    return ""
