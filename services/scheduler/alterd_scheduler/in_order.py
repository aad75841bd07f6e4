"""In-order completion: who stands before whom, and what fails because one before it in its context failed or was
cancelled. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from alterd_contracts.errors import PriorFailed
from alterd_contracts.events import Fact
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status, Trigger
from alterd_scheduler.decisions import Decision, Known
from alterd_scheduler.facts import Moment, changed, moved

BROKEN = frozenset({Status.FAILED, Status.CANCELLED})


def by_turn(lane: list[Migration]) -> list[Migration]:
    """A shard's open records in the order in which they may complete. `lane`: in order of submission.

    That is the same, but for one that was queued again, or copies again, and needs what a later one in order has and
    keeps to its end: each would wait for the other, so it stands behind that one, for everybody.
    """
    tables: dict[str, int] = {}
    place = -1
    for row in lane:
        if row.in_order_completion and row.migration_status is not Status.QUEUED:
            tables[row.mysql_table.casefold()] = row.id
            place = row.id if row.exclusive and not row.tail_phases else place
    if not tables:
        return lane

    def turn(row: Migration) -> tuple[int, bool]:
        queued = row.migration_status is Status.QUEUED
        behind = max(
            tables.get(row.mysql_table.casefold(), -1) if queued else -1,
            place if queued or row.exclusive_wanted else -1,
        )
        return (behind, True) if behind > row.id else (row.id, False)

    return sorted(lane, key=turn)


def only_waits(row: Migration) -> bool:
    """Whether all that is left of what has begun is its completion, in order: it stands in nobody's way before it."""
    begun = row.migration_status is not Status.QUEUED
    return begun and row.in_order_completion and row.ready_to_complete and not row.exclusive_wanted


def with_dependents(decision: Decision, known: Known, moment: Moment) -> Decision:
    """The decision, with all that fails because of it.

    What depends on a record is written before it: a leader that is killed in between has not decided the input, and the
    next one decides it whole.
    """
    if not any(new.migration_status in BROKEN for new in decision.records):
        return decision
    own = {(new.keyspace, new.shard, new.migration_uuid) for new in decision.records}
    records: list[Migration] = []
    for new in sorted(decision.records, key=lambda new: -new.id):
        if new.migration_status in BROKEN:
            for row in known.lane(new.keyspace, new.shard):
                key = (row.keyspace, row.shard, row.migration_uuid)
                if key not in own and depends(row, new) and (ended := failed_by(row, new, moment)) is not None:
                    records.append(ended)
                    own.add(key)
        records.append(new)
    return msgspec.structs.replace(decision, records=tuple(records))


def depends(row: Migration, prior: Migration) -> bool:
    """Whether `row` may complete only if `prior` has not failed."""
    return (
        row.in_order_completion
        and row.id > prior.id
        and row.migration_context != ""
        and row.migration_context == prior.migration_context
    )


def broken_before(row: Migration, priors: Iterable[Migration]) -> Migration | None:
    """The first of `priors` that keeps `row` from running."""
    found = [prior for prior in priors if prior.migration_status in BROKEN and depends(row, prior)]
    return min(found, key=lambda prior: prior.id, default=None)


def failed_by(row: Migration, prior: Migration, moment: Moment) -> Migration | None:
    """The pending `row` after `prior` failed: at its end, or asked to come to it where a run has begun."""
    how = "has failed" if prior.migration_status is Status.FAILED else "was cancelled"
    who = f"migration {row.migration_uuid} cannot run because prior migration {prior.migration_uuid}"
    text = f"{who} in same context {how}"
    error = PriorFailed(text, hint="retry that one first, then this one", uuid=prior.migration_uuid)
    begun = row.migration_status is Status.RUNNING or row.started_timestamp is not None
    if not begun:
        return moved(
            row, Trigger.FAILED, Fact.FAILED, moment, error=error.info(), message=text, error_code=PriorFailed.code
        )
    if row.cancel_requested:
        return None
    return changed(
        row,
        Fact.CANCEL_REQUESTED,
        moment,
        message=text,
        cancel_requested=True,
        cancel_message=text,
        error_code=PriorFailed.code,
    )
