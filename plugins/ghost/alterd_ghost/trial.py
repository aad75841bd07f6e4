"""The change itself, tried as gh-ost makes its table: what speaks against it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from alterd_contracts.errors import AlterdError, StatementFailed
from alterd_contracts.migration import Migration
from alterd_contracts.strategy import Session
from alterd_ghost.command import clauses_of
from alterd_ghost.errors import CannotRunGhost
from alterd_ghost.flags import Asked
from alterd_ghost.keys import key_obstacles
from alterd_ghost.reading import as_it_is, misread
from alterd_ghost.values import added_obstacles, value_obstacles
from alterd_runtime.mysql.quoting import identifier
from alterd_runtime.mysql.scratch import as_users_do
from alterd_runtime.mysql.tables import Table, read_table
from alterd_runtime.sql import Clause, ClauseKind, split_alter

USE_VITESS: Final = "use the strategy vitess"
USE_MYSQL: Final = "use the strategy mysql"

_DOC_ID: Final = "FTS_DOC_ID"
_DEFAULTS: Final = """
SELECT COLUMN_NAME AS `name` FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND EXTRA LIKE '%DEFAULT_GENERATED%' AND INSTR(COLUMN_DEFAULT, '`')
"""
_REFUSED: Final[dict[ClauseKind, tuple[str, str]]] = {
    **dict.fromkeys(
        (ClauseKind.DROP_PARTITION, ClauseKind.TRUNCATE_PARTITION, ClauseKind.EXCHANGE_PARTITION),
        ("rows come or go with a partition, and it copies all there are", USE_MYSQL),
    ),
    **dict.fromkeys(
        (ClauseKind.ANALYZE_PARTITION, ClauseKind.CHECK_PARTITION, ClauseKind.REPAIR_PARTITION),
        ("it changes nothing of the table", USE_MYSQL),
    ),
    **dict.fromkeys(
        (
            ClauseKind.DISCARD_PARTITION,
            ClauseKind.IMPORT_PARTITION,
            ClauseKind.DISCARD_TABLESPACE,
            ClauseKind.IMPORT_TABLESPACE,
        ),
        ("it is about the table's files", "use the strategy direct"),
    ),
    ClauseKind.RENAME_TABLE: ("the table keeps its name", "rename it afterwards with the strategy direct"),
    ClauseKind.ADD_FOREIGN_KEY: ("it takes no table that takes part in foreign keys", USE_VITESS),
    ClauseKind.DROP_FOREIGN_KEY: ("it takes no table that takes part in foreign keys", USE_VITESS),
    ClauseKind.SECONDARY: ("it concerns another engine", USE_MYSQL),
    ClauseKind.OTHER: ("nobody here knows what it does", USE_MYSQL),
}


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """What the look at a change says."""

    obstacles: tuple[AlterdError, ...] = ()
    warnings: tuple[str, ...] = ()


async def change_limits(session: Session, change: Migration, trial: str) -> Judged:
    """What speaks against the change itself: tried as gh-ost makes its table, under the name `trial`, which is dropped.

    In the session's own schema, where the table is, or an empty copy of it.
    """
    table, asked = change.mysql_table, Asked.of(change)
    clauses = split_alter(change.migration_statement).clauses
    alter = clauses_of(clauses)
    found = _clauses(table, clauses, alter)
    if found:
        return Judged(obstacles=tuple(found))
    schema = str(await session.value("SELECT DATABASE()"))
    source = await read_table(session, schema, table)
    if source is None:
        return Judged()  # MySQL says so itself
    if wrong := misread(alter, clauses, [column.name for column in source.columns]):
        return Judged(obstacles=(CannotRunGhost(f"gh-ost misreads the statement: {wrong}", table=table),))
    try:
        shadow, computed = await _made(session, schema, table, trial, alter, zero_dates=asked.zero_dates)
    except StatementFailed as error:
        return Judged(
            obstacles=(
                CannotRunGhost(
                    f"MySQL refuses the change on a table made by CREATE TABLE … LIKE, as gh-ost's is: {error.message}",
                    hint="constraints have other names there; " + USE_VITESS,
                    table=table,
                ),
            )
        )
    return _judged(source, shadow, clauses, computed)


async def _made(
    session: Session, schema: str, table: str, trial: str, alter: str, *, zero_dates: bool
) -> tuple[Table, frozenset[str]]:
    """The new table, and its columns whose default is computed of others."""
    try:
        await session.execute(f"CREATE TABLE {identifier(trial)} LIKE {identifier(table)}")
        await as_users_do(session, zero_dates=zero_dates)
        await session.execute(f"ALTER TABLE {identifier(trial)} {alter}")
        shadow = await read_table(session, schema, trial)
        computed = frozenset(str(row["name"]) for row in await session.query(_DEFAULTS, (schema, trial)))
    finally:
        await session.execute(f"DROP TABLE IF EXISTS {identifier(trial)}")
    assert shadow is not None, "it has just been made"
    return shadow, computed


def _clauses(table: str, clauses: Sequence[Clause], alter: str) -> list[AlterdError]:
    found: list[AlterdError] = [
        CannotRunGhost(
            f"{clause.kind.replace('_', ' ').upper()} cannot be run by gh-ost: {_REFUSED[clause.kind][0]}",
            hint=_REFUSED[clause.kind][1],
            table=table,
        )
        for clause in clauses
        if clause.kind in _REFUSED
    ]
    if not alter:
        found.append(CannotRunGhost("nothing is changed: gh-ost takes no empty statement", hint=USE_MYSQL, table=table))
    return found


def _judged(source: Table, shadow: Table, clauses: Sequence[Clause], computed: frozenset[str]) -> Judged:
    table, renamed = source.name, as_it_is(clauses).renamed
    found = [
        *key_obstacles(source, shadow),
        *value_obstacles(source, shadow, renamed),
        *added_obstacles(source, shadow, renamed, computed),
    ]
    if shadow.column(_DOC_ID) is not None and any(each.type == "FULLTEXT" for each in shadow.indexes):
        why = f"{table} numbers the documents of its FULLTEXT index in a column {_DOC_ID} of its own: InnoDB takes such"
        found.append((f"{why} rows in the order of their numbers only", USE_MYSQL))
    for which, each in (("is", source), ("becomes", shadow)):
        if each.engine != "innodb":
            why = f"{table} {which} a table of the engine {each.engine}: only InnoDB keeps transactions"
            found.append((why, USE_MYSQL))
    told = [
        f"{column.name} is JSON: what is written while gh-ost runs is stored anew from its text, so numbers and times"
        " within may change their type"
        for column in source.columns
        if column.data_type == "json" and shadow.column(column.name) is not None
    ]
    return Judged(
        obstacles=tuple(CannotRunGhost(message, hint=hint, table=table) for message, hint in found),
        warnings=tuple(told),
    )
