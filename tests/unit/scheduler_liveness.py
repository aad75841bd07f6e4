"""Does everything on a shard come to its end? Plays the product's rules with executors that do all they may."""

from __future__ import annotations

from collections.abc import Iterable

from alterd_contracts.migration import Migration
from alterd_contracts.states import Status
from alterd_contracts.strategy import Wanted
from alterd_scheduler.admission import MOST, admit, permitted, returning, settled
from alterd_scheduler.facts import Moment
from tests.unit.scheduler_world import BEGIN

NOW = Moment(now=BEGIN)


def left_in_the_end(lane: list[Migration], most: int = MOST) -> list[Migration]:
    """What is still pending of a lane when nobody holds anything back any more: what waits for one another."""
    rows = [_freed(row) for row in lane]
    while True:
        rows = _after(rows, settled(rows))
        rows = _after(rows, [new for new in [permitted(rows, NOW)] if new is not None])
        while (back := returning(rows, NOW, most)) is not None:
            rows = _after(rows, [back])
        rows = _after(rows, admit(rows, NOW, most))
        then = [new for row in rows if (new := _run(row)) is not None]
        if then == rows:
            return rows
        rows = then


def _freed(row: Migration) -> Migration:
    return row.evolve(
        postpone_launch=False,
        postpone_completion=False,
        gated=False,
        pause_requested=False,
        held=False,
        paused=row.parked,
    )


def _run(row: Migration) -> Migration | None:
    """One step of its run; None where it ends."""
    if row.migration_status is Status.READY:
        return row.evolve(migration_status=Status.RUNNING)
    if row.migration_status is not Status.RUNNING or row.parked:
        return row
    if row.cancel_requested:
        return None
    if row.exclusive_wanted:
        return row
    if not row.ready_to_complete:
        return row.evolve(ready_to_complete=True, exclusive=row.exclusive and not row.tail_phases)
    return None if Wanted.of(row).may_complete else row


def _after(rows: list[Migration], changed: Iterable[Migration]) -> list[Migration]:
    new = {row.migration_uuid: row for row in changed}
    return [new.get(row.migration_uuid, row) for row in rows]
