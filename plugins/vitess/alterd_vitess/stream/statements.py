"""What statements of others mean to the table that is watched. Pure.

Names count where tables stand; in statements that are not known they count wherever they stand, for an end of the
migration costs less than a change that nobody saw.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import Final

import msgspec

from alterd_contracts.statement import masked
from alterd_vitess.stream.queries import Query
from alterd_vitess.stream.tokens import Kind, Token, read_tokens

_HARMLESS: Final = frozenset(
    {"ANALYZE", "OPTIMIZE", "CHECK", "CHECKSUM", "REPAIR", "GRANT", "REVOKE", "FLUSH", "SET", "INSTALL", "UNINSTALL"}
)
_DDL: Final = frozenset({"CREATE", "ALTER", "DROP"})
_HARMLESS_KINDS: Final = frozenset(
    {
        *("USER", "ROLE", "EVENT", "FUNCTION", "PROCEDURE", "VIEW", "SERVER", "TABLESPACE", "LOGFILE", "RESOURCE"),
        *("LIBRARY", "TEMPORARY"),
    }
)
_SCHEMA_KINDS: Final = frozenset({"DATABASE", "SCHEMA"})
_KINDS: Final = _HARMLESS_KINDS | _SCHEMA_KINDS | {"TABLE", "TABLES", "INDEX", "TRIGGER"}
_ROWS: Final = frozenset(
    {"INSERT", "UPDATE", "DELETE", "REPLACE", "LOAD", "CALL", "DO", "WITH", "SELECT", "IMPORT", "HANDLER", "VALUES"}
)
_BEFORE_TABLES: Final = frozenset(
    {"TABLE", "EXISTS", "LIKE", "REFERENCES", "TO", "AS", "RENAME", "ON", "FROM", "JOIN", "INTO"}
)
"""Words before a table's name in ALTER TABLE, CREATE TABLE and in the statements about indexes."""
_COLUMN_KINDS: Final = frozenset({"COLUMN", "INDEX", "KEY"})
_SHOWN: Final = 80


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """The table, and how the server compares names."""

    table_schema: str
    table: str
    folded: bool
    """Names that differ in case only are the same: lower_case_table_names is not 0."""

    def is_schema(self, name: str) -> bool:
        return self._same(name, self.table_schema)

    def is_table(self, name: str) -> bool:
        return self._same(name, self.table)

    def _same(self, left: str, right: str) -> bool:
        return left.lower() == right.lower() if self.folded else left == right


class Meaning(Enum):
    """Of a statement to a transaction, and to the table."""

    BEGINS = auto()
    """A transaction: BEGIN, CREATE TABLE … SELECT, whose rows follow."""
    XA_BEGINS = auto()
    """A transaction that may be prepared first and committed later."""
    ENDS = auto()
    """COMMIT; also ROLLBACK, which is logged where it could not undo everything."""
    XA_COMMITS = auto()
    """One that was prepared before: a transaction of its own without rows."""
    XA_ROLLS_BACK = auto()
    INSIDE = auto()
    """A savepoint, XA END: nothing."""
    HARMLESS = auto()
    ROWS = auto()
    """May change rows of the schema, in statement format."""
    DDL = auto()
    """May change the table itself."""
    DROPS_SCHEMA = auto()


def meaning(query: Query, watched: Watched, *, marker: str, version: int) -> Meaning:
    """What `query` means. `marker`: DDL that begins with it is our own. `version`: the server's, as a number."""
    if marker and query.text.startswith(marker):
        return Meaning.HARMLESS
    tokens = read_tokens(query.text, sql_mode=query.sql_mode, version=version)
    words = [token.text.upper() if token.kind is Kind.WORD else "" for token in tokens]
    boundary = _boundary(words)
    if boundary is not None:
        return boundary
    if words[:1] and words[0] in _ROWS:
        touched = query.updated is None or any(watched.is_schema(name) for name in query.updated)
        return Meaning.ROWS if touched else Meaning.HARMLESS
    found = _ddl(query, tokens, words, watched)
    if found is Meaning.HARMLESS and words[:1] == ["CREATE"] and words[-2:] == ["START", "TRANSACTION"]:
        return Meaning.BEGINS
    return found


