"""How many rows the next chunk gets, so that it takes the wanted time. Pure."""

from __future__ import annotations

GROWTH = 1.5
SMALLEST = 10
CLOCK = 1e-6
"""Seconds that a clock can tell apart."""


def next_size(size: int, rows: int, seconds: float, *, wanted: float, largest: int) -> int:
    """From a chunk of `size` keys that copied `rows` rows in `seconds`: grows by half at most, shrinks at once."""
    if rows <= 0:
        return size
    fitting = int(rows * wanted / max(seconds, CLOCK))
    return max(min(SMALLEST, largest), min(fitting, int(size * GROWTH) + 1, largest))
