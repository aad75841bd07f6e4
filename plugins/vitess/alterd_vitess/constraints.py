"""Names of CHECK and FOREIGN KEY constraints, which stand once in a schema: the shadow's get others. Pure.

A new name is ``<original>_<25 digits>``. The digits are of the migration, the table and the constraint, so they are the
same on all shards; the original is what a user wrote or, of an automatic ``t_chk_1``, what follows the table's name. A
later change puts new digits in the place of the old ones. Source of the rule: Vitess, constraint names in Online DDL.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from typing import Final
from uuid import UUID, uuid5

from alterd_runtime.mysql.quoting import identifier
from alterd_runtime.sql import Clause, ClauseKind
from alterd_runtime.sql.words import Words

_DIGITS: Final = string.digits + string.ascii_lowercase
_COUNT: Final = 25
_LONGEST: Final = 64
_BEFORE: Final = re.compile(r"_[0-9a-z]{25}\Z")
_AUTOMATIC: Final = re.compile(r"(?:chk|ibfk)_\d+")
_LINE: Final = re.compile(r"^(\s+CONSTRAINT )(`(?:[^`]|``)+`)( (?:CHECK|FOREIGN KEY) .*)$", re.MULTILINE)
_NAMING: Final = frozenset(
    {
        ClauseKind.DROP_CHECK,
        ClauseKind.DROP_CONSTRAINT,
        ClauseKind.DROP_FOREIGN_KEY,
        ClauseKind.ALTER_CHECK,
        ClauseKind.ALTER_CONSTRAINT,
    }
)
_DEFINING: Final = frozenset(
    {
        ClauseKind.ADD_CHECK,
        ClauseKind.ADD_FOREIGN_KEY,
        ClauseKind.ADD_COLUMN,
        ClauseKind.ADD_COLUMNS,
        ClauseKind.MODIFY_COLUMN,
        ClauseKind.CHANGE_COLUMN,
    }
)
_WORDS: Final = {"CHECK": "chk", "FOREIGN": "fk"}


class ConstraintNames:
    """The names of one shadow's constraints."""

    def __init__(self, uuid: str, table: str) -> None:
        self._space, self._table = UUID(uuid.replace("_", "-")), table
        self._given: set[str] = set()
        self.renamed: dict[str, str] = {}
        """By the source's name in lower case."""

    def define(self, definition: str) -> str:
        """A SHOW CREATE TABLE, its constraints renamed."""

        def renamed(found: re.Match[str]) -> str:
            old = found[2][1:-1].replace("``", "`")
            new = self.renamed[old.lower()] = self._new(old, found[3])
            return f"{found[1]}{identifier(new)}{found[3]}"

        return _LINE.sub(renamed, definition)

    def clause(self, clause: Clause) -> str:
        """The text of a clause of the ALTER, with the shadow's names."""
        words = Words.of(clause.text)
        if clause.kind in _NAMING and clause.name.lower() in self.renamed:
            at = next(at for at in range(1, len(words)) if words.identifier(at) == clause.name and at >= 2)
            return _replaced(words, [(at, at + 1, identifier(self.renamed[clause.name.lower()]))])
        if clause.kind in _DEFINING:
            return _replaced(words, list(self._defined(words, clause.kind is ClauseKind.ADD_COLUMNS)))
        return clause.text

    def _defined(self, words: Words, listed: bool) -> Iterator[tuple[int, int, str]]:
        """(from, to, text) for each constraint that is defined."""
        depth, at = 0, 0
        while at < len(words):
            depth += (words[at] == "(") - (words[at] == ")")
            if depth <= listed and words[at] in _WORDS and _begins(words, at):
                first, written = _name_before(words, at)
                kind = _WORDS[words[at]]
                new = self._new(written, words.slice(at, len(words)), kind)
                yield first, at, f"CONSTRAINT {identifier(new)} "
            at += 1

    def _new(self, old: str, text: str, kind: str = "") -> str:
        base = _BEFORE.sub("", old)
        automatic = f"{self._table}_"
        if base.lower().startswith(automatic.lower()) and _AUTOMATIC.fullmatch(base[len(automatic) :]):
            base = base[len(automatic) :]
        base = base or kind
        number = 0
        while True:
            digits = _base36(uuid5(self._space, f"{self._table}\n{base}\n{text}\n{number}").int)
            new = f"{base[: _LONGEST - _COUNT - 1]}_{digits}"
            if new not in self._given:
                self._given.add(new)
                return new
            number += 1


def stays_renamable(definition: str, table: str, longest: int) -> bool:
    """Whether MySQL can name what it named after `table` after another table, of a name as long as `longest`."""
    names = (found[2][1:-1].replace("``", "`") for found in _LINE.finditer(definition))
    endings = (name[len(table) :] for name in names if name.lower().startswith(f"{table}_".lower()))
    return all(longest + len(ending) <= _LONGEST for ending in endings if _AUTOMATIC.fullmatch(ending[1:]))


def _begins(words: Words, at: int) -> bool:
    """Whether a constraint's definition begins here."""
    return words[at + 1] == "(" if words[at] == "CHECK" else words[at + 1] == "KEY"


def _name_before(words: Words, at: int) -> tuple[int, str]:
    """Where ``CONSTRAINT [name]`` before `at` begins, and the name; `at` and nothing where there is none."""
    if words[at - 1] == "CONSTRAINT":
        return at - 1, ""
    if at >= 2 and words[at - 2] == "CONSTRAINT":
        return at - 2, words.identifier(at - 1) or ""
    return at, ""


def _replaced(words: Words, parts: list[tuple[int, int, str]]) -> str:
    text, behind = [], 0
    for start, end, new in parts:
        begin = words.tokens[start].start
        text += [words.text[behind:begin], new]
        behind = words.tokens[end].start if start == end or new.endswith(" ") else words.tokens[end - 1].end + 1
    return "".join([*text, words.text[behind:]])


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits.rjust(_COUNT, "0")
