"""What should happen next on a shard, worked out from its records alone. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Set

import msgspec

from alterd_contracts.events import Fact
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status, Trigger
from alterd_scheduler.facts import Moment, changed, moved
from alterd_scheduler.in_order import by_turn, only_waits

MOST = 256
"""Migrations at a time on one shard, unless a setting says otherwise."""


class _Taken(msgspec.Struct):
    """What the migrations that are ready or running leave to others."""

    most: int
    count: int = 0
    tables: set[str] = msgspec.field(default_factory=set)
    alone: bool = False
    """One of them runs beside concurrent ones only."""
    exclusive: bool = False
    waiting: list[tuple[int, bool]] = msgspec.field(default_factory=list)
    """Place of each that only waits for those before it in order, which it must leave room; and whether it runs beside
    concurrent ones only.
    """

    def add(self, row: Migration, place: int) -> None:
        """`place`: the count of those before it, as in all that follows."""
        self.tables.add(row.mysql_table.casefold())
        if row.parked:
            return
        self.exclusive = self.exclusive or row.exclusive or row.exclusive_wanted
        if only_waits(row):
            self.waiting.append((place, not row.allow_concurrent))
            return
        self.count += 1
        self.alone = self.alone or not row.allow_concurrent

    def admits(self, row: Migration, place: int) -> bool:
        return row.mysql_table.casefold() not in self.tables and self.has_room(row, place, copies=_copies(row))

    def has_room(self, row: Migration, place: int, *, copies: bool) -> bool:
        """`copies`: it needs the exclusive place from the start."""
        before = [alone for at, alone in self.waiting if at < place]
        alone = self.alone or any(before)
        return (
            self.count + len(before) < self.most
            and (row.allow_concurrent or not alone)
            and not (self.exclusive and copies)
        )


def held(row: Migration) -> bool:
    """A queued row that users hold back."""
    return row.postpone_launch or row.paused or (row.is_immediate_operation and row.postpone_completion)


def _copies(row: Migration) -> bool:
    """What MySQL does at once asks for the exclusive place only if that turns out to be impossible."""
    return bool(row.exclusive_phases) and not row.special_plan


def admit(lane: list[Migration], moment: Moment, most: int = MOST) -> list[Migration]:
    """The records that get the shard now. `lane`: the shard's open records in order of submission.

    One at a time that is not concurrent, with any number of concurrent ones; never two on one table, and none before an
    earlier one on its table unless that waits for its launch; one exclusive place. Higher priorities go first. One in
    order keeps out nobody that it will have to wait for.
    """
    lane = by_turn(lane)
    taken = _taken(lane, most)
    new = []
    for place, row in _candidates(lane):
        if not held(row) and _in_turn(row, place) and taken.admits(row, place):
            if (ready := _ready(row, place, moment)) is None:
                continue
            taken.add(ready, place)
            new.append(ready)
    return new


def startable(lane: list[Migration], row: Migration, moment: Moment, most: int = MOST) -> bool:
    """Whether a queued row would be admitted now if its completion were not held back: also not behind others."""
    free = [each.evolve(postpone_completion=False) if each is row else each for each in lane]
    return any(new.migration_uuid == row.migration_uuid for new in admit(free, moment, most))


def _taken(lane: Iterable[Migration], most: int) -> _Taken:
    """`lane`: by turn, as in all that follows."""
    taken = _Taken(most)
    for place, row in enumerate(lane):
        if row.migration_status is not Status.QUEUED:
            taken.add(row, place)
    return taken


def _candidates(lane: list[Migration]) -> list[tuple[int, Migration]]:
    """Queued rows that need not leave an earlier one its table or its place, each with the count of those before it."""
    before: set[str] = set()
    launches: set[str] = set()
    alone = False  # one that is not concurrent has still to begin, or to go on
    found = []
    for place, row in enumerate(lane):
        table, queued = row.mysql_table.casefold(), row.migration_status is Status.QUEUED
        if queued and table not in before:
            waits = row.in_order_completion and (table in launches or (alone and not row.allow_concurrent))
            found += [] if waits else [(place, row)]
        (launches if queued and row.postpone_launch else before).add(table)
        alone = alone or (not row.allow_concurrent and (queued or row.parked))
    return sorted(found, key=lambda each: -each[1].priority)


def _in_turn(row: Migration, place: int) -> bool:
    """What completes as soon as it begins, or keeps the exclusive place to its end, begins when nothing before it is
    pending.
    """
    to_the_end = row.is_immediate_operation or (bool(row.exclusive_phases) and not row.tail_phases)
    return place == 0 or not (row.in_order_completion and to_the_end)


def _ready(row: Migration, place: int, moment: Moment) -> Migration | None:
    return moved(
        row,
        Trigger.ADMITTED,
        Fact.READY,
        moment,
        attempt=row.attempt + 1,
        ready_timestamp=moment.now,
        dispatch_delay=0.0,
        message="",
        exclusive=_copies(row),
        in_order_completion_pending_count=place if row.in_order_completion else 0,
    )


def settled(lane: list[Migration]) -> list[Migration]:
    """Records whose count of those before them is another now. No fact: others' facts say it."""
    found = []
    for place, row in enumerate(by_turn(lane)):
        count = place if row.in_order_completion else 0
        if row.in_order_completion_pending_count != count:
            found.append(row.evolve(in_order_completion_pending_count=count))
    return found


