"""What the bench runs on, and how quiet it is there."""

from __future__ import annotations

import asyncio
import os
import platform
from pathlib import Path

from alterd_contracts import __version__
from tests.bench.report import Machine, Quiet

LOOKED = 0.5
"""Seconds for which the use of the cores is watched."""


def machine(mysql: str, ghost: str) -> Machine:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(memory / 2**30, 1),
        system=f"{platform.system()} {platform.release()}",
        python=platform.python_version(),
        mysql=mysql,
        ghost=ghost,
        alterd=__version__,
    )


async def quiet() -> Quiet:
    """Takes half a second."""
    idle, whole = _ticks()
    await asyncio.sleep(LOOKED)
    idle_then, whole_then = _ticks()
    busy = 1 - (idle_then - idle) / max(1, whole_then - whole)
    return Quiet(load=round(os.getloadavg()[0], 2), busy=round(max(0.0, busy), 3))


def _ticks() -> tuple[int, int]:
    """Idle ones, and all, of all cores since the machine's start."""
    numbers = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return numbers[3] + numbers[4], sum(numbers)
