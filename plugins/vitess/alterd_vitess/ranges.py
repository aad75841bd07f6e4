"""The copy's plan: which key ranges are copied, under way, and still to come. Pure.

Keys are bytes (`alterd_vitess.keys`), and ``b""`` is before all. Comparing them gives the server's order; where only
the server knows that order, `CopyPlan.chained` follows the ranges from one to the next.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Range(NamedTuple):
    """Rows with ``low < key <= high``."""

    low: bytes
    high: bytes

    def __contains__(self, key: object) -> bool:
        return isinstance(key, bytes) and self.low < key <= self.high


class CopyPlan:
    """Every key up to `end` is copied by one chunk; keys beyond it appeared later and come from the change stream."""

    def __init__(self, end: bytes, copied: Iterable[Range] = ()) -> None:
        """`end`: the greatest key when the copy began, empty for an empty table. `copied`: of earlier attempts."""
        self.end = end
        self._ordered = True
        self.pending: list[Range] = []
        """Dispatched to nobody yet, in order."""
        self.in_flight: list[Range] = []
        at = b""
        for low, high in merged(copied):
            if low > at:
                self.pending.append(Range(at, low))
            at = max(at, high)
        if at < end:
            self.pending.append(Range(at, end))

    @classmethod
    def chained(cls, end: bytes, copied: Iterable[Range] = ()) -> CopyPlan:
        """Of keys that cannot be compared. At most one stretch between the copied ranges may be missing."""
        plan = cls(b"")
        plan.end, plan._ordered = end, False
        after = dict(copied)
        at = _followed(after, b"")
        if after:  # beyond what is missing
            highs = set(after.values())
            [low] = [low for low in after if low not in highs]
            plan.pending.append(Range(at, low))
            at = _followed(after, low)
        if at != end:
            plan.pending.append(Range(at, end))
        return plan

    @property
    def finished(self) -> bool:
        return not self.pending and not self.in_flight

    def ahead(self, key: bytes) -> bool:
        """Whether a chunk that is still to be dispatched will read `key`."""
        return any(key in each for each in self.pending)

    def flying(self, key: bytes) -> Range | None:
        """The chunk under way that `key` lies in."""
        for each in self.in_flight:
            if key in each:
                return each
        return None

    def dispatch(self, high: bytes) -> Range:
        """The first pending range up to `high` is under way from now on: before its statement is sent."""
        first = self.pending[0]
        if self._ordered and not first.low < high <= first.high:
            raise ValueError("a chunk ends within the range it is cut from")
        chunk = Range(first.low, high)
        if high != first.high:
            self.pending[0] = Range(high, first.high)
        else:
            del self.pending[0]
        self.in_flight.append(chunk)
        return chunk

    def committed(self, chunk: Range) -> None:
        self.in_flight.remove(chunk)


def _followed(after: dict[bytes, bytes], at: bytes) -> bytes:
    """Where the ranges end that follow each other from `at` on; they are taken out."""
    while at in after:
        at = after.pop(at)
    return at


def merged(ranges: Iterable[Range]) -> list[Range]:
    """The same keys in as few ranges as possible, in order."""
    found: list[Range] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1].high:
            found[-1] = Range(found[-1].low, max(found[-1].high, high))
        else:
            found.append(Range(low, high))
    return found
