"""``python -m tests.bench.scheduler [--done N] [--shards N] …``, or ``make bench-scheduler BENCH="--done 10000"``.

The real scheduler in its own process, on a real nats-server that stores each message on disk before it answers, beside
no done record and then beside ``--done`` of them. What is measured:

* a step: from the reading of an input to its records, events, work and answer being stored, as the scheduler takes the
  time of each one and logs it (the level ``debug``); inputs that wait for their turn are not counted into it
* report to next start: from before the publishing of the report that ends a run to the arrival of the event that the
  shard's next migration is granted to an executor, in this process
* a new leader: from the start of its process to its first answer, after the one before it was killed
* memory: resident, as Linux counts it

Prints the figures, writes ``build/bench/scheduler.json``, and ends with 1 when a goal is missed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from alterd_runtime.provision.nats_server import find_binary
from tests.bench.scheduler.course import Plan, sit
from tests.bench.scheduler.report import Report, missed, text

TARGET = Path("build/bench/scheduler.json")


async def measured(options: argparse.Namespace, folder: Path) -> Report:
    """All sittings."""
    report = Report(
        began=datetime.now(UTC).isoformat(timespec="seconds"),
        cores=os.cpu_count() or 0,
        load_at_begin=os.getloadavg()[0],
        nats=options.nats,
    )
    begun = time.monotonic()

    def say(words: str) -> None:
        print(f"{time.monotonic() - begun:6.1f} s  {words}", file=sys.stderr, flush=True)

    for done in sorted({0, options.done} if options.compare else {options.done}):
        say(f"beside {done:,} done records")
        plan = Plan(
            shards=options.shards, pending=options.pending, rate=options.rate, seconds=options.seconds, reads=bool(done)
        )
        report.sittings.append(await sit(plan, done, folder / str(done), say))
    report.load_at_end = os.getloadavg()[0]
    report.missed = missed(report.sittings)
    return report


def _options(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--done", type=int, default=1_000_000, help="done records to measure beside")
    parser.add_argument("--shards", type=int, default=1000, help="of one keyspace")
    parser.add_argument("--pending", type=int, default=10, help="migrations on each shard")
    parser.add_argument("--rate", type=float, default=20.0, help="runs that end in a second, on all shards together")
    parser.add_argument("--seconds", type=float, default=60.0, help="for which steps are measured")
    parser.add_argument("--only-done", dest="compare", action="store_false", help="leave out the sitting without any")
    parser.add_argument("--folder", type=Path, help="where NATS keeps its data: 4 GB for 1,000,000 records")
    options = parser.parse_args(argv)
    if options.shards < 2 or options.pending < 2 or options.done < 0:
        parser.error("at least two shards and two migrations on each")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    options = _options(argv)
    version = subprocess.run([find_binary(), "--version"], capture_output=True, text=True, check=True)
    options.nats = version.stdout.strip()
    with tempfile.TemporaryDirectory(prefix="alterd-bench-", dir=options.folder) as folder:
        report = asyncio.run(measured(options, Path(folder)))
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n")
    print(text(report))
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
