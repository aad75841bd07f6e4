"""How fast a change applies what was written meanwhile.

Its rows are copied and it waits before its cut-over; then its processes are stopped, the backlog is written, and they
go on. The time runs from there until all of the backlog is in the shadow table, which this side looks up in an index.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Iterator, Sequence

from tests.bench.changes import PATIENCE, Applier, ChangeFailed
from tests.bench.machine import Watch
from tests.bench.report import Apply
from tests.bench.stand import CHANGED_ROW, TABLE, Stand

AT_ONCE = 1000
"""Rows of each transaction of the backlog, about; they lie anywhere in the table."""
LOOK_AGAIN = 0.02


async def apply(stand: Stand, contestant: Applier, rows: int, backlog: int, turn: int) -> Apply:
    """`contestant` is on stage, `stand` is reset. Raises `ChangeFailed`, `WrongRows`."""
    async with contestant.held() as held:
        with _stopped(held.pids):
            stopped = time.monotonic()
            changed = await asyncio.to_thread(_write, stand, backlog)
        watch = Watch()
        woken = time.monotonic()
        arrived = await asyncio.to_thread(_watch, stand, held.shadow, backlog, changed)
        disturbance = watch.over()
    await asyncio.to_thread(stand.check_rows, rows, f"IF(k <= {backlog}, k + {CHANGED_ROW}, k)")
    return Apply(
        contestant=contestant.name,
        turn=turn,
        disturbance=disturbance,
        rows=changed,
        written_s=woken - stopped,
        applied_s=arrived - woken,
    )


def _write(stand: Stand, backlog: int) -> int:
    """Updates all rows whose `k` is up to `backlog`: how many there were."""
    changed = 0
    with stand.session() as session:
        for low in range(0, backlog, AT_ONCE):
            high = min(low + AT_ONCE, backlog)
            changed += session.execute(f"UPDATE {TABLE} SET k = k + {CHANGED_ROW} WHERE k > {low} AND k <= {high}")
    return changed


def _watch(stand: Stand, shadow: str, backlog: int, changed: int) -> float:
    """When all of it was there. A look at what is left costs next to nothing, so it is only counted in the end."""
    left = f"SELECT 1 FROM `{shadow}` FORCE INDEX (k) WHERE k <= {backlog} LIMIT 1"
    there = f"SELECT COUNT(*) FROM `{shadow}` FORCE INDEX (k) WHERE k > {CHANGED_ROW}"
    deadline = time.monotonic() + PATIENCE
    with stand.session() as session:
        while time.monotonic() < deadline:
            session.execute("SET SESSION transaction_isolation = 'READ-UNCOMMITTED'")
            if session.value(left) is None:
                session.execute("SET SESSION transaction_isolation = 'READ-COMMITTED'")
                looked = time.monotonic()
                if session.value(there) == changed:
                    return looked
            time.sleep(LOOK_AGAIN)
    raise ChangeFailed(f"the backlog was not applied within {PATIENCE:g} s")


@contextlib.contextmanager
def _stopped(pids: Sequence[int]) -> Iterator[None]:
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
