"""How long writers wait while a table is changed under them."""

from __future__ import annotations

import asyncio

from tests.bench.changes import Contestant, NoChange
from tests.bench.machine import Watch
from tests.bench.report import Stall
from tests.bench.stand import Stand, WrongRows
from tests.bench.writers import writing

LEAD = 0.5
"""Seconds of writing before the change and after it."""

Rows = dict[int, tuple[int, str, str]]


async def stall(stand: Stand, contestant: Contestant, rows: int, source: Rows, turn: int) -> Stall:
    """`contestant` is on stage, `stand` is reset; `source`: the seed's rows.

    Raises `ChangeFailed`, `WritersFailed`, `WrongRows`.
    """
    async with writing(stand, rows, seed=turn) as application:
        await asyncio.sleep(LEAD)
        watch = Watch()
        outcome = await contestant.change()
        disturbance = watch.over()
        await asyncio.sleep(LEAD)
    written = application.written
    if not isinstance(contestant, NoChange):
        stand.check_changed()
    found = await asyncio.to_thread(stand.table_rows)
    if found != written.applied_to(source):
        raise WrongRows(f"{contestant.name}: {_difference(found, written.applied_to(source))}")
    swap_began = outcome.copy_began if outcome.copy_ended == outcome.ended else outcome.copy_ended
    return Stall(
        contestant=contestant.name,
        turn=turn,
        disturbance=disturbance,
        total_s=outcome.total,
        swap_s=outcome.ended - swap_began,
        writes=written.count(outcome.begun, outcome.ended),
        longest_s=written.longest(outcome.begun, outcome.ended),
        longest_at_swap_s=written.longest(swap_began, outcome.ended),
        refused=len(written.refused),
        said=outcome.said,
    )


def _difference(found: Rows, wanted: Rows) -> str:
    lost, ghosts = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    stale = sorted(number for number in found.keys() & wanted.keys() if found[number] != wanted[number])
    return f"{len(lost)} rows lost {lost[:5]}, {len(ghosts)} too many {ghosts[:5]}, {len(stale)} stale {stale[:5]}"
