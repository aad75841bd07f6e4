"""What a definition on the server tells of a statement that may have run. Pure."""

from __future__ import annotations

import re
from enum import Enum, auto

import msgspec


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt wrote down before it sent its statement. Definitions as `scratch.definition` shows them."""

    attempt: int
    before: str | None
    """None: there was nothing of that name."""
    after: str | None
    """None: there will be nothing; `UNKNOWN`: it could not be found out beforehand."""
    held: str = ""
    """The name that a dropped table is kept under."""


UNKNOWN = ""


class Present(Enum):
    """What the present definition says."""

    UNCHANGED = auto()
    """The statement has not taken effect, or may be sent again without harm."""
    CHANGED = auto()
    """It has."""
    UNCLEAR = auto()


def judge(remembered: Remembered, present: str | None, *, again: bool) -> Present:
    """What `present` says of the statement. `again`: it may be sent twice where definitions do not tell."""
    before, after = remembered.before, remembered.after
    if present == before:
        return Present.UNCHANGED if after not in (before, UNKNOWN) or again else Present.UNCLEAR
    if after == UNKNOWN:
        # a name that was free is taken: by this statement, as intake lets one migration at a time name a table
        return Present.CHANGED if before is None else Present.UNCLEAR
    return Present.CHANGED if present == after else Present.UNCLEAR


_QUOTED = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|`(?:[^`]|``)*`", re.DOTALL)
_ONCE = re.compile(
    r"\b(?:EXCHANGE\s+PARTITION|TRUNCATE\s+PARTITION|(?:DISCARD|IMPORT)\s+(?:PARTITION\b.*)?TABLESPACE)\b"
)


def repeatable(sql: str) -> bool:
    """Whether a statement that leaves the definition as it was may be sent twice.

    A rebuild may; what moves or removes rows under an unchanged definition may not.
    """
    return not _ONCE.search(_QUOTED.sub("?", sql).upper())


def is_table(definition: str | None) -> bool:
    """Whether it defines a table, not a view."""
    return definition is not None and definition.startswith("CREATE TABLE")
