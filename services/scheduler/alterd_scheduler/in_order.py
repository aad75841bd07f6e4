"""In-order completion: what fails because one before it in its context failed or was cancelled. Pure."""

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
