"""Reads CREATE, ALTER and DROP of tables and views."""

from __future__ import annotations

from typing import Final

from alterd_contracts.errors import SyntaxRefused, UnsupportedStatement
from alterd_contracts.statement import Statement, StatementKind
from alterd_intake.statements.reading import Reading
from alterd_intake.statements.sources import sources
from alterd_runtime.sql.alters import read_clauses
from alterd_runtime.sql.clauses import ClauseKind
from alterd_runtime.sql.words import Words

_FILES: Final = "it moves files of one server, which no other shard or replica has"
_REFUSED: Final[dict[ClauseKind, tuple[str, str]]] = {
    ClauseKind.RENAME_TABLE: ("RENAME", "a table keeps its name while it is changed: rename it in your own time"),
    ClauseKind.DISCARD_TABLESPACE: ("DISCARD TABLESPACE", _FILES),
    ClauseKind.IMPORT_TABLESPACE: ("IMPORT TABLESPACE", _FILES),
    ClauseKind.DISCARD_PARTITION: ("DISCARD PARTITION … TABLESPACE", _FILES),
    ClauseKind.IMPORT_PARTITION: ("IMPORT PARTITION … TABLESPACE", _FILES),
    ClauseKind.EXCHANGE_PARTITION: (
        "EXCHANGE PARTITION",
        "it changes the rows of two tables, and no event tells which",
    ),
}
_QUERIES: Final = frozenset({"SELECT", "WITH", "VALUES", "TABLE"})
_BEFORE_QUERIES: Final = _QUERIES | {"AS", "IGNORE", "REPLACE"}


def create_table(reading: Reading, at: int) -> Statement:
    """CREATE TABLE; `at` follows those words. Raises `UnsupportedStatement` where it would also write rows."""
    words = reading.words
    start, at = at, words.skip(at, "IF", "NOT", "EXISTS")
    name = reading.target(at)
    if _writes_rows(words, name.end):
        raise UnsupportedStatement(
            "CREATE TABLE … SELECT is not managed: it writes rows as well", hint="create the table, then fill it"
        )
    if any(words[at + 1] == "TRANSACTION" for at in words.positions("START", name.end)):
        raise UnsupportedStatement(
            "CREATE TABLE … START TRANSACTION is not managed", hint="it is meant for the server's own replication"
        )
    like = words.skip(name.end, "(")
    if words[like] == "LIKE":
        reading.other(like + 1)
    _note_references(reading, name.end)
    return reading.statement(StatementKind.CREATE_TABLE, name, reading.text(), if_not_exists=at > start)


def _writes_rows(words: Words, start: int) -> bool:
    depth = 0
    for at in range(start, len(words)):
        word = words[at]
        if word == "(":
            if depth == 0:
                inner = at + 1
                while words[inner] == "(":
                    inner += 1
                if words[inner] in _QUERIES:
                    return True
            depth += 1
        elif word == ")":
            depth -= 1
        elif depth == 0 and word in _BEFORE_QUERIES:
            return True
    return False


def alter_table(reading: Reading, at: int) -> Statement:
    """ALTER TABLE; `at` follows those words. Raises `UnsupportedStatement` that names the clause."""
    name = reading.target(at)
    for clause in read_clauses(reading.words, name):
        if clause.kind in _REFUSED:
            what, why = _REFUSED[clause.kind]
            raise UnsupportedStatement(f"ALTER TABLE … {what} is not managed", hint=why, table=name.table)
    _note_references(reading, name.end)
    return reading.statement(StatementKind.ALTER_TABLE, name, reading.text())


def _note_references(reading: Reading, start: int) -> None:
    for at in reading.words.positions("REFERENCES", start):
        reading.other(at + 1)


def view(reading: Reading, at: int, kind: StatementKind) -> Statement:
    """CREATE VIEW or ALTER VIEW; `at` follows the word VIEW. What it selects from is left as written."""
    words = reading.words
    start, at = at, words.skip(at, "IF", "NOT", "EXISTS")
    name = reading.target(at, "view")
    for source in sources(words, name.end):
        reading.note(source)
    return reading.statement(kind, name, reading.text(), if_not_exists=at > start)


def drop(reading: Reading, at: int, kind: StatementKind) -> list[Statement]:
    """DROP TABLE or DROP VIEW, one statement for each name; `at` follows those words."""
    words, what = reading.words, "view" if kind.is_view else "table"
    start, at = at, words.skip(at, "IF", "EXISTS")
    head, if_exists = reading.text(0, at), at > start
    statements: list[Statement] = []
    while True:
        name = reading.target(at, what)
        sql = f"{head} {reading.text(at, name.end)}"
        if any(name.table == before.table for before in statements):
            raise SyntaxRefused(f"the {what} {name.table} is named twice", table=name.table)
        statements.append(reading.statement(kind, name, sql, if_exists=if_exists))
        at = name.end
        if words[at] != ",":
            break
        at += 1
    if words[at] in ("RESTRICT", "CASCADE"):  # the server ignores both
        at += 1
    if at < len(words):
        raise SyntaxRefused(f"nothing is expected after the names{words.near(at)}")
    return statements
