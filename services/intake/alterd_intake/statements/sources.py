"""Which tables and views a view selects from, by a simple reading of its text.

Good enough to know what must exist before the view does: a name too many or too few is found when it is tried.
"""

from __future__ import annotations

from typing import Final

from alterd_contracts.errors import InvalidInput
from alterd_runtime.sql.words import Name, Words

_ENDS: Final = frozenset(
    {"WHERE", "GROUP", "HAVING", "ORDER", "LIMIT", "UNION", "INTERSECT", "EXCEPT", "WINDOW", "FOR", "INTO", "SELECT"}
)
_QUERIES: Final = frozenset({"SELECT", "WITH", "VALUES"})
_JOINS: Final = frozenset({"JOIN", "STRAIGHT_JOIN"})


class _Level:
    """What is known inside one pair of parentheses."""

    __slots__ = ("lists", "selects")

    def __init__(self, *, lists: bool) -> None:
        self.lists = lists
        """A comma is followed by one more table."""
        self.selects = lists
        """FROM names tables here, and is not a word of EXTRACT, TRIM or SUBSTRING."""


def sources(words: Words, start: int) -> list[Name]:
    """The names after FROM, JOIN and their commas, those of common table expressions left out."""
    found: list[Name] = []
    levels = [_Level(lists=False)]
    expected = False
    at = start
    while at < len(words):
        word, level = words[at], levels[-1]
        if word == "(":
            levels.append(_Level(lists=expected))
        elif word == ")":
            expected = False
            if len(levels) > 1:
                levels.pop()
        elif word in _QUERIES or word in _ENDS:
            level.selects = True
            level.lists = expected = False
        elif word == "FROM":
            level.lists = expected = level.selects
        elif word in _JOINS:
            expected = True
        elif word == ",":
            expected = level.lists
        elif expected and word != "LATERAL":
            expected = False
            name = _name(words, at)
            if name is not None:
                found.append(name)
                at = name.end
                continue
        at += 1
    own = _common_tables(words, start)
    return [name for name in found if name.schema or name.table not in own]


def _name(words: Words, at: int) -> Name | None:
    """The table's name at `at`; None for a table function, DUAL, and what cannot be read."""
    try:
        name = words.name(at)
    except InvalidInput:
        return None
    return None if words[name.end] == "(" or words[at] == "DUAL" else name


def _common_tables(words: Words, start: int) -> set[str]:
    """Names defined by ``name AS (`` or ``name (columns) AS (``."""
    found: set[str] = set()
    opened: list[int] = []
    closed = -1
    for at in range(start, len(words)):
        if words[at] == "(":
            opened.append(at)
        elif words[at] == ")" and opened:
            closed = opened.pop()
        elif words[at] == "AS" and words[at + 1] == "(" and at > start:
            before = closed - 1 if words[at - 1] == ")" else at - 1
            found.add(words.identifier(before) or "")
    return found
