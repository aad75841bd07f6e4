"""Sums of single timings, and tables that a person can read. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import msgspec


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """Of some numbers of one kind."""

    n: int
    least: float
    median: float
    p90: float
    most: float


def summary(numbers: Iterable[float]) -> Summary | None:
    """None of no numbers."""
    ordered = sorted(numbers)
    if not ordered:
        return None
    return Summary(
        n=len(ordered),
        least=ordered[0],
        median=median(ordered),
        p90=quantile(ordered, 0.9),
        most=ordered[-1],
    )


def median(ordered: Sequence[float]) -> float:
    """The middle of sorted numbers; halfway between the two middle ones."""
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def quantile(ordered: Sequence[float], share: float) -> float:
    """The smallest of sorted numbers that at least that share of them does not exceed: always one of them."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def ratio(one: Summary | None, other: Summary | None) -> float | None:
    """Of the medians; None where one of them is missing or nothing."""
    if one is None or other is None or other.median == 0:
        return None
    return one.median / other.median


def seconds(found: Summary | None) -> str:
    """The median and, of several, the least and the most."""
    if found is None:
        return "–"
    shown = f"{found.median:.2f}"
    return shown if found.n == 1 else f"{shown} ({found.least:.2f}–{found.most:.2f})"


def milliseconds(value: float | None) -> str:
    """Three digits are enough."""
    if value is None:
        return "–"
    return f"{value * 1000:.1f}" if value < 0.1 else f"{value * 1000:,.0f}"


def per_second(found: Summary | None) -> str:
    """Rates as `seconds` shows times."""
    if found is None:
        return "–"
    shown = f"{found.median:,.0f}"
    return shown if found.n == 1 else f"{shown} ({found.least:,.0f}–{found.most:,.0f})"


def times(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as their widest cell: the first one to the left, numbers to the right."""
    every = [head, *rows]
    widths = [max(len(row[column]) for row in every) for column in range(len(head))]
    lines = []
    for row in every:
        first, *others = (
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, *others]).rstrip())
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
