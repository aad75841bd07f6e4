"""What gh-ost prints with ``--verbose``, line by line. Pure."""

from __future__ import annotations

import re

import msgspec

_STATUS = re.compile(
    r"^Copy: (?P<copied>\d+)/(?P<rows>\d+) [\d.]+%; Applied: (?P<applied>\d+); Backlog: (?P<backlog>\d+)/\d+;"
    r".*?(?:^|; |, )State: (?P<state>.*?); ETA:"
)
_LOCKED = re.compile(r"Lock & rename duration: (?P<duration>[\dhmsµn.]+?)\.? ")
_PART = re.compile(r"([\d.]+)(h|ms|µs|ns|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "µs": 1e-6, "ns": 1e-9}
COPIED = "Row copy complete"
POSTPONED = "postponing cut-over"


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """One line of its progress, which it prints when it begins to copy and about once a second."""

    copied: int
    rows: int
    applied: int
    backlog: int
    state: str


def status_of(line: str) -> Status | None:
    """The progress that a line tells; None for other lines, and for the same one in its log."""
    match = _STATUS.match(line)
    if match is None:
        return None
    numbers = {name: int(match[name]) for name in ("copied", "rows", "applied", "backlog")}
    return Status(state=match["state"], **numbers)


def locked_for(line: str) -> float | None:
    """Seconds for which the table was locked, where a line tells it."""
    match = _LOCKED.search(line)
    if match is None:
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(match["duration"]))


class Course:
    """When its lines arrived."""

    def __init__(self) -> None:
        self.copy_began: float | None = None
        self.copy_ended: float | None = None
        self.postponed: float | None = None
        self.locked: float | None = None
        """Seconds, as it says itself."""
        self.last_words: list[str] = []

    def hear(self, moment: float, line: str) -> None:
        self.last_words = [*self.last_words[-19:], line]
        status = status_of(line)
        if status is not None:
            if self.copy_began is None:
                self.copy_began = moment
            if status.state == POSTPONED and self.postponed is None:
                self.postponed = moment
        elif COPIED in line and self.copy_ended is None:
            self.copy_ended = moment
        locked = locked_for(line)
        if locked is not None:
            self.locked = locked
