"""What should happen next on a shard, worked out from its records alone. Pure."""

from __future__ import annotations

from collections.abc import Callable, Set

from alterd_contracts.events import Fact
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status, Trigger
from alterd_scheduler.facts import Moment, changed, moved


def admit(lane: list[Migration], moment: Moment) -> list[Migration]:
    """The records that get the shard now. `lane`: the shard's open records in order of submission.

    Sequential: one at a time, in order; so never two on one table.
    """
    if any(record.migration_status is not Status.QUEUED for record in lane):
        return []
    for record in lane:
        if record.postpone_launch or record.paused:
            continue
        new = moved(
            record,
            Trigger.ADMITTED,
            Fact.READY,
            moment,
            attempt=record.attempt + 1,
            ready_timestamp=moment.now,
            dispatch_delay=0.0,
            message="",
        )
        return [new] if new else []
    return []


def due(record: Migration, waited: float) -> bool:
    """A ready record whose attempt belongs into the work queue now, after `waited` seconds."""
    return record.migration_status is Status.READY and waited >= record.dispatch_delay


def orphaned(record: Migration, alive: Callable[[str, str], bool], moment: Moment) -> Migration | None:
    """The record as the next attempt, if its executor (id, incarnation) is dead."""
    if record.migration_status is not Status.RUNNING or alive(record.tablet, record.incarnation):
        return None
    return moved(
        record,
        Trigger.LOST,
        Fact.LOST,
        moment,
        message=f"executor {record.tablet} is gone",
        attempt=record.attempt + 1,
        tablet="",
        incarnation="",
        stage="",
        ready_timestamp=moment.now,
        dispatch_delay=0.0,
    )


def blocked(
    record: Migration, offered: Set[str], moment: Moment, *, waited: float, patience: float
) -> Migration | None:
    """The record with the reason why nobody takes it, told once per attempt after `patience` seconds."""
    if record.migration_status is not Status.READY or waited < record.dispatch_delay + patience:
        return None
    if record.event is not None and record.event.fact is Fact.BLOCKED:
        return None
    why = (
        f"no executor that offers {record.strategy} has a free slot"
        if record.strategy in offered
        else f"no running executor offers the strategy {record.strategy}"
    )
    return changed(record, Fact.BLOCKED, moment, message=why)
