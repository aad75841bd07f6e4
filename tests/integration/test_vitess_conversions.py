"""Every pair of types: what the engine's INSERT makes of a value, and what MySQL's own ALTER makes of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest

from alterd_runtime.mysql.tables import Column
from alterd_vitess.errors import CannotRunOnline
from alterd_vitess.reading import read_column
from tests.support.shop import Shop

VALUES: dict[str, tuple[str, ...]] = {
    "TINYINT": ("-5", "0", "100"),
    "INT UNSIGNED": ("0", "2024", "4294967295"),
    "INT(5) ZEROFILL": ("7", "0"),
    "BIGINT": ("-9223372036854775808", "20240101", "70"),
    "DECIMAL(10,2)": ("-1.50", "0", "2.55"),
    "DECIMAL(8,2) ZEROFILL": ("1.5",),
    "FLOAT": ("1.1", "-2.5e10", "16777217", "0.1"),
    "DOUBLE": ("1.1", "1e20", "0.3", "-0.0"),
    "DOUBLE(9,2)": ("1.5",),
    "FLOAT ZEROFILL": ("1.5",),
    "YEAR": ("0", "2024", "1901"),
    "DATE": ("'2024-02-03'", "'0000-00-00'", "'2024-00-00'"),
    "DATETIME": ("'2024-02-03 04:05:06'", "'0000-00-00 00:00:00'"),
    "DATETIME(6)": ("'2024-02-03 04:05:06.999999'", "'2024-02-03 23:59:59.999999'"),
    "TIMESTAMP NULL": ("'2024-02-03 04:05:06'", "'0000-00-00 00:00:00'"),
    "TIMESTAMP(6) NULL": ("'2024-02-03 04:05:06.999999'",),
    "TIME": ("'-01:02:03'", "'838:59:59'", "'00:00:00'"),
    "TIME(3)": ("'-01:02:03.500'", "'10:20:30.999'"),
    "CHAR(10)": ("'a'", "''", "'1'", "'2024'"),
    "VARCHAR(30)": ("'b  '", "'2024-01-02'", "'12'", "'x'", "'{}'", "'1.5'", "'😀'"),
    "VARCHAR(30) CHARACTER SET latin1": ("'é'", "'x '"),
    "BINARY(4)": ("'ab'", "x'00'", "'12'"),
    "VARBINARY(20)": ("'ab'", "x'ff00'", "x''", "'12'"),
    "TEXT": ("'abc'", "'12'", "' 12'"),
    "BLOB": ("'abc'", "x'ff'"),
    "ENUM('x','y','2')": ("'x'", "'2'", "0"),
    "SET('x','y','z')": ("'x,z'", "0", "'y'"),
    "BIT(1)": ("0", "1"),
    "BIT(12)": ("65", "2049", "0"),
    "JSON": ("'{\"a\": 1}'", "'12'", "'\"x\"'", "'null'", "'1.50'"),
    "POINT": ("POINT(1, 2)",),
}
TARGETS = (
    *("TINYINT", "TINYINT UNSIGNED", "INT", "BIGINT UNSIGNED", "INT(5) ZEROFILL", "DECIMAL(10,2)", "DECIMAL(10,1)"),
    *("FLOAT", "DOUBLE", "YEAR", "DATE", "DATETIME", "DATETIME(3)", "TIMESTAMP NULL", "TIMESTAMP(3) NULL", "TIME"),
    *("TIME(2)", "CHAR(30)", "VARCHAR(40)", "VARCHAR(40) CHARACTER SET utf16", "VARCHAR(40) CHARACTER SET latin1"),
    *("BINARY(30)", "VARBINARY(40)", "TEXT", "BLOB", "ENUM('y','x','2')", "SET('z','y','x')", "BIT(12)", "BIT(64)"),
    *("JSON", "GEOMETRY"),
)
LOUD = {1265}
"""INT 0 to ENUM: the ALTER makes it the value without a label, the copy fails and names the row."""
QUICK = ("FLOAT", "INT(5) ZEROFILL", "YEAR", "CHAR(10)", "ENUM('x','y','2')", "TIMESTAMP NULL")
EXACT = "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO"


def column(declared: str) -> Column:
    """As far as `read_column` looks."""
    kind = declared.lower().replace("(", " ").split()[0]
    return Column(
        name="c",
        data_type=kind,
        column_type=declared.lower(),
        declared=declared,
        nullable=True,
        has_default=False,
        expression="",
        auto_increment=False,
        length=0,
        precision=0,
        scale=0,
        fsp=0,
        charset="",
        collation="",
    )


@contextlib.contextmanager
def place(shop: Shop) -> Iterator[Any]:
    with shop.session() as connection, connection.cursor() as cursor:
        yield cursor


def tried(cursor: Any, sql: str) -> int:
    """MySQL's error, 0 for none."""
    try:
        cursor.execute(sql)
    except pymysql.MySQLError as error:
        return int(error.args[0])
    return 0


def held(cursor: Any, table: str) -> Any:
    cursor.execute(f"SELECT HEX(CAST(c AS BINARY)), HEX(c) FROM {table}")
    return cursor.fetchall()


def differences(shop: Shop, kind: str) -> list[str]:
    found = []
    with place(shop) as cursor:
        for value in VALUES[kind]:
            cursor.execute("SET SESSION sql_mode = ''")
            cursor.execute("DROP TABLE IF EXISTS s")
            cursor.execute(f"CREATE TABLE s (c {kind})")
            cursor.execute(f"INSERT INTO s VALUES ({value})")
            for target in TARGETS:
                try:
                    expression = read_column(column(kind), column(target))
                except CannotRunOnline:
                    continue
                cursor.execute("SET SESSION sql_mode = ''")
                cursor.execute("DROP TABLE IF EXISTS a, b")
                cursor.execute("CREATE TABLE a AS SELECT * FROM s")
                cursor.execute(f"CREATE TABLE b (c {target})")
                cursor.execute(f"SET SESSION sql_mode = '{EXACT}'")
                by_alter = tried(cursor, f"ALTER TABLE a MODIFY c {target}, ALGORITHM=COPY")
                by_insert = tried(cursor, f"INSERT INTO b SELECT {expression} FROM s")
                if by_insert and (by_alter or by_insert in LOUD):
                    continue
                same = not by_alter and not by_insert and held(cursor, "a") == held(cursor, "b")
                if not same:
                    found.append(f"{kind} {value} to {target}: ALTER says {by_alter}, INSERT {by_insert}")
    return found


@pytest.mark.parametrize(
    "kind", [kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in VALUES]
)
def test_insert_converts_as_alter_does(shop: Shop, kind: str) -> None:
    assert differences(shop, kind) == []
