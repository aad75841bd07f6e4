"""One thing that was looked at."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen, and how to mend it where that is needed."""

    level: Level
    part: str
    what: str
    mend: str = ""


def ok(part: str, what: str) -> Finding:
    return Finding(level=Level.OK, part=part, what=what)


def warn(part: str, what: str, mend: str = "") -> Finding:
    return Finding(level=Level.WARN, part=part, what=what, mend=mend)


def fail(part: str, what: str, mend: str = "") -> Finding:
    return Finding(level=Level.FAIL, part=part, what=what, mend=mend)
