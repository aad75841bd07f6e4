"""Foreign keys of and to the table: which there are, what speaks against a change, and whether they can be made again.

RENAME takes them along: a child's key follows its parent to the old name. So the swap makes each of them anew for the
new table and drops the old one; `relations` does that. Until then the new table has none: its rows, which may be
older than the table's, must not restrict or follow anybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from alterd_contracts.errors import AlterdError, StatementFailed
from alterd_contracts.strategy import Session
from alterd_runtime.mysql.quoting import identifier, qualified
from alterd_runtime.mysql.scratch import definition
from alterd_runtime.sql import Clause, ClauseKind
from alterd_vitess.errors import CannotRunOnline

FLAG: Final = "--unsafe-allow-foreign-keys"
CHANGES_ROWS: Final = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})
"""Rules by which the parent's change changes rows of the child."""
_CLAUSE: Final = re.compile(r",\n\s+CONSTRAINT `(?:[^`]|``)+` FOREIGN KEY [^\n]*?(?=,?\n)")
_HEAD: Final = re.compile(r"CREATE TABLE `(?:[^`]|``)*`")

_KEYS = """
SELECT r.CONSTRAINT_SCHEMA AS child_schema, r.TABLE_NAME AS child_table, r.CONSTRAINT_NAME AS name,
       r.UNIQUE_CONSTRAINT_SCHEMA AS parent_schema, r.REFERENCED_TABLE_NAME AS parent_table,
       r.DELETE_RULE AS on_delete, r.UPDATE_RULE AS on_update,
       k.COLUMN_NAME AS `column`, k.REFERENCED_COLUMN_NAME AS parent_column
FROM information_schema.REFERENTIAL_CONSTRAINTS r
JOIN information_schema.KEY_COLUMN_USAGE k
  ON k.CONSTRAINT_SCHEMA = r.CONSTRAINT_SCHEMA AND k.CONSTRAINT_NAME = r.CONSTRAINT_NAME
 AND k.TABLE_NAME = r.TABLE_NAME
WHERE (r.CONSTRAINT_SCHEMA = %s AND r.TABLE_NAME = %s)
   OR (r.UNIQUE_CONSTRAINT_SCHEMA = %s AND r.REFERENCED_TABLE_NAME = %s)
ORDER BY r.CONSTRAINT_SCHEMA, r.TABLE_NAME, r.CONSTRAINT_NAME, k.ORDINAL_POSITION
"""
# since 9.6 cascades are the server's own statements and in the binlog, unless it is told to leave them to InnoDB
_CASCADES_LOGGED = """
SELECT COUNT(*) FROM performance_schema.global_variables
WHERE VARIABLE_NAME = 'innodb_native_foreign_keys' AND VARIABLE_VALUE IN ('OFF', '0')
"""

Place = tuple[str, str]
"""A schema and a table."""


class ForeignKey(msgspec.Struct, frozen=True, kw_only=True):
    """One, as the server shows it."""

    name: str
    child: Place
    parent: Place
    columns: tuple[str, ...]
    parent_columns: tuple[str, ...]
    on_delete: str
    on_update: str

    def added(self, name: str, parent: Place | None) -> str:
        """The clause that makes it under another name; `parent` in the session's schema where None is given."""
        there = (
            qualified(*self.parent) if parent is None else qualified(*parent) if parent[0] else identifier(parent[1])
        )
        text = (
            f"ADD CONSTRAINT {identifier(name)} FOREIGN KEY ({_listed(self.columns)})"
            f" REFERENCES {there} ({_listed(self.parent_columns)})"
        )
        for when, rule in (("DELETE", self.on_delete), ("UPDATE", self.on_update)):
            text += f" ON {when} {rule}" if rule != "NO ACTION" else ""
        return text

    def dropped(self) -> str:
        """The clause that drops it."""
        return f"DROP FOREIGN KEY {identifier(self.name)}"

    def __str__(self) -> str:
        return f"{self.name} of {self.child[1]}"


def _listed(columns: Iterable[str]) -> str:
    return ", ".join(identifier(column) for column in columns)


def without_foreign_keys(text: str) -> str:
    """A SHOW CREATE TABLE without them; the indexes that they needed stay."""
    return _CLAUSE.sub("", text)


