"""A table as the server describes it: columns and keys."""

from __future__ import annotations

import re

import msgspec

from alterd_contracts.strategy import Session
from alterd_runtime.mysql.quoting import identifier

_COLUMNS = """
SELECT COLUMN_NAME AS `name`, DATA_TYPE AS `data_type`, COLUMN_TYPE AS `column_type`, IS_NULLABLE = 'YES' AS `nullable`,
       COLUMN_DEFAULT IS NOT NULL AS `has_default`, EXTRA AS `extra`, GENERATION_EXPRESSION AS `expression`,
       COALESCE(CHARACTER_OCTET_LENGTH, 0) AS `length`, COALESCE(NUMERIC_PRECISION, 0) AS `precision`,
       COALESCE(NUMERIC_SCALE, 0) AS `scale`, COALESCE(DATETIME_PRECISION, 0) AS `fsp`,
       COALESCE(CHARACTER_SET_NAME, '') AS `charset`, COALESCE(COLLATION_NAME, '') AS `collation`
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION
"""
_INDEXES = """
SELECT INDEX_NAME AS `name`, NON_UNIQUE = 0 AS `unique`, COALESCE(COLUMN_NAME, '') AS `column`,
       COALESCE(SUB_PART, 0) AS `part`, NULLABLE = 'YES' AS `nullable`, IS_VISIBLE = 'YES' AS `visible`,
       INDEX_TYPE AS `type`, COALESCE(EXPRESSION, '') AS `expression`
FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY INDEX_NAME, SEQ_IN_INDEX
"""
_TABLE = """
SELECT ENGINE AS `engine`, COALESCE(TABLE_ROWS, 0) AS `estimate`, CREATE_OPTIONS AS `options`
FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s
"""

_LABEL = re.compile(r"'((?:[^']|'')*)'")


class Column(msgspec.Struct, frozen=True, kw_only=True):
    """One column."""

    name: str
    data_type: str
    """Lower case, without length: ``int``, ``varchar``."""
    column_type: str
    """As written in a definition, in lower case: ``int unsigned``, ``varchar(20)``."""
    declared: str
    """The same as it is written, labels in their own case."""
    nullable: bool
    has_default: bool
    expression: str
    """Of a generated column; empty for others."""
    auto_increment: bool
    length: int
    """Bytes of strings."""
    precision: int
    scale: int
    fsp: int
    charset: str
    collation: str
    labels: tuple[str, ...] = ()
    """Of ENUM and SET."""

    @property
    def unsigned(self) -> bool:
        return "unsigned" in self.column_type

    @property
    def zerofill(self) -> bool:
        return "zerofill" in self.column_type

    @property
    def generated(self) -> bool:
        return bool(self.expression)


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """One index, its columns in order; an expression is an empty name."""

    name: str
    unique: bool
    columns: tuple[str, ...]
    parts: tuple[int, ...]
    """Of each column how much is indexed, in characters or bytes; 0 for the whole."""
    nullable: bool
    visible: bool
    type: str
    expressions: tuple[str, ...] = ()
    """Of each column; empty where it is a column by name. None at all where no one is an expression."""

    @property
    def prefix(self) -> bool:
        """Whether some column is indexed in part."""
        return any(self.parts)

    @property
    def has_expression(self) -> bool:
        return "" in self.columns


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One table."""

    name: str
    engine: str
    partitioned: bool
    estimate: int
    """Rows, as the server guesses."""
    columns: tuple[Column, ...]
    indexes: tuple[Index, ...]

    def column(self, name: str) -> Column | None:
        """The column of that name, in whatever case."""
        return next((each for each in self.columns if each.name.lower() == name.lower()), None)


def _labels(column_type: str) -> tuple[str, ...]:
    if not column_type.lower().startswith(("enum(", "set(")):
        return ()
    return tuple(label.replace("''", "'") for label in _LABEL.findall(column_type))


async def is_empty(session: Session, schema: str, name: str) -> bool:
    """Whether it has no row; a table that is not there yet has none."""
    if not await session.query(_TABLE, (schema, name)):
        return True
    return not await session.query(f"SELECT 1 AS `there` FROM {identifier(schema)}.{identifier(name)} LIMIT 1")


async def read_table(session: Session, schema: str, name: str) -> Table | None:
    """The table as it is now, None where there is none (or a view)."""
    # cached numbers may be a day old
    await session.execute("SET SESSION information_schema_stats_expiry = 0")
    found = await session.query(_TABLE, (schema, name))
    if not found or found[0]["engine"] is None:
        return None
    columns = [
        Column(
            name=row["name"],
            data_type=str(row["data_type"]).lower(),
            column_type=str(row["column_type"]).lower(),
            declared=str(row["column_type"]),
            nullable=bool(row["nullable"]),
            has_default=bool(row["has_default"]),
            expression=row["expression"] or "",
            auto_increment="auto_increment" in row["extra"].lower(),
            length=int(row["length"]),
            precision=int(row["precision"]),
            scale=int(row["scale"]),
            fsp=int(row["fsp"]),
            charset=row["charset"],
            collation=row["collation"],
            labels=_labels(str(row["column_type"])),
        )
        for row in await session.query(_COLUMNS, (schema, name))
    ]
    parts: dict[str, list[dict[str, object]]] = {}
    for row in await session.query(_INDEXES, (schema, name)):
        parts.setdefault(row["name"], []).append(row)
    indexes = [
        Index(
            name=index,
            unique=bool(rows[0]["unique"]),
            columns=tuple(str(row["column"]) for row in rows),
            parts=tuple(int(str(row["part"])) for row in rows),
            nullable=any(row["nullable"] for row in rows),
            visible=bool(rows[0]["visible"]),
            type=str(rows[0]["type"]),
            # as text in which quotes are escaped once more
            expressions=tuple(str(row["expression"]).replace("\\'", "'") for row in rows),
        )
        for index, rows in parts.items()
    ]
    return Table(
        name=name,
        engine=str(found[0]["engine"]).lower(),
        partitioned="partitioned" in str(found[0]["options"]).lower(),
        estimate=int(found[0]["estimate"]),
        columns=tuple(columns),
        indexes=tuple(indexes),
    )