def permitted(lane: list[Migration], moment: Moment) -> Migration | None:
    """The record that gets the exclusive place back, if one waits for it and it is free."""
    if any(row.exclusive for row in lane):
        return None
    waiting = next((row for row in lane if row.exclusive_wanted and not row.parked), None)
    if waiting is None:
        return None
    return changed(waiting, Fact.PERMITTED, moment, saying=waiting.stage, exclusive=True, exclusive_wanted=False)


def returning(lane: list[Migration], moment: Moment, most: int = MOST) -> Migration | None:
    """The next record that was paused with a place on the shard, is no longer, and finds one again."""
    lane = by_turn(lane)
    taken = _taken(lane, most)
    parked = ((place, row) for place, row in enumerate(lane) if row.parked and not row.pause_requested and not row.held)
    for place, row in sorted(parked, key=lambda each: -each[1].priority):
        if taken.has_room(row, place, copies=row.exclusive_wanted):
            return changed(
                row,
                Fact.PERMITTED,
                moment,
                saying="goes on",
                parked=False,
                paused=False,
                exclusive=row.exclusive_wanted,
                exclusive_wanted=False,
            )
    return None


def due(record: Migration, waited: float) -> bool:
    """A ready record whose attempt belongs into the work queue now, after `waited` seconds."""
    return record.migration_status is Status.READY and not _stays(record) and waited >= record.dispatch_delay


def _stays(record: Migration) -> bool:
    """It is paused; one that is to be cancelled goes to an executor all the same, which has the last word."""
    return record.paused and not record.cancel_requested


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
        losses=record.losses + 1,
        tablet_failure=record.tablet_failure or not record.resumable,
        attempt=record.attempt + 1,
        tablet="",
        incarnation="",
        stage="",
        ready_to_complete=record.is_immediate_operation,
        exclusive_wanted=False,
        ready_timestamp=moment.now,
        dispatch_delay=0.0,
    )


def blocked(
    record: Migration, offered: Set[str], moment: Moment, *, waited: float, patience: float
) -> Migration | None:
    """The record with the reason why nobody takes it, told once per attempt after `patience` seconds."""
    if record.migration_status is not Status.READY or _stays(record) or waited < record.dispatch_delay + patience:
        return None
    if record.event is not None and record.event.fact is Fact.BLOCKED:
        return None
    why = (
        f"no executor that offers {record.strategy} has a free slot"
        if record.strategy in offered
        else f"no running executor offers the strategy {record.strategy}"
    )
    return changed(record, Fact.BLOCKED, moment, message=why)