def shown(query: Query) -> str:
    """The first words of a statement, without what stands in quotes."""
    text = " ".join(masked(query.text).split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"


_BOUNDARIES: Final[dict[tuple[str, ...], Meaning]] = {
    ("BEGIN",): Meaning.BEGINS,
    ("COMMIT",): Meaning.ENDS,
    ("ROLLBACK",): Meaning.ENDS,
    ("XA", "START"): Meaning.XA_BEGINS,
    ("XA", "BEGIN"): Meaning.XA_BEGINS,
    ("XA", "END"): Meaning.INSIDE,
    ("XA", "COMMIT"): Meaning.XA_COMMITS,
    ("XA", "ROLLBACK"): Meaning.XA_ROLLS_BACK,
    ("SAVEPOINT",): Meaning.INSIDE,
    ("RELEASE", "SAVEPOINT"): Meaning.INSIDE,
    ("ROLLBACK", "TO"): Meaning.INSIDE,
}


def _boundary(words: list[str]) -> Meaning | None:
    return _BOUNDARIES.get(tuple(words[:2])) or _BOUNDARIES.get(tuple(words[:1]))


def _ddl(query: Query, tokens: list[Token], words: list[str], watched: Watched) -> Meaning:
    head = words[0] if words else ""
    if head in _HARMLESS or words[:2] == ["RENAME", "USER"]:
        return Meaning.HARMLESS
    kind = _kind(tokens, words) if head in _DDL else ""
    if kind in _HARMLESS_KINDS:
        return Meaning.HARMLESS
    if kind in _SCHEMA_KINDS:
        dropped = head == "DROP" and any(watched.is_schema(token.text) for token in tokens[2:])
        return Meaning.DROPS_SCHEMA if dropped else Meaning.HARMLESS
    where_tables_stand = (kind == "TABLE" and head != "DROP" and "UNION" not in words) or kind == "INDEX"
    for at in _names(query, tokens, watched):
        if where_tables_stand and not _stands_for_a_table(words, at):
            continue
        if head == "CREATE" and kind == "TABLE" and _changes_nothing(tokens, words, at):
            continue
        return Meaning.DDL
    if "\ufffd" in query.text and not watched.table.isascii():
        return Meaning.DDL  # the name may stand there in a charset that is not known
    return Meaning.HARMLESS


def _kind(tokens: list[Token], words: list[str]) -> str:
    """What CREATE, ALTER or DROP is about."""
    at = 1
    while at < len(tokens):
        if words[at] == "DEFINER" and _is_sign(tokens, at + 1, "="):  # = user @ host
            at += 5 if _is_sign(tokens, at + 3, "@") else 3
        elif words[at] in _KINDS:
            return words[at]
        else:
            at += 1
    return ""


def _names(query: Query, tokens: list[Token], watched: Watched) -> Iterator[int]:
    """Where the table's name begins, with its schema's if that is written."""
    for at, token in enumerate(tokens):
        if token.kind not in (Kind.WORD, Kind.NAME) or not watched.is_table(token.text):
            continue
        if at >= 2 and _is_sign(tokens, at - 1, ".") and tokens[at - 2].kind in (Kind.WORD, Kind.NAME):
            if watched.is_schema(tokens[at - 2].text):
                yield at - 2
        elif watched.is_schema(query.schema):
            yield at


def _stands_for_a_table(words: list[str], at: int) -> bool:
    before = words[at - 1] if at else ""
    if before == "TO" and at >= 3 and words[at - 3] in _COLUMN_KINDS:
        return False  # RENAME COLUMN a TO b
    return before in _BEFORE_TABLES


def _changes_nothing(tokens: list[Token], words: list[str], at: int) -> bool:
    """Of a name in CREATE TABLE: whether it is the pattern of LIKE, or the table was to be made if it did not exist."""
    if words[at - 1] == "EXISTS":
        return True
    end = at + (3 if _is_sign(tokens, at + 1, ".") else 1)
    return words[at - 1] == "LIKE" and all(token.text == ")" for token in tokens[end:])


def _is_sign(tokens: list[Token], at: int, sign: str) -> bool:
    return at < len(tokens) and tokens[at] == (Kind.SIGN, sign)
