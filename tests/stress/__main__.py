"""Runs drawn cases until the time is over: prints each, keeps the folders of those that fail."""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import tempfile
import time
from pathlib import Path

from alterd_cases.case import read_case
from alterd_cases.running import run_all
from alterd_cases.system import open_system
from alterd_cases.verdict import Verdict
from tests.stress.drawing import draw_cases, write_case

BATCH = 20
"""Cases drawn from a seed; the next ones come from the next seed."""


async def stress(first_seed: int, seconds: float, jobs: int, kept: Path) -> int:
    """The number of failures."""
    deadline = time.monotonic() + seconds
    began, number, done, transactions = time.monotonic(), first_seed, 0, 0
    failures: list[str] = []

    def show(verdict: Verdict) -> None:
        print(f"{verdict.outcome:<5} {verdict.case:<12} {verdict.seconds:5.1f} s  {verdict.reason}", flush=True)

    with tempfile.TemporaryDirectory(prefix="alterd-stress-", ignore_cleanup_errors=True) as folder:
        async with open_system(Path(folder) / "system", "", print) as system:
            while time.monotonic() < deadline:
                drawn = {f"s{number}-{at}": files for at, files in enumerate(draw_cases(number, BATCH))}
                folders = {name: write_case(files, Path(folder) / "cases" / name) for name, files in drawn.items()}
                cases = [read_case(place) for place in folders.values()]
                for start in range(0, len(cases), jobs):
                    if time.monotonic() >= deadline:
                        break
                    for verdict in await run_all(system, cases[start : start + jobs], "vitess", show, jobs=jobs):
                        done += 1
                        transactions += verdict.transactions
                        if verdict.failed:
                            failures.append(verdict.case)
                            shutil.copytree(folders[verdict.case], kept / verdict.case, dirs_exist_ok=True)
                number += 1
    print(
        f"{done} cases of the seeds {first_seed} to {number - 1} in {time.monotonic() - began:.0f} s, {transactions}"
        f" transactions beside them; {len(failures)} failed{': ' if failures else ''}{', '.join(failures)}"
    )
    if failures:
        print(f"their folders are in {kept}: alterd-cases run {kept}")
    return len(failures)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.stress", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="the first one")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--kept", type=Path, default=Path("build/stress"), help="where failing cases are kept")
    asked = parser.parse_args()
    sys.exit(1 if asyncio.run(stress(asked.seed, 60 * asked.minutes, asked.jobs, asked.kept)) else 0)


if __name__ == "__main__":
    main()
