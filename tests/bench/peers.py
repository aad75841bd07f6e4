"""The same change by alterd, gh-ost and MySQL itself, in one sitting: ``python -m tests.bench.peers [--help]``.

Prints a table and writes ``build/bench/report.json`` with every single timing. Ends with 1 when a change failed or
left other rows than it found.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import msgspec

from alterd_contracts.errors import AlterdError
from tests.bench import ghost
from tests.bench.backlog import apply
from tests.bench.changes import Applier, Contestant, NoChange, OwnAlter
from tests.bench.machine import Watch, machine, until_quiet
from tests.bench.native import Native
from tests.bench.report import Apply, Report, Stall, Timing, text
from tests.bench.stalls import Rows, stall
from tests.bench.stand import ALTER, OPTIONS, Stand

TARGET = Path("build/bench/report.json")
GHOSTS = (
    ("gh-ost", ("--chunk-size=1000",)),
    ("gh-ost tuned", ("--chunk-size=20000", "--dml-batch-size=100")),
)
"""As it comes, and with its best known settings for this table."""
FLOOR = 3.0
"""Seconds of a run in which nothing is changed."""
PARTS = ("copy", "stall", "apply")

Measured = TypeVar("Measured", Timing, Stall, Apply)


class Sitting:
    """One run of the bench."""

    def __init__(self, options: argparse.Namespace, stand: Stand, report: Report) -> None:
        self._options, self._stand, self.report = options, stand, report

    async def copies(self, contestants: Sequence[Contestant]) -> None:
        """In turns, so that a machine that becomes slower does so for all."""
        for turn in range(1, self._options.repeats + 1):
            for contestant in contestants:
                async with self._on_stage(contestant):
                    await self._measured(partial(self._copy, contestant, turn), self.report.timings)

    async def stalls(self, contestants: Sequence[tuple[Contestant, int]]) -> None:
        """Each with its number of runs."""
        source = await asyncio.to_thread(self._stand.seed_rows, self._options.small_rows)
        for contestant, runs in contestants:
            async with self._on_stage(contestant):
                for turn in range(1, runs + 1):
                    await self._measured(partial(self._stall, contestant, source, turn), self.report.stalls)

    async def applies(self, contestants: Sequence[Applier]) -> None:
        for turn in range(1, self._options.repeats + 1):
            for contestant in contestants:
                async with self._on_stage(contestant):
                    await self._measured(partial(self._apply, contestant, turn), self.report.applies)

    async def _copy(self, contestant: Contestant, turn: int) -> Timing:
        rows = self._options.rows
        await asyncio.to_thread(self._stand.reset, rows)
        await self._quiet()
        watch = Watch()
        outcome = await contestant.change()
        disturbance = watch.over()
        await asyncio.to_thread(self._stand.check_rows, rows)
        _say(f"{contestant.name}: copy {outcome.copy:.2f} s, total {outcome.total:.2f} s {outcome.said}")
        return Timing(
            contestant=contestant.name,
            turn=turn,
            disturbance=disturbance,
            copy_s=outcome.copy,
            total_s=outcome.total,
            phases=outcome.phases,
            said=outcome.said,
        )

    async def _stall(self, contestant: Contestant, source: Rows, turn: int) -> Stall:
        rows = self._options.small_rows
        await asyncio.to_thread(self._stand.reset, rows)
        await self._quiet()
        found = await stall(self._stand, contestant, rows, source, turn)
        _say(
            f"{contestant.name}: longest write at the swap {found.longest_at_swap_s * 1000:.1f} ms,"
            f" of the change {found.longest_s * 1000:.1f} ms {found.said}"
        )
        return found

    async def _apply(self, contestant: Applier, turn: int) -> Apply:
        rows = self._options.rows
        await asyncio.to_thread(self._stand.reset, rows)
        await self._quiet()
        found = await apply(self._stand, contestant, rows, self._options.backlog, turn)
        _say(f"{contestant.name}: {found.rows} rows applied in {found.applied_s:.2f} s, {found.rate:,.0f} rows/s")
        return found

    async def _quiet(self) -> None:
        await until_quiet(self._options.others / 2, self._options.patience)

    async def _measured(self, run: Callable[[], Awaitable[Measured]], into: list[Measured]) -> None:
        """Makes a run again that others disturbed, as often as the options allow; the last one counts."""
        for tries_left in reversed(range(self._options.tries)):
            found = await run()
            if found.disturbance.others <= self._options.others or not tries_left:
                into.append(found)
                break
            self.report.disturbed.append(found)
            _say(f"others used {found.disturbance.others:.0%} of the cores: once more")
        save(self.report)

    @contextlib.asynccontextmanager
    async def _on_stage(self, contestant: Contestant) -> AsyncIterator[None]:
        """What goes wrong there is noted, and the others go on."""
        try:
            async with contestant.on_stage():
                yield
        except (AlterdError, TimeoutError) as error:
            words = f"{contestant.name}: {str(error) or type(error).__name__}"
            _say(words)
            self.report.wrong.append(words)
            save(self.report)


async def sit(options: argparse.Namespace, folder: Path) -> Report:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)  # its servers and tools go with it
    with Stand(folder).running() as stand:
        _say(f"filling {options.rows:,} and {options.small_rows:,} rows")
        sizes = {rows: stand.make_seed(rows) for rows in {options.rows, options.small_rows}}
        stand.reset(options.small_rows)
        stand.check_not_instant()

        ours, copying, in_place = Native(stand), OwnAlter(stand, "COPY"), OwnAlter(stand, "INPLACE")
        left_out: list[str] = []
        program = _ghost(left_out)
        ghosts = [ghost.GhOst(stand, program, folder / "gh-ost", *each) for each in GHOSTS] if program else []
        everyone: list[Contestant] = [copying, in_place, *ghosts, ours]
        appliers: list[Applier] = [*ghosts, ours]
        stalled: list[tuple[Contestant, int]] = [
            (NoChange(FLOOR), options.floor_runs),
            (copying, 1),
            (in_place, options.peer_runs),
            *((each, options.peer_runs) for each in ghosts),
            (ours, options.own_runs),
        ]
        report = Report(
            began=datetime.now(UTC).isoformat(timespec="seconds"),
            machine=machine(stand.build, program.version if program else ""),
            load_at_begin=round(os.getloadavg()[0], 2),
            change=ALTER,
            rows=options.rows,
            table_mib=round(sizes[options.rows] / 2**20, 1),
            small_rows=options.small_rows,
            backlog=options.backlog,
            server=OPTIONS,
            contestants={each.name: each.how for each in everyone},
            others_limit=options.others,
            left_out=left_out,
        )
        sitting = Sitting(options, stand, report)
        if "copy" in options.parts:
            await sitting.copies([each for each in everyone if _wanted(each, options)])
        if "stall" in options.parts:
            await sitting.stalls([each for each in stalled if _wanted(each[0], options)])
        if "apply" in options.parts:
            await sitting.applies([each for each in appliers if _wanted(each, options)])
    return report


def _ghost(left_out: list[str]) -> ghost.Program | None:
    """Where there is none, `left_out` hears why."""
    try:
        return ghost.find()
    except ghost.NotHere as error:
        left_out.append(f"gh-ost: {error}")
        return None


def _wanted(contestant: Contestant, options: argparse.Namespace) -> bool:
    return not options.only or any(word in contestant.name for word in options.only)


def _options(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000, help="of the large table")
    parser.add_argument("--small-rows", type=int, default=100_000, help="of the table with writers on it")
    parser.add_argument("--backlog", type=int, default=200_000, help="rows to apply, about")
    parser.add_argument("--repeats", type=int, default=3, help="of each copy and each apply")
    parser.add_argument("--own-runs", type=int, default=30, help="alterd's cut-overs under writes")
    parser.add_argument("--peer-runs", type=int, default=5, help="each peer's cut-overs under writes")
    parser.add_argument("--floor-runs", type=int, default=10, help="writes with no change going on")
    parser.add_argument("--others", type=float, default=0.1, help="share of the cores that others may use in a run")
    parser.add_argument("--patience", type=float, default=60.0, help="seconds to wait for that before a run")
    parser.add_argument("--tries", type=int, default=3, help="how often a disturbed run is made")
    parser.add_argument("--parts", type=_words, default=PARTS, help=f"of {','.join(PARTS)}")
    parser.add_argument("--only", type=_words, default=(), help="contestants with one of these words in their name")
    parser.add_argument("--folder", type=Path, help="where MySQL keeps its data; needs 5 GB for 2,000,000 rows")
    options = parser.parse_args(argv)
    if not set(options.parts) <= set(PARTS):
        parser.error(f"--parts: choose of {','.join(PARTS)}")
    return options


def _words(value: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in value.split(",") if word.strip())


def _say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def save(report: Report) -> None:
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    with tempfile.TemporaryDirectory(prefix="alterd-bench-", dir=options.folder) as folder:
        report = asyncio.run(sit(options, Path(folder)))
    print(text(report))
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
