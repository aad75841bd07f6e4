"""What the tool cannot do, or would do to the rows' harm; each with its remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from alterd_contracts.errors import AlterdError, MissingPrivilege
from alterd_contracts.strategy import Session
from alterd_ptosc.errors import NothingForPtOsc
from alterd_ptosc.server import Server
from alterd_runtime.mysql import grants
from alterd_runtime.mysql.quoting import identifier
from alterd_runtime.mysql.tables import Column, Index, Table
from alterd_runtime.sql import Clause, ClauseKind, split_alter
from alterd_vitess.reading import read_column
from alterd_vitess.shapes import shape_obstacles as online_obstacles

GENERATED_SINCE = (3, 7)
"""Of older ones 3.2.1 was seen to write to generated columns, its triggers too."""
_TRIGGERS = """
SELECT TRIGGER_NAME AS name FROM information_schema.TRIGGERS
WHERE EVENT_OBJECT_SCHEMA = %s AND EVENT_OBJECT_TABLE = %s ORDER BY TRIGGER_NAME
"""
_CHILDREN = """
SELECT CONSTRAINT_SCHEMA AS `schema`, TABLE_NAME AS `table`, CONSTRAINT_NAME AS `name`
FROM information_schema.REFERENTIAL_CONSTRAINTS
WHERE UNIQUE_CONSTRAINT_SCHEMA = %s AND REFERENCED_TABLE_NAME = %s ORDER BY 1, 2, 3
"""


def expected_renames(sql: str) -> dict[str, str]:
    """Columns that an ALTER gives another name, in lower case: the tool must see the same ones. Pure."""
    return renamed(split_alter(sql).clauses)


def renamed(clauses: Sequence[Clause]) -> dict[str, str]:
    """The same of clauses."""
    return {
        clause.name.lower(): clause.new_name.lower()
        for clause in clauses
        if clause.kind in (ClauseKind.CHANGE_COLUMN, ClauseKind.RENAME_COLUMN)
        and clause.name.lower() != clause.new_name.lower()
    }


def sets_counter(sql: str) -> bool:
    """Whether an ALTER says itself where AUTO_INCREMENT goes on; its word goes before the table's. Pure."""
    return any("AUTO_INCREMENT" in clause.text.upper() for clause in split_alter(sql).of(ClauseKind.OPTIONS))


async def server_obstacles(session: Session, server: Server, schema: str) -> list[AlterdError]:
    """What alterd's account lacks to make one for the tool."""
    held = await grants.read_grants(session)
    wanted = grants.for_accounts("pt-osc")
    found: list[AlterdError] = list(grants.errors(held.lacking(wanted, schema), schema, held.account))
    if server.needs_super and not held.has("SUPER", "*"):
        found.append(
            MissingPrivilege(
                f"the account {held.account} has no SUPER on *.*, without which MySQL makes no triggers beside a "
                "binary log",
                hint="SET PERSIST log_bin_trust_function_creators = ON; or grant SUPER",
                privilege="SUPER",
            )
        )
    return found


async def table_obstacles(session: Session, schema: str, table: str) -> list[AlterdError]:
    """What hangs on the real table."""
    found: list[AlterdError] = []
    if rows := await session.query(_TRIGGERS, (schema, table)):
        names = ", ".join(row["name"] for row in rows)
        found.append(
            _nothing(table, f"{table} has triggers of its own ({names}): a swap would leave it without", "drop them")
        )
    if rows := await session.query(_CHILDREN, (schema, table)):
        names = ", ".join(f"{row['name']} of {row['schema']}.{row['table']}" for row in rows)
        found.append(
            _nothing(
                table,
                f"foreign keys refer to {table} ({names}): the tool makes them again only after the swap, and a "
                "failure in between would leave them at the old table",
                "use the strategy vitess with --unsafe-allow-foreign-keys, or mysql",
            )
        )
    return found


def clause_obstacles(table: str, clauses: Sequence[Clause]) -> list[AlterdError]:
    """What of the ALTER's text speaks against it. Pure."""
    dropped = {clause.name.lower() for clause in clauses if clause.kind is ClauseKind.DROP_COLUMN}
    added = {clause.name.lower() for clause in clauses if clause.kind is ClauseKind.ADD_COLUMN}
    return [
        _nothing(table, f"the column {name} is dropped and added anew: the tool would keep its old values")
        for name in sorted(dropped & added)
    ]


