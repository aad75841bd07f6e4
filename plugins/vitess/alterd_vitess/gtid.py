"""Sets of GTIDs, tagged ones included, as MySQL writes them."""

from __future__ import annotations

import re
import struct
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Final, Self
from uuid import UUID

from alterd_contracts.errors import InvalidInput

LAST_GNO: Final = 2**63 - 2
"""The greatest number of a transaction."""

_UUID = re.compile(r"\{?([0-9a-f]{8}(-?)[0-9a-f]{4}\2[0-9a-f]{4}\2[0-9a-f]{4}\2[0-9a-f]{12})\}?")
_TAG = re.compile(r"[a-z_][a-z0-9_]{0,31}")
_INTERVAL = re.compile(r"([0-9]+)(?:-([0-9]+))?")
_BLANKS = re.compile(r"\s+")
_COUNT = struct.Struct("<Q")
_PAIR = struct.Struct("<QQ")
_TAGGED = 1
_SHOWN = 60


class GtidSet:
    """GTIDs by `sid`: ``uuid`` or ``uuid:tag``, in lower case. Mutable.

    Intervals are kept in order, apart from each other, both ends included.
    """

    __slots__ = ("_intervals",)

    def __init__(self) -> None:
        self._intervals: dict[str, list[list[int]]] = {}

    @classmethod
    def parse(cls, text: str) -> Self:
        """The set that MySQL would read from `text`. Raises `InvalidInput`."""
        found = cls()
        for part in _BLANKS.sub("", text).lower().split(","):
            if part:
                found._parse_part(part)
        return found

    @classmethod
    def of(cls, sid: str, first: int, last: int) -> Self:
        """One interval."""
        found = cls()
        found.add(sid, first, last)
        return found

    def _parse_part(self, part: str) -> None:
        head, *rest = part.split(":")
        written = _UUID.fullmatch(head)
        if written is None or head.startswith("{") != head.endswith("}"):
            raise _malformed(part)
        source = sid = str(UUID(written[1]))
        for piece in rest:
            if interval := _INTERVAL.fullmatch(piece):
                first, last = int(interval[1]), int(interval[2] or interval[1])
                if not 1 <= first <= LAST_GNO or last > LAST_GNO:
                    raise _malformed(part)
                if first <= last:
                    self.add(sid, first, last)
            elif _TAG.fullmatch(piece):
                sid = f"{source}:{piece}"
            else:
                raise _malformed(part)

    def add(self, sid: str, first: int, last: int) -> None:
        """Adds the transactions `first` to `last` of `sid`. Quick when they follow the last ones."""
        known = self._intervals.get(sid)
        if known is None:
            self._intervals[sid] = [[first, last]]
            return
        end = known[-1]
        if end[1] + 1 == first:
            end[1] = last
        elif end[1] + 1 < first:
            known.append([first, last])
        else:
            _merge(known, first, last)

    def update(self, other: GtidSet) -> None:
        """Adds all of `other`."""
        for sid, first, last in other.intervals():
            self.add(sid, first, last)

    def copy(self) -> Self:
        copied = type(self)()
        copied._intervals = {sid: [interval[:] for interval in known] for sid, known in self._intervals.items()}
        return copied

    def contains(self, other: GtidSet) -> bool:
        """Whether all of `other` is in this set."""
        return all(self._holds(*interval) for interval in other.intervals())

    def _holds(self, sid: str, first: int, last: int) -> bool:
        known = self._intervals.get(sid, [])
        at = bisect_right(known, first, key=_first_of) - 1
        return at >= 0 and last <= known[at][1]

    def minus(self, other: GtidSet) -> Self:
        """What is in this set and not in `other`."""
        left = type(self)()
        for sid, known in self._intervals.items():
            remaining = list(_without(known, other._intervals.get(sid, [])))
            if remaining:
                left._intervals[sid] = remaining
        return left

    def intervals(self) -> list[tuple[str, int, int]]:
        """(sid, first, last) in MySQL's order: by uuid, untagged ones first, then by tag."""
        return [(sid, first, last) for sid in sorted(self._intervals) for first, last in self._intervals[sid]]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, GtidSet) and self._intervals == other._intervals

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        return bool(self._intervals)

    def __str__(self) -> str:
        """As MySQL shows it, on one line: ``uuid:1-5:7:tag:1-3,uuid:9``."""
        sources: dict[str, list[str]] = {}
        for sid in sorted(self._intervals):
            source, _, tag = sid.partition(":")
            parts = sources.setdefault(source, [])
            parts += [tag] if tag else []
            parts += [str(first) if first == last else f"{first}-{last}" for first, last in self._intervals[sid]]
        return ",".join(":".join((source, *parts)) for source, parts in sources.items())

    def __repr__(self) -> str:
        return f"GtidSet({str(self)!r})"

    def encode(self) -> bytes:
        """For COM_BINLOG_DUMP_GTID: the form that all versions read, unless there are tags (8.3 and later)."""
        tagged = any(":" in sid for sid in self._intervals)
        count = len(self._intervals)
        parts = [_COUNT.pack(count << 8 | _TAGGED | _TAGGED << 56 if tagged else count)]
        for sid in sorted(self._intervals):
            source, _, tag = sid.partition(":")
            parts.append(UUID(source).bytes)
            if tagged:
                parts.append(bytes([len(tag) << 1]) + tag.encode("ascii"))
            known = self._intervals[sid]
            parts.append(_COUNT.pack(len(known)))
            parts += [_PAIR.pack(first, last + 1) for first, last in known]
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The set in a Previous_gtids event (without header and checksum), and what `encode` made."""
        found = cls()
        try:
            (head,) = _COUNT.unpack_from(data, 0)
            tagged = head >> 56 == _TAGGED
            count = (head >> 8) & (2**48 - 1) if tagged else head & (2**56 - 1)
            at = _COUNT.size
            for _ in range(count):
                sid = str(UUID(bytes=data[at : at + 16]))
                at += 16
                if tagged and (length := data[at] >> 1):
                    sid += ":" + data[at + 1 : at + 1 + length].decode("ascii")
                    at += length
                at += tagged
                (intervals,) = _COUNT.unpack_from(data, at)
                at += _COUNT.size
                for first, end in _PAIR.iter_unpack(data[at : at + _PAIR.size * intervals]):
                    found.add(sid, first, end - 1)
                at += _PAIR.size * intervals
        except (struct.error, IndexError, ValueError) as error:
            raise InvalidInput("a GTID set in binary form is cut off") from error
        if at != len(data):
            raise InvalidInput("a GTID set in binary form has another length than it says")
        return found


def _first_of(interval: list[int]) -> int:
    return interval[0]


def _last_of(interval: list[int]) -> int:
    return interval[1]


def _merge(known: list[list[int]], first: int, last: int) -> None:
    """Puts an interval between others, joining those that it touches."""
    low = bisect_left(known, first - 1, key=_last_of)  # one that ends right before `first` is joined too
    high = bisect_right(known, last + 1, key=_first_of)
    if low < high:
        first, last = min(first, known[low][0]), max(last, known[high - 1][1])
    known[low:high] = [[first, last]]


def _without(known: list[list[int]], taken: list[list[int]]) -> Iterator[list[int]]:
    """The parts of `known` that no interval of `taken` covers."""
    at = 0
    for first, last in known:
        start = first
        while at < len(taken) and taken[at][1] < start:
            at += 1
        following = at
        while following < len(taken) and taken[following][0] <= last:
            low, high = taken[following]
            if start < low:
                yield [start, low - 1]
            start = high + 1
            following += 1
        if start <= last:
            yield [start, last]


def _malformed(part: str) -> InvalidInput:
    shown = part if len(part) <= _SHOWN else part[: _SHOWN - 1] + "…"
    return InvalidInput(
        f"{shown!r} is no set of GTIDs", hint="written like uuid:1-5:7, with a tag uuid:tag:1-5, joined by commas"
    )
