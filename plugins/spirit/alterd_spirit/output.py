"""What spirit prints: its lines, read. Pure but for `Output`, which keeps the last words.

The lines are those of `pkg/migration/runner.go`, `pkg/sentinel`, `docs/migrate.md` "Reading the status output", and
of the command line's parser: ``spirit: error: …`` before exit code 1. A status every 30 s is a header and rows::

    2026/08/14 11:47:10 INFO migration status: state=copyRows total-time=2m30s copier-time=2m30s
      copier   46.13%  7550855/16370180  chunk-size=8097  eta=3m29s  throttled=false
"""

from __future__ import annotations

import re
from collections import deque
from typing import Final

import msgspec
from alterd_contracts.strategy import Log

COPIED: Final = "copy rows complete"
WAITS: Final = "cutover deferred while sentinel table exists"
"""Copied and compared: only the cut-over is left."""
WAITED_TOO_LONG: Final = "timed out waiting for sentinel table to be dropped"
"""After 48 hours."""
DUPLICATES: Final = "adding a UNIQUE index on non-unique data"
_FATAL: Final = re.compile(r"^spirit: error: (.+)")
_LEVEL: Final = re.compile(r"^\S+ \S+ ERROR (.+)")
_STATE: Final = re.compile(r"migration status: state=(\w+)")
_ROWS: Final = re.compile(r"^\s+copier\s+[\d.]+%\s+(\d+)/(\d+)(?:.*?\beta=(\S+))?")
_ROWS_BEFORE: Final = re.compile(r"\bcopy-progress=(\d+)/(\d+)\s.*?\bcopier-remaining-time=(\S+)")
"""As versions before 0.16 have it, in one line."""
_DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)")
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
KEPT: Final = 40
"""Lines that are kept in case it fails."""


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """How far the copy is."""

    copied: int
    total: int
    """An estimate."""
    eta: int
    """Seconds; -1 where spirit does not know."""


def state_of(line: str) -> str:
    """The state that a status line names; empty for any other line."""
    found = _STATE.search(line)
    return found[1] if found else ""


def rows_of(line: str) -> Rows | None:
    """What a line says of the copy."""
    found = _ROWS.match(line) or _ROWS_BEFORE.search(line)
    return Rows(copied=int(found[1]), total=int(found[2]), eta=seconds_of(found[3] or "")) if found else None


def seconds_of(duration: str) -> int:
    """Of Go's ``4m39s``; -1 for ``TBD``, 0 for ``DUE``."""
    if duration == "DUE":
        return 0
    parts = _DURATION.findall(duration)
    if not parts or "".join(number + unit for number, unit in parts) != duration:
        return -1
    return round(sum(float(number) * _SECONDS[unit] for number, unit in parts))


class Output:
    """The lines of one run of spirit, in the migration's log."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._last: deque[str] = deque(maxlen=KEPT)
        self._fatal = self._error = ""

    def hear(self, line: str) -> None:
        """One line."""
        self._log.info(line)
        if line.strip():
            self._last.append(line.strip())
        if found := _FATAL.match(line):
            self._fatal = found[1].strip()
        elif found := _LEVEL.match(line):
            self._error = found[1].strip()

    @property
    def words(self) -> str:
        """What it ended with: its last fatal line, else its last error, else its last line."""
        return self._fatal or self._error or (self._last[-1] if self._last else "")
