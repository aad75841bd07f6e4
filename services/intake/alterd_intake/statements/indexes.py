"""Reads CREATE INDEX and DROP INDEX, as the ALTER TABLE that they are."""

from __future__ import annotations

from alterd_contracts.errors import SyntaxRefused
from alterd_contracts.statement import Statement, StatementKind
from alterd_intake.statements.reading import Reading
from alterd_runtime.sql.words import Words

KINDS = frozenset({"UNIQUE", "FULLTEXT", "SPATIAL"})


def create_index(reading: Reading) -> Statement:
    """``CREATE [kind] INDEX i [USING type] ON t (…) [options] [ALGORITHM …] [LOCK …]``. Raises `SyntaxRefused`."""
    words = reading.words
    named = 3 if words[1] in KINDS else 2
    on = named + 1
    if words[on] in ("USING", "TYPE"):
        on += 2
    _expect_on(words, named, on)
    name = reading.target(on + 1)
    if words[name.end] != "(":
        raise SyntaxRefused(f"the columns of the index are missing{words.near(name.end)}")
    tail = words.closing(name.end)
    while tail < len(words) and words[tail] not in ("ALGORITHM", "LOCK"):
        tail += 1
    sql = " ".join(
        ["ALTER TABLE", reading.text(on + 1, name.end), "ADD", reading.text(1, on), reading.text(name.end, tail)]
    )
    return reading.statement(StatementKind.ALTER_TABLE, name, sql + _tail(words, tail))


def drop_index(reading: Reading) -> Statement:
    """``DROP INDEX i ON t [ALGORITHM …] [LOCK …]``. Raises `SyntaxRefused`."""
    words = reading.words
    _expect_on(words, 2, 3)
    name = reading.target(4)
    sql = f"ALTER TABLE {reading.text(4, name.end)} DROP {reading.text(1, 3)}"
    return reading.statement(StatementKind.ALTER_TABLE, name, sql + _tail(words, name.end))


def _expect_on(words: Words, named: int, on: int) -> None:
    if words[named] == "ON" or words.identifier(named) is None:
        raise SyntaxRefused(f"the name of the index is missing{words.near(named)}")
    if words[on] != "ON":
        raise SyntaxRefused(f"ON and the name of a table are missing{words.near(on)}")


def _tail(words: Words, at: int) -> str:
    """ALGORITHM and LOCK as further clauses."""
    clauses = ""
    while at < len(words):
        value = words.skip(at + 1, "=")
        if words[at] not in ("ALGORITHM", "LOCK") or words.identifier(value) is None:
            raise SyntaxRefused(f"only ALGORITHM and LOCK are expected here{words.near(at)}")
        clauses += f", {words.slice(at, value + 1)}"
        at = value + 1
    return clauses
