"""Expected rows against found ones. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from alterd_cli.demo.table import Row, differing

NAMED = 10
"""So many mismatches are named; all are counted."""
SHOWN = 60
"""Characters of a value that are shown."""


class Mismatch(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it must be."""

    text: str
    key: int | None = None

    def __str__(self) -> str:
        return self.text


class Mismatches:
    """Counts them all and keeps the first."""

    def __init__(self) -> None:
        self.total = 0
        self.first: list[Mismatch] = []

    def add(self, text: str, key: int | None = None) -> None:
        self.total += 1
        if len(self.first) < NAMED:
            self.first.append(Mismatch(text=text, key=key))

    def __bool__(self) -> bool:
        return bool(self.total)

    def __iter__(self) -> Iterator[Mismatch]:
        return iter(self.first)

    def __str__(self) -> str:
        more = self.total - len(self.first)
        return "\n".join([*map(str, self.first), *([f"… and {more:,} more"] if more else [])])


def compare(
    expected: Iterable[tuple[int, Row]], found: Iterable[tuple[int, Row]], mismatches: Mismatches
) -> tuple[int, int]:
    """Merges two streams of rows by rising key; how many rows were expected and found.

    A key that is found twice in a row, or out of order, is a mismatch of its own.
    """
    wanted, there = iter(expected), iter(found)
    want, have = next(wanted, None), next(there, None)
    counts = [0, 0]
    last: int | None = None
    while want is not None or have is not None:
        if have is not None and last is not None and have[0] <= last:
            mismatches.add(f"row id={have[0]} is there twice", have[0])
            counts[1] += 1
            have = next(there, None)
            continue
        if have is None or (want is not None and want[0] < have[0]):
            assert want is not None
            mismatches.add(f"row id={want[0]} is missing: it must hold {_row(want[1])}", want[0])
            counts[0] += 1
            want = next(wanted, None)
            continue
        if want is None or have[0] < want[0]:
            mismatches.add(f"row id={have[0]} must not be there: it holds {_row(have[1])}", have[0])
        else:
            _compare_rows(want[0], want[1], have[1], mismatches)
            counts[0] += 1
            want = next(wanted, None)
        counts[1] += 1
        last = have[0]
        have = next(there, None)
    return counts[0], counts[1]


def _compare_rows(key: int, expected: Row, found: Row, mismatches: Mismatches) -> None:
    if expected == found:
        return
    if columns := differing(expected, found):
        told = ", ".join(
            f"{column} is {shown(getattr(found, column))} and must be {shown(getattr(expected, column))}"
            for column in columns
        )
        mismatches.add(f"row id={key}: {told}", key)


def shown(value: Any) -> str:
    """A value in a message: NULL, or text on one line and not too long."""
    if value is None:
        return "NULL"
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _row(row: Row) -> str:
    return f"email {shown(row.email)}, badge {row.badge}"
