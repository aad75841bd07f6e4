"""What is seen of the demo: plain lines, and on a terminal some colour."""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

from alterd_cli.demo.figures import Figures
from alterd_cli.output import echo, echo_fields, one_line


class Show:
    """Lines on stdout, flushed one by one."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._console: Any = None
        self._kept: list[str] | None = None
        if sys.stdout.isatty():
            from rich.console import Console  # noqa: PLC0415 - only where a terminal shows it

            self._console = Console(highlight=False)

    @property
    def seconds(self) -> float:
        """Since the beginning."""
        return time.monotonic() - self._began

    def step(self, text: str) -> None:
        """A chapter begins."""
        self._print("")
        self._print(text, "bold cyan")

    def line(self, text: str) -> None:
        """A detail. While something else draws on the terminal it is kept until that has ended."""
        told = f"  {one_line(text)}"
        if self._kept is not None:
            self._kept.append(told)
        else:
            self._print(told)

    def moment(self, text: str) -> None:
        """A detail with its second."""
        self.line(f"{self.seconds:6.1f} s  {text}")

    def command(self, arguments: Sequence[str]) -> None:
        """What a user would type."""
        self._print("")
        self._print(f"$ alterd {' '.join(map(_quoted, arguments))}", "bold")

    def answer(self, text: str) -> None:
        """What a command has printed."""
        for each in text.splitlines():
            self._print(one_line(each))

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """Something else writes meanwhile: on a terminal, where it may draw, our lines wait."""
        if self._console is None:
            yield
            return
        kept: list[str] = []
        self._kept = kept
        try:
            yield
        finally:
            self._kept = None
            self._console.show_cursor(True)  # who was ended while it drew has left it hidden
            for told in kept:
                self._print(told)

    def summary(self, fields: Sequence[tuple[str, str]]) -> None:
        """Names and values."""
        self._print("")
        echo_fields(fields)

    def verdict(self, text: str, *, good: bool) -> None:
        self._print("")
        self._print(text, "bold green" if good else "bold red")

    def _print(self, text: str, style: str = "") -> None:
        if self._console is None:
            echo(text)
        else:
            self._console.print(text, style=style, markup=False, soft_wrap=True)


def _quoted(word: str) -> str:
    """For a shell, as a person would write it."""
    if "'" in word and not set(word) & set('"$`\\!'):
        return f'"{word}"'
    return shlex.quote(word)


def span(seconds: float) -> str:
    """``4.6 ms``, ``1.23 s``."""
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


def told(figures: Figures) -> list[tuple[str, str]]:
    """What the writers did, as fields of the summary."""
    longest, operations = figures.longest, figures.operations
    at = f"{longest.at:%H:%M:%S} UTC, " if longest.at is not None else ""
    settled = ", ".join(f"{count} {how}" for how, count in figures.settled.items())
    broken = ", ".join(f"{count} × {code}" for code, count in figures.interruptions.items())
    return [
        (
            "statements",
            f"{figures.statements:,} in {figures.seconds:.0f} s; p50 {span(figures.p50)}, p99 {span(figures.p99)}",
        ),
        (
            "longest write stall",
            f"{span(longest.seconds)} ({at}{longest.after:.1f} s after the first write: {longest.statement})",
        ),
        (
            "operations",
            f"{sum(operations.values()):,}: " + ", ".join(f"{n:,} × {kind}" for kind, n in operations.items()),
        ),
        *([("broken off", f"{broken}; rolled back")] if broken else []),
        *(
            [("in doubt", f"{figures.in_doubt} transactions: {settled or 'left to the proof'}")]
            if figures.in_doubt
            else []
        ),
    ]
