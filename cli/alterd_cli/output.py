"""Data on stdout, all else on stderr."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import typer

STYLES = {
    "queued": "cyan",
    "ready": "cyan",
    "running": "blue",
    "complete": "green",
    "failed": "bold red",
    "cancelled": "yellow",
    "ok": "green",
    "warn": "yellow",
    "fail": "bold red",
}
"""Colours of words that stand alone in a cell."""


def echo(text: str) -> None:
    """A line of data."""
    typer.echo(text)


def note(text: str) -> None:
    """A line for the person in front of it."""
    typer.echo(text, err=True)


def echo_json(data: Any) -> None:
    """One JSON document; the order of keys is kept."""
    typer.echo(msgspec.json.format(msgspec.json.encode(data), indent=2).decode())


def echo_json_line(data: Any) -> None:
    """One JSON document on one line, at once."""
    typer.echo(msgspec.json.encode(data).decode())
    sys.stdout.flush()


def one_line(text: str) -> str:
    """`text` without line breaks or control characters, which could play tricks on a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in " ".join(text.split()))


def moment(time: datetime | None) -> str:
    """UTC, to the second."""
    return "" if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def seconds(value: float) -> str:
    """``75`` as ``1m15s``; empty for what is not known (negative)."""
    if value < 0:
        return ""
    minutes, rest = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def count(value: int) -> str:
    """``123,456``"""
    return f"{value:,}"


def compact(value: int) -> str:
    """Three digits at most: ``950``, ``1.2k``, ``123k``, ``4.5M``."""
    if value < 1000:
        return str(value)
    size, units = value / 1000, "kMGT"
    while round(size) >= 1000 and len(units) > 1:
        size, units = size / 1000, units[1:]
    return f"{size:.1f}{units[0]}" if round(size, 1) < 10 else f"{size:.0f}{units[0]}"


def echo_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, spare: Sequence[str] = ()) -> None:
    """A table: whole lines where a program reads; on a terminal coloured and folded.

    `spare`: columns left out one after the other where the terminal is too narrow.
    """
    cells = [[one_line(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _rich_table(list(columns), cells, spare)
        return
    widths = [max(len(line[at]) for line in [list(columns), *cells]) for at in range(len(columns))]
    for line in [list(columns), *cells]:
        echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def echo_fields(fields: Sequence[tuple[str, str]]) -> None:
    """``name: value`` lines, names aligned to the right."""
    width = max((len(name) for name, _ in fields), default=0)
    for name, value in fields:
        indented = ("\n" + " " * (width + 2)).join(one_line(line) for line in value.splitlines() or [""])
        echo(f"{name.rjust(width)}: {indented}".rstrip())


def _rich_table(columns: list[str], rows: list[list[str]], spare: Sequence[str]) -> None:
    from rich.console import Console  # noqa: PLC0415 - only where a terminal shows it
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(highlight=False)
    kept = fitting(columns, rows, spare, console.width)
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for at in kept:
        last = at == len(columns) - 1
        table.add_column(columns[at], no_wrap=not last, overflow="fold")
    for row in rows:
        table.add_row(*(Text(row[at], style=STYLES.get(row[at], "")) for at in kept))
    console.print(table)


def fitting(columns: list[str], rows: list[list[str]], spare: Sequence[str], width: int) -> list[int]:
    """Indexes of the columns to show; the last one is folded, so a stretch of it is enough."""
    widths = [max(len(line[at]) for line in [columns, *rows]) + 2 for at in range(len(columns))]
    widths[-1] = min(widths[-1], 30)
    kept = list(range(len(columns)))
    for name in spare:
        if sum(widths[at] for at in kept) <= width:
            break
        kept.remove(columns.index(name))
    return kept
