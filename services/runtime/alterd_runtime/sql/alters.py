"""Splits ALTER TABLE into its clauses."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import msgspec

from alterd_contracts.errors import SyntaxRefused
from alterd_runtime.sql.clauses import Clause, ClauseKind, classify
from alterd_runtime.sql.words import Name, Words


class Alter(msgspec.Struct, frozen=True, kw_only=True):
    """An ALTER TABLE statement."""

    schema: str
    table: str
    head: str
    """The text up to the end of the table's name."""
    clauses: tuple[Clause, ...]

    def of(self, *kinds: ClauseKind) -> tuple[Clause, ...]:
        """The clauses of these kinds."""
        return tuple(clause for clause in self.clauses if clause.kind in kinds)


def split_alter(sql: str) -> Alter:
    """The clauses of an ALTER TABLE statement. Raises `SyntaxRefused`, also for any other statement."""
    words = Words.of(sql)
    if not words.are(0, "ALTER", "TABLE"):
        raise SyntaxRefused("the statement is no ALTER TABLE")
    name = words.name(2)
    return Alter(schema=name.schema, table=name.table, head=words.slice(0, name.end), clauses=read_clauses(words, name))


def read_clauses(words: Words, name: Name) -> tuple[Clause, ...]:
    """The clauses that follow the table's `name`. Raises `SyntaxRefused`."""
    clauses = []
    before = words.tokens[name.end - 1].end + 1
    for start, end in _borders(words, name.end):
        first, last = words.tokens[start].start, words.tokens[end - 1].end + 1
        clauses.append(classify(words, start, end, words.text[before:first]))
        before = last
    return tuple(clauses)


_LISTED: Final = frozenset(
    {"DROP", "TRUNCATE", "ANALYZE", "CHECK", "OPTIMIZE", "REBUILD", "REPAIR", "REORGANIZE", "DISCARD", "IMPORT"}
)
"""Before PARTITION: a list of names follows, and nothing after that."""

_TAILS: Final = {"PARTITION": "BY", "REMOVE": "PARTITIONING"}
"""What follows the last clause without a comma."""


def _borders(words: Words, start: int) -> Iterator[tuple[int, int]]:
    """Where each clause starts and ends, as indexes of words."""
    at, depth, count = start, 0, len(words)
    while at < count:
        word = words[at]
        if word == "(":
            depth += 1
        elif word == ")":
            depth -= 1
        elif depth == 0:
            if word == "," and not _goes_on(words, start, at + 1):
                if at == start:
                    raise SyntaxRefused(f"a clause is missing{words.near(at)}")
                yield start, at
                start = at + 1
            elif word in _TAILS and at > start and words[at + 1] == _TAILS[word]:
                yield start, at
                start = at
        at += 1
    if depth:
        raise SyntaxRefused("the parentheses do not match")
    if start < count:
        yield start, count
    elif words[count - 1] == ",":
        raise SyntaxRefused("a clause is missing at the end of the statement")


def _goes_on(words: Words, start: int, after: int) -> bool:
    """Whether the clause at `start` goes on after a comma."""
    if words[start] in _LISTED and words[start + 1] == "PARTITION":
        return True
    return words.are(start, "ORDER", "BY") and _is_sort_column(words, after)


_NEVER_COLUMNS: Final = frozenset({"ADD", "ALTER", "CHANGE", "CONVERT", "DROP", "FORCE", "LOCK", "ORDER", "RENAME"})
"""Reserved words that begin a clause: as names of columns they would be quoted."""


def _is_sort_column(words: Words, at: int) -> bool:
    """Whether one more column of ORDER BY stands here: a name, a direction, and no more before the next comma."""
    if words[at] in _NEVER_COLUMNS or words.identifier(at) is None:
        return False
    at += 1
    while words[at] == "." and words.identifier(at + 1) is not None:
        at += 2
    if words[at] in ("ASC", "DESC"):
        at += 1
    return words[at] == "," or at >= len(words) or (words[at] in _TAILS and words[at + 1] == _TAILS[words[at]])


_HOW: Final = frozenset({ClauseKind.ALGORITHM, ClauseKind.LOCK})
_AFTER_A_BLANK: Final = frozenset({ClauseKind.PARTITION_BY, ClauseKind.REMOVE_PARTITIONING})


def by_copy(head: str, clauses: Iterable[Clause], text: Callable[[Clause], str] = lambda clause: clause.text) -> str:
    """An ALTER TABLE with ALGORITHM=COPY in the place of what its clauses say of that; empty where they say no more.

    `head`: ``ALTER TABLE t``. `text`: what is written of a clause.
    """
    return _by("COPY", head, clauses, text)


def at_once(head: str, clauses: Iterable[Clause]) -> str:
    """The same with ALGORITHM=INSTANT."""
    return _by("INSTANT", head, clauses, lambda clause: clause.text)


def _by(algorithm: str, head: str, clauses: Iterable[Clause], text: Callable[[Clause], str]) -> str:
    kept = [clause for clause in clauses if clause.kind not in _HOW]
    if not kept:
        return ""
    comma = "" if kept[0].kind in _AFTER_A_BLANK else ","
    parts = [f"{head} ALGORITHM={algorithm}{comma} {text(kept[0])}"]
    for clause in kept[1:]:
        parts += [clause.separator if clause.separator.strip() in ("", ",") else ", ", text(clause)]
    return "".join(parts)
