"""All cases: some side by side, those that set the whole server's mode alone, at the end."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from alterd_cases.case import Case
from alterd_cases.course import Meddle, run_case
from alterd_cases.report import reporting, summary
from alterd_cases.system import System, open_system
from alterd_cases.verdict import Verdict
from alterd_cli.failures import INTERRUPTED
from alterd_cli.output import echo, echo_json, note
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.quoting import qualified


async def run_all(
    system: System,
    cases: Sequence[Case],
    strategy: str,
    show: Callable[[Verdict], None],
    *,
    jobs: int = 1,
    keep: bool = False,
    meddle: Meddle | None = None,
) -> list[Verdict]:
    """Every case once; the verdicts in the order of `cases`. `show` is told each as it comes."""
    verdicts: dict[str, Verdict] = {}
    free = asyncio.Semaphore(jobs)

    async def one(case: Case) -> None:
        async with free:
            verdict = await run_case(system, case, strategy, keep=keep, meddle=meddle)
        verdicts[case.name] = verdict
        show(verdict)

    async with asyncio.TaskGroup() as group:
        for case in cases:
            if not case.alone:
                group.create_task(one(case))
    for case in cases:
        if case.alone:
            await one(case)
    return [verdicts[case.name] for case in cases]


async def run_here(
    cases: Sequence[Case], *, dsn: str, strategy: str, jobs: int, json: bool, keep: bool, sabotage: bool
) -> int:
    """Runs the cases on an alterd of their own, prints the verdicts; the exit code."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="alterd-cases-", ignore_cleanup_errors=True) as folder, _stoppable():
        try:
            async with open_system(Path(folder), dsn, note) as system:
                with reporting(len(cases), stderr=json) as lines:
                    verdicts = await run_all(
                        system, cases, strategy, lines.show, jobs=jobs, keep=keep, meddle=lose_row if sabotage else None
                    )
        except asyncio.CancelledError:
            note("stopped")
            return INTERRUPTED
    told = summary(verdicts, time.monotonic() - began)
    if json:
        echo_json(verdicts)
        note(told)
    else:
        echo(told)
    return int(any(each.failed for each in verdicts))


def lose_row(session: BlockingSession, schema: str, table: str) -> None:
    """Deletes a row of the new table behind alterd's back: a comparison that is worth anything finds it."""
    session.execute(f"DELETE FROM {qualified(schema, table)} LIMIT 1")


@contextlib.contextmanager
def _stoppable() -> Iterator[None]:
    """A signal breaks the block off, and everything is stopped in order; a second one changes nothing."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    told = False

    def stop() -> None:
        nonlocal told
        if not told:
            told = True
            note("stopping everything")
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.remove_signal_handler(number)
