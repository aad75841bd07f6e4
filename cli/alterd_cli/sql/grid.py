"""Results as the mysql client prints them. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import zip_longest

from alterd_cli.output import one_line
from alterd_cli.sql.table import Result, Value


def grid(result: Result, *, null: str = "NULL") -> list[str]:
    """The lines of a table with borders; columns of numbers stand at the right, a value's lines below each other."""
    rows = [[_lines(null if value is None else _shown(value)) for value in row] for row in result.rows]
    titles = [one_line(column) for column in result.columns]
    widths = [max(map(width, [title, *(line for row in rows for line in row[at])])) for at, title in enumerate(titles)]
    numbers = [bool(column) and all(_number(value) for value in column) for column in _columns(result)]
    border = "+" + "".join("-" * (each + 2) + "+" for each in widths)
    lines = [border, _line(titles, widths, [False] * len(titles)), border]
    lines += [_line(cells, widths, numbers) for row in rows for cells in zip_longest(*row, fillvalue="")]
    return [*lines, border] if rows else lines


def vertical(result: Result, *, null: str = "NULL") -> list[str]:
    """A column a line, as after ``\\G``; line breaks of a value are kept."""
    indent = max(map(width, result.columns), default=0)
    lines = []
    for number, row in enumerate(result.rows, 1):
        lines.append(f"{'*' * 27} {number}. row {'*' * 27}")
        for column, value in zip(result.columns, row, strict=True):
            text = null if value is None else "\n".join(_lines(_shown(value)))
            lines.append(f"{' ' * (indent - width(column))}{one_line(column)}: {text}")
    return lines


def summary(result: Result, seconds: float) -> str:
    """``2 rows in set (0.01 sec)``"""
    count = len(result.rows)
    if not count:
        return f"Empty set ({seconds:.2f} sec)"
    return f"{count} row{'s' if count > 1 else ''} in set ({seconds:.2f} sec)"


def width(text: str) -> int:
    """Columns of a terminal that `text` takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def _columns(result: Result) -> list[tuple[Value, ...]]:
    return list(zip(*result.rows, strict=True)) if result.rows else [()] * len(result.columns)


def _number(value: Value) -> bool:
    return value is None or isinstance(value, int | float)


def _shown(value: Value) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _lines(text: str) -> list[str]:
    """Control characters could play tricks on a terminal."""
    return [
        "".join(letter if letter.isprintable() else " " for letter in line.replace("\t", "    "))
        for line in text.split("\n")
    ]


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = []
    for cell, wide, at_right in zip(cells, widths, right, strict=True):
        space = " " * (wide - width(cell))
        padded.append(f" {space}{cell} " if at_right else f" {cell}{space} ")
    return "|" + "|".join(padded) + "|"