async def read_foreign_keys(session: Session, schema: str, table: str) -> list[ForeignKey]:
    """Those that the table has, and those of others that reference it."""
    found: dict[tuple[str, str, str], ForeignKey] = {}
    for row in await session.query(_KEYS, (schema, table, schema, table)):
        which = row["child_schema"], row["child_table"], row["name"]
        before = found.get(which)
        found[which] = ForeignKey(
            name=row["name"],
            child=(row["child_schema"], row["child_table"]),
            parent=(row["parent_schema"], row["parent_table"]),
            columns=(*(before.columns if before else ()), row["column"]),
            parent_columns=(*(before.parent_columns if before else ()), row["parent_column"]),
            on_delete=row["on_delete"],
            on_update=row["on_update"],
        )
    return list(found.values())


async def foreign_key_obstacles(session: Session, schema: str, table: str, *, allowed: bool) -> list[AlterdError]:
    """What of them speaks against a change of the table. `allowed`: the flag is given."""
    keys = await read_foreign_keys(session, schema, table)
    if not keys:
        return []
    names = ", ".join(sorted(map(str, keys)))
    if not allowed:
        return [
            CannotRunOnline(
                f"{table} takes part in foreign keys ({names}): they would follow the old table",
                hint=f"use the strategy mysql, drop them, or give {FLAG}: they are made again at the cut-over, "
                "which locks the other tables too",
                table=table,
            )
        ]
    followed = [key for key in keys if key.child == (schema, table) and {key.on_delete, key.on_update} & CHANGES_ROWS]
    if followed and not int(await session.value(_CASCADES_LOGGED)):
        return [
            CannotRunOnline(
                f"changes of other tables change rows of {table} ({', '.join(map(str, followed))}), "
                "and this server does not write that to its binary log",
                hint="use the strategy mysql, or a server from 9.6 on with innodb_native_foreign_keys=OFF",
                table=table,
            )
        ]
    return []


def clause_obstacles(table: str, clauses: Sequence[Clause], keys: Sequence[ForeignKey]) -> list[AlterdError]:
    """An ALTER that makes or drops foreign keys of the table itself. Pure."""
    own = {key.name.lower() for key in keys}
    found: list[AlterdError] = []
    for clause in clauses:
        if clause.kind is ClauseKind.ADD_FOREIGN_KEY:
            found.append(_added(table))
        by_name = clause.kind in {ClauseKind.DROP_CONSTRAINT, ClauseKind.ALTER_CONSTRAINT}
        if clause.kind is ClauseKind.DROP_FOREIGN_KEY or (by_name and clause.name.lower() in own):
            found.append(
                CannotRunOnline(
                    f"a foreign key of {table} is not dropped online",
                    hint="drop it in a statement of its own by the strategy mysql: it takes moments",
                    table=table,
                )
            )
    return found


async def made_by_the_alter(session: Session, schema: str, name: str, table: str) -> list[AlterdError]:
    """Foreign keys that the new table `name` has although none were carried over; errors speak of `table`."""
    keys = [key for key in await read_foreign_keys(session, schema, name) if key.child == (schema, name)]
    return [_added(table)] if keys else []


def _added(table: str) -> CannotRunOnline:
    return CannotRunOnline(
        f"{table} cannot get a foreign key online: nobody would check the rows that it has",
        hint="add it in a statement of its own by the strategy mysql",
        table=table,
    )


async def try_foreign_keys(session: Session, schema: str, table: str, tried: str) -> None:
    """Makes those of `schema.table` for its changed empty copy `tried` in the session's scratch schema, and drops them.

    Raises `CannotRunOnline` with MySQL's word where one cannot be made, as when the ALTER renames its columns.
    """
    other = f"{tried}_2"
    for key in await read_foreign_keys(session, schema, table):
        itself = key.child == key.parent
        far = key.parent if key.child == (schema, table) else key.child
        if not itself:
            text = await definition(session, *far)
            if text is None:
                continue
            await session.execute(
                _HEAD.sub(lambda _: f"CREATE TABLE {identifier(other)}", without_foreign_keys(text), 1)
            )
        child, parent = (tried, other) if key.child == (schema, table) else (other, tried)
        try:
            added = key.added("_alterd_tried_key", ("", tried if itself else parent))
            await session.execute(f"ALTER TABLE {identifier(child)} {added}")
            await session.execute(f"ALTER TABLE {identifier(child)} DROP FOREIGN KEY `_alterd_tried_key`")
        except StatementFailed as error:
            raise CannotRunOnline(
                f"the foreign key {key} could not be made again for the new {table}: {error.message}",
                hint="leave its columns as they are, or drop it before",
                table=table,
            ) from error
        finally:
            await session.execute(f"DROP TABLE IF EXISTS {identifier(other)}")
