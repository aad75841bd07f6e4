"""What gh-ost says of itself, line by line. Pure."""

from __future__ import annotations

import re
from typing import Final

import msgspec

POSTPONED: Final = "postponing cut-over"
THROTTLED: Final = "throttled, "
COPIED: Final = "Row copy complete"

STATUS: Final = re.compile(
    r"Copy: (?P<copied>\d+)/(?P<rows>\d+) (?P<percent>[\d.]+)%; Applied: (?P<applied>\d+);"
    r" Backlog: (?P<backlog>\d+)/\d+;.*?HeartbeatLag: (?P<lag>[\d.]+)s, State: (?P<state>.*); ETA: (?P<eta>\S+)\s*$"
)
FATAL: Final = re.compile(
    r"^(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d FATAL |"
    r"(?=panic: |fatal error: |flag provided but not defined: |invalid (?:boolean )?value .* for flag ))(.*)"
)
"""Its own last words, and those of Go: a panic, a flag that it does not know. What follows them is no words."""
ERROR: Final = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d ERROR (.*)")
QUIET: Final = re.compile(r"Copy: \d+/\d+ [\d.]+%; Applied: ")
"""Its status, twice a second: told as progress."""
DUPLICATE: Final = re.compile(r"Duplicate entry '.*' for key '(?:[^'.]*\.)?([^']*)'")
"""With the name of the key."""

_PART: Final = re.compile(r"(\d+)(h|m|s)")
_SECONDS: Final = {"h": 3600, "m": 60, "s": 1}


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """One line of its progress."""

    copied: int
    rows: int
    percent: float
    applied: int
    backlog: int
    lag: float
    """Seconds."""
    state: str
    eta: int
    """Seconds; -1 unknown."""

    @property
    def postponed(self) -> bool:
        """Only the cut-over is left, and waits for the flag file to go."""
        return self.state == POSTPONED

    @property
    def throttled(self) -> str:
        """Why it waits; empty where it does not."""
        return self.state.removeprefix(THROTTLED) if self.state.startswith(THROTTLED) else ""


def status_of(line: str) -> Status | None:
    """The progress that a line tells; None for other lines."""
    match = STATUS.search(line)
    if match is None:
        return None
    return Status(
        copied=int(match["copied"]),
        rows=int(match["rows"]),
        percent=float(match["percent"]),
        applied=int(match["applied"]),
        backlog=int(match["backlog"]),
        lag=float(match["lag"]),
        state=match["state"],
        eta=seconds_of(match["eta"]),
    )


def seconds_of(eta: str) -> int:
    """``1h2m3s``, ``due``, ``N/A``."""
    if eta == "due":
        return 0
    parts = _PART.findall(eta)
    if not parts or "".join(number + unit for number, unit in parts) != eta:
        return -1
    return sum(int(number) * _SECONDS[unit] for number, unit in parts)