def shape_obstacles(
    source: Table, new: Table, clauses: Sequence[Clause], version: tuple[int, ...]
) -> list[AlterdError]:
    """What of the tables, before and after the ALTER, speaks against it. Pure."""
    table, renames = source.name, renamed(clauses)
    found: list[AlterdError] = [*online_obstacles(source, new, clauses)]
    if not any(each.unique for each in source.indexes):
        found.append(_nothing(table, f"{table} has no PRIMARY KEY or UNIQUE index", "add one with the strategy mysql"))
    elif not any(_finds_rows(each) for each in new.indexes):
        found.append(_nothing(table, "the new table has no PRIMARY KEY, and no UNIQUE index on columns NOT NULL"))
    found += [
        _nothing(
            table,
            f"the unique index {each.name} is new: the tool copies with INSERT IGNORE, and would leave out rows that "
            "have the same values, without a word",
            "use the strategy vitess, which fails where rows collide",
        )
        for each in new.indexes
        if each.unique and not any(_implies(old, each, renames) for old in source.indexes)
    ]
    filled = {renames.get(column.name.lower(), column.name.lower()) for column in source.columns}
    found += [
        _nothing(table, f"the new column {column.name} is NOT NULL and has no default", "give it a DEFAULT")
        for column in new.columns
        if column.name.lower() not in filled and _needs_value(column)
    ]
    found += _conversions(source, new, renames)
    keyed = {name.lower() for each in source.indexes if each.unique for name in each.columns}
    found += [
        _nothing(
            table, f"{name} is in a unique key: the tool's triggers would look for it by the wrong one of its names"
        )
        for name in sorted(keyed & set(renames))
    ]
    found += [
        _nothing(table, f"{column.name} is generated and becomes an ordinary column: the tool does not copy its values")
        for column in source.columns
        if column.generated
        and (target := new.column(renames.get(column.name.lower(), column.name))) is not None
        and not target.generated
    ]
    if version < GENERATED_SINCE:
        found += [
            _nothing(
                table,
                f"{table} has the generated column {column.name}, to which this version of the tool writes",
                "install 3.7 or newer, or use the strategy vitess",
            )
            for column in source.columns
            if column.generated and new.column(renames.get(column.name.lower(), column.name)) is not None
        ][:1]
    return found


def _conversions(source: Table, new: Table, renames: Mapping[str, str]) -> list[AlterdError]:
    """Columns whose values a plain INSERT … SELECT makes otherwise than MySQL's own ALTER, in silence."""
    found: list[AlterdError] = []
    for column in source.columns:
        target = new.column(renames.get(column.name.lower(), column.name))
        if target is None or target.generated:
            continue
        try:
            alike = read_column(column, target) == identifier(column.name)
        except AlterdError:
            alike = False
        if not alike:
            found.append(
                _nothing(
                    source.name,
                    f"{column.name} changes from {column.column_type} to {target.column_type}: a copy by INSERT would "
                    "make other values of some than MySQL's own ALTER",
                )
            )
    return found


def _finds_rows(index: Index) -> bool:
    return index.unique and not index.nullable and not index.prefix and not index.has_expression


def _implies(old: Index, new: Index, renames: Mapping[str, str]) -> bool:
    """Whether rows that differ in the old index's columns differ in the new one's. Collations are not looked at."""
    if not old.unique:
        return False
    columns = [renames.get(name.lower(), name.lower()) for name in old.columns]
    mine = {name.lower(): what for name, what in zip(new.columns, _whole(new), strict=True)}
    theirs = zip(columns, _whole(old), strict=True)
    return all(name in mine and (mine[name] == what or (name and not mine[name][0])) for name, what in theirs)


def _whole(index: Index) -> list[tuple[int, str]]:
    """Of each column the length that is indexed, 0 for all of it, and the expression."""
    expressions = index.expressions or ("",) * len(index.columns)
    return list(zip(index.parts, expressions, strict=True))


def _needs_value(column: Column) -> bool:
    computed = column.generated or column.auto_increment
    return not computed and not column.nullable and not column.has_default


def _nothing(table: str, why: str, hint: str = "use the strategy vitess or mysql") -> NothingForPtOsc:
    return NothingForPtOsc(f"nothing for pt-online-schema-change: {why}", hint=hint, table=identifier(table))
