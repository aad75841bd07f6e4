"""Reads SELECTs and conditions over the records. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from alterd_cli.sql.cursor import migration_uuid
from alterd_cli.sql.dialect import translate, unit_of
from alterd_cli.sql.script import Piece, string
from alterd_cli.sql.statements import SCHEMA, TABLE, Query, SelectRecords
from alterd_contracts.errors import InvalidName, SyntaxRefused
from alterd_runtime.sql.words import Words

ALL: Final = f"SELECT * FROM {SCHEMA}.{TABLE} ORDER BY id, shard"

_GATHERING: Final = frozenset({"COUNT", "SUM", "MIN", "MAX", "AVG", "GROUP_CONCAT", "TOTAL"})
_CLAUSES: Final = frozenset({"FROM", "WHERE", "GROUP", "ORDER", "LIMIT", "HAVING", "UNION"})
_ENDS_NO_NAME: Final = frozenset({"END", "NULL", "TRUE", "FALSE"})


def like(pattern: str) -> Query:
    """Uuid, context or status are like `pattern`."""
    columns = ("migration_uuid", "migration_context", "migration_status")
    condition = " OR ".join(f"{column} LIKE ?" for column in columns)
    return Query(f"SELECT * FROM {SCHEMA}.{TABLE} WHERE {condition} ORDER BY id, shard", (pattern,) * len(columns))


def where(words: Words, at: int) -> Query:
    """The records that meet the condition from `at` to the end. Raises `SyntaxRefused`."""
    condition = _condition(words, at)
    return Query(f"SELECT * FROM {SCHEMA}.{TABLE} WHERE ({condition.sql}) ORDER BY id, shard", condition.parameters)


def chosen(words: Words, at: int) -> Query:
    """Uuid, shard, tablet and status of the records that meet the condition from `at`; of all where there is none.

    Raises `SyntaxRefused`.
    """
    condition = _condition(words, at) if at < len(words) else Query("TRUE")
    return Query(
        f"SELECT migration_uuid, shard, tablet, migration_status FROM {SCHEMA}.{TABLE}"
        f" WHERE ({condition.sql}) ORDER BY id, shard",
        condition.parameters,
    )


def _condition(words: Words, at: int) -> Query:
    depth = 0
    for here in range(at, len(words)):
        depth += (words[here] == "(") - (words[here] == ")")
        if depth < 0:
            raise SyntaxRefused(f"a parenthesis is closed that was not opened{words.near(here)}")
    return translate(words, at, len(words))


def only_uuid(words: Words, at: int) -> str:
    """The uuid where the condition is ``migration_uuid = '…'`` and nothing else; empty for any other."""
    if words[at] != "MIGRATION_UUID" or words[at + 1] != "=" or len(words) != at + 3:
        return ""
    try:
        found = migration_uuid(string(words, at + 2) or "")
    except InvalidName:
        return ""
    return found if found == string(words, at + 2) else ""


def select(piece: Piece, *, tablet_first: bool = False) -> SelectRecords:
    """A SELECT. `tablet_first`: each record's `Tablet` is put before what is asked for. Raises `SyntaxRefused`."""
    words = piece.words
    end = next((at for at in _outside(words, 1) if words[at] in _CLAUSES), len(words))
    if words[end] != "FROM":
        raise SyntaxRefused(f"FROM is missing{words.near(end)}", hint=f"select … from {SCHEMA}.{TABLE}")
    distinct = words.skip(1, "DISTINCT")
    parts: list[str] = []
    parameters: list[str] = []
    for start, stop in _items(words, distinct, end):
        item = translate(words, start, stop)
        title = words.slice(start, stop)
        named = "" if _has_name(words, start, stop) else f" AS `{title.replace('`', '``')}`"
        parts.append(item.sql + named)
        parameters += item.parameters
    if tablet_first and not _gathers(words):
        parts.insert(0, "tablet AS `Tablet`")
    rest = translate(words, end, len(words))
    return SelectRecords(
        query=Query(
            f"SELECT {'DISTINCT ' * (distinct - 1)}{', '.join(parts)} {rest.sql}", (*parameters, *rest.parameters)
        ),
    )


def _outside(words: Words, start: int) -> Iterator[int]:
    """Indexes of what stands in no parentheses."""
    depth = 0
    for at in range(start, len(words)):
        depth += (words[at] == "(") - (words[at] == ")")
        if depth == 0:
            yield at


def _items(words: Words, start: int, end: int) -> Iterator[tuple[int, int]]:
    """What is selected, item by item. Raises `SyntaxRefused`."""
    borders = [at for at in _outside(words, start) if at < end and words[at] == ","]
    for stop in [*borders, end]:
        if start == stop:
            raise SyntaxRefused(f"what is selected is missing{words.near(start)}")
        yield start, stop
        start = stop + 1


def _has_name(words: Words, start: int, stop: int) -> bool:
    """Whether the item has a name already: it is a column, all columns, or ends in an alias."""
    if words[stop - 1] == "*" or stop - start == 1:
        return string(words, start) is None and (words[start] == "*" or words.identifier(start) is not None)
    if words.identifier(stop - 1) is None or words[stop - 1] in _ENDS_NO_NAME:
        return False
    if any(unit_of(words, at, stop) == stop - 1 for at in words.positions("INTERVAL", start) if at < stop):
        return False
    before = words[stop - 2]
    if before in ("AS", ".", ")") or before == "":
        return True
    return before[0].isalnum() and before not in ("DISTINCT", "AND", "OR", "NOT", "LIKE", "IS", "IN", "THEN", "ELSE")


def _gathers(words: Words) -> bool:
    """Whether a row of the result is more than one record."""
    called = any(words[at] in _GATHERING and words[at + 1] == "(" for at in range(len(words)))
    return called or words[1] == "DISTINCT" or any(words[at] in ("GROUP", "UNION") for at in _outside(words, 1))
