"""What the bench runs on, and what other programs take of it meanwhile."""

from __future__ import annotations

import asyncio
import os
import platform
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from alterd_contracts import __version__
from tests.bench.report import Disturbance, Machine

LOOKED = 2.0
"""Seconds for which the cores are watched before a run."""


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


class Use(msgspec.Struct, frozen=True):
    """Of all cores, in ticks since the machine's start."""

    whole: int
    busy: int
    ours: int
    """By this process and all that it has started."""

    @classmethod
    def now(cls) -> Use:
        # user nice system idle iowait irq softirq steal: what the host takes is taken by others, too
        numbers = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
        whole = sum(numbers)
        return cls(whole, whole - numbers[3] - numbers[4], sum(_ticks(pid) for pid in family(os.getpid())))

    def others_since(self, earlier: Use) -> float:
        """The share of all cores that other programs used since then."""
        others = (self.busy - earlier.busy) - (self.ours - earlier.ours)
        return min(1.0, max(0.0, others / max(1, self.whole - earlier.whole)))


class Watch:
    """Over one run."""

    def __init__(self) -> None:
        self._load = os.getloadavg()[0]
        self._began = Use.now()

    def over(self) -> Disturbance:
        others = Use.now().others_since(self._began)
        return Disturbance(load=round(self._load, 2), others=round(others, 3))


async def until_quiet(share: float, patience: float) -> None:
    """Returns when other programs leave the cores alone but for `share`, or after `patience` seconds."""
    deadline = time.monotonic() + patience
    while True:
        before = Use.now()
        await asyncio.sleep(LOOKED)
        if Use.now().others_since(before) <= share or time.monotonic() > deadline:
            return


def family(pid: int) -> Iterator[int]:
    """A process and all that came of it, such as the reader of a run's change stream."""
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in _words(children):
            yield from family(int(child))


def _ticks(pid: int) -> int:
    """Used by a process and by its children that have ended."""
    # the name in parentheses may hold anything
    after_name = " ".join(_words(Path(f"/proc/{pid}/stat"))).rpartition(")")[2].split()
    return sum(map(int, after_name[11:15]))


def _words(path: Path) -> list[str]:
    """None where the process has ended meanwhile."""
    try:
        return path.read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
