"""Verdicts as they come, and their sum: a line for each case, on a terminal with a bar below."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import typer

from alterd_cases.verdict import Outcome, Verdict
from alterd_cli.output import one_line

_COLOURS = {Outcome.PASSED: "green", Outcome.FAILED: "red", Outcome.NOT_HERE: "yellow"}
_NAME = 42


def line_of(verdict: Verdict) -> str:
    """``pass  name  2.3 s  what was seen``"""
    return (
        f"{verdict.outcome:<8}  {verdict.case:<{_NAME}} {verdict.seconds:5.1f} s  {one_line(verdict.reason)}".rstrip()
    )


def summary(verdicts: Sequence[Verdict], seconds: float) -> str:
    """``138 of 140 cases passed in 251 s; 1 failed: name``"""
    failed = [each.case for each in verdicts if each.failed]
    absent = [each.case for each in verdicts if each.outcome is Outcome.NOT_HERE]
    passed = len(verdicts) - len(failed) - len(absent)
    parts = [f"{passed} of {len(verdicts)} cases passed in {seconds:.0f} s"]
    if failed:
        parts.append(f"{len(failed)} failed: {', '.join(failed)}")
    if absent:
        parts.append(f"{len(absent)} need a newer server: {', '.join(absent)}")
    return "; ".join(parts)


class Lines:
    """One after the other."""

    def __init__(self, *, stderr: bool) -> None:
        self._stderr = stderr

    def show(self, verdict: Verdict) -> None:
        colour = _COLOURS[verdict.outcome] if (sys.stderr if self._stderr else sys.stdout).isatty() else None
        typer.secho(line_of(verdict), fg=colour, err=self._stderr)


class Bar(Lines):
    """The same above a bar that tells how many are done."""

    def __init__(self, total: int, *, stderr: bool) -> None:
        from rich.console import Console  # noqa: PLC0415 - only where a terminal shows it
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn  # noqa: PLC0415

        super().__init__(stderr=stderr)
        console = Console(stderr=stderr, highlight=False)
        self._progress = Progress(BarColumn(40), MofNCompleteColumn(), TimeElapsedColumn(), console=console)
        self._task = self._progress.add_task("cases", total=total)
        self._progress.start()

    def show(self, verdict: Verdict) -> None:
        self._progress.console.print(line_of(verdict), style=_COLOURS[verdict.outcome], markup=False, soft_wrap=True)
        self._progress.advance(self._task)

    def close(self) -> None:
        self._progress.stop()


@contextmanager
def reporting(total: int, *, stderr: bool) -> Iterator[Lines]:
    """Lines, or a bar where there is a terminal."""
    if not (sys.stderr if stderr else sys.stdout).isatty():
        yield Lines(stderr=stderr)
        return
    bar = Bar(total, stderr=stderr)
    try:
        yield bar
    finally:
        bar.close()
