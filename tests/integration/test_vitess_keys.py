"""Keys as bytes beside what a real server makes of the same values."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import pytest

from alterd_vitess.keys import SUPPORTED, Key, KeyColumn
from tests.support.shop import Shop

ROWS = 250
TIME_ZONES = ("+00:00", "+14:00", "-11:30")
SQL_MODE = "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO"
_random = random.Random(5)


class Column:
    """A column of a test's table: its definition, and SQL of values for it."""

    def __init__(self, definition: str, values: Sequence[str], **facts: Any) -> None:
        self.definition, self.values, self.facts = definition, values, facts


def integers(kind: str, bits: int, unsigned: bool) -> Column:
    low, high = (0, 2**bits - 1) if unsigned else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    values = {low, low + 1, high - 1, high, 0, 1, *([] if unsigned else [-1])}
    values |= {_random.randint(low, high) for _ in range(20)} | {_random.randint(0, 99) for _ in range(20)}
    definition = f"{kind} UNSIGNED" if unsigned else kind
    return Column(definition, list(map(str, values)), data_type=kind, unsigned=unsigned)


def decimals(precision: int, scale: int) -> Column:
    digits = ["9" * precision, "0", "1", *(str(_random.randrange(10**precision)) for _ in range(30))]
    values = []
    for text in (found.rjust(precision, "0") for found in digits):
        whole, part = text[: precision - scale] or "0", text[precision - scale :]
        values += [f"{sign}{whole}.{part}0" for sign in ("", "-")]
    return Column(f"decimal({precision},{scale})", values, data_type="decimal", precision=precision, scale=scale)


def micros(fsp: int) -> str:
    return f".{_random.choice([0, 1, 999_999, _random.randrange(10**6)]):06}"[: 1 + fsp] if fsp else ""


def datetimes(fsp: int) -> Column:
    days = ["0000-00-00 00:00:00", "1000-01-01 00:00:00", "9999-12-31 23:59:59", "2020-00-00 10:00:00"]
    days += [f"{_random.randint(1, 9999):04}-{_random.randint(1, 12):02}-28 0{hour}:59:0{hour}" for hour in range(10)]
    values = [f"'{day}{micros(fsp)}'" for day in days * 4]
    return Column(f"datetime({fsp})", values, data_type="datetime", fsp=fsp)


def timestamps(fsp: int) -> Column:
    seconds = [1, 2**31 - 1, *(_random.randrange(1, 2**31) for _ in range(30))]
    values = [f"FROM_UNIXTIME({second}{micros(fsp)})" for second in seconds]
    return Column(f"timestamp({fsp})", [*values, "'0000-00-00'"], data_type="timestamp", fsp=fsp)


def times(fsp: int) -> Column:
    sizes = ["838:59:58", "00:00:00", "00:00:01", "100:00:00", *(f"{hour}:59:59" for hour in range(10, 30))]
    values = [f"'{sign}{size}{micros(fsp)}'" for size in sizes for sign in ("", "-")]
    return Column(f"time({fsp})", values, data_type="time", fsp=fsp)


def dates() -> Column:
    days = ["0000-00-00", "0001-01-01", "9999-12-31", "2020-00-00", "2020-02-00", "1999-12-31"]
    days += [f"{_random.randint(1, 9999):04}-{_random.randint(1, 12):02}-{_random.randint(1, 28):02}" for _ in days * 5]
    return Column("date", [f"'{day}'" for day in days], data_type="date")


def binaries(kind: str, length: int) -> Column:
    letters = [0, 0, 1, 0x20, 0x61, 0x41, 0xFF]
    values = {bytes(_random.choices(letters, k=_random.randint(1, length))) for _ in range(40)}
    values |= {b"\0", b"\0\xff", b"\xff", b"\xff" * length, b"a", b"a\0"}
    return Column(f"{kind}({length})", [*(f"0x{value.hex()}" for value in values), "''"], data_type=kind, length=length)


SINGLE: dict[str, Column] = {
    f"{kind}{' unsigned' * unsigned}": integers(kind, bits, unsigned)
    for kind, bits in {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}.items()
    for unsigned in (False, True)
}
SINGLE |= {f"decimal({p},{s})": decimals(p, s) for p, s in [(1, 0), (5, 2), (2, 2), (30, 9), (65, 30)]}
SINGLE |= {f"datetime({fsp})": datetimes(fsp) for fsp in (0, 3, 6)}
SINGLE |= {f"timestamp({fsp})": timestamps(fsp) for fsp in (0, 1, 6)}
SINGLE |= {f"time({fsp})": times(fsp) for fsp in (0, 1, 2, 3, 4, 5, 6)}
SINGLE |= {"date": dates(), "binary": binaries("binary", 4), "varbinary": binaries("varbinary", 6)}
SINGLE |= {"year": Column("year", ["0", "1901", "2155", *map(str, range(1970, 2030, 3))], data_type="year")}

OTHERS = {"char", "varchar", "enum", "set", "bit"}
"""Whole changes run by such keys: the shapes of `tests/support/writers.py`."""

FEW = Column("int", [str(number) for number in range(-3, 4)], data_type="int")
COMPOSITE: dict[str, list[Column]] = {
    "int, binary": [FEW, SINGLE["binary"]],
    "varbinary, int": [SINGLE["varbinary"], FEW],
    "varbinary, varbinary, decimal": [SINGLE["varbinary"], binaries("varbinary", 2), SINGLE["decimal(5,2)"]],
    "int, time, bigint unsigned": [FEW, SINGLE["time(3)"], SINGLE["bigint unsigned"]],
    "date, timestamp": [SINGLE["date"], SINGLE["timestamp(6)"]],
    "year, datetime, tinyint, int": [SINGLE["year"], SINGLE["datetime(6)"], SINGLE["tinyint"], FEW],
}
CASES = {name: [column] for name, column in SINGLE.items()} | COMPOSITE


class Table:
    """A table ``t`` with the key, filled with random rows."""

    def __init__(self, connection: Any, columns: Sequence[Column]) -> None:
        self._connection = connection
        names = [f"k{number}" for number in range(len(columns))]
        self.key = Key(
            name="PRIMARY",
            columns=tuple(KeyColumn(name=name, **column.facts) for name, column in zip(names, columns, strict=True)),
        )
        definitions = ", ".join(f"{n} {column.definition} NOT NULL" for n, column in zip(names, columns, strict=True))
        self.run("DROP TABLE IF EXISTS t")
        self.run(f"CREATE TABLE t (v int DEFAULT 1, {definitions}, PRIMARY KEY ({', '.join(names)}))")
        rows = [[_random.choice(column.values) for column in columns] for _ in range(ROWS)]
        if len(columns) == 1:
            rows = [[value] for value in columns[0].values]
        values = ", ".join(f"({', '.join(row)})" for row in rows)
        self.run(f"INSERT IGNORE INTO t ({', '.join(names)}) VALUES {values}")
        self.run("ANALYZE TABLE t")

    def run(self, sql: str) -> Any:
        with self._connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def keys(self, rest: str = "") -> list[bytes]:
        return [self.key.of_row(row) for row in self.run(f"SELECT {self.key.selected()} FROM t {rest}")]

    def reads(self, sql: str) -> int:
        """Rows and index entries that the server looked at."""
        self.run("FLUSH STATUS")
        self.run(sql)
        return sum(int(value) for _, value in self.run("SHOW SESSION STATUS LIKE 'Handler_read%'"))


@pytest.fixture(scope="module")
def place(mysql_primary: Shop) -> Iterator[Shop]:
    """A schema for all tests here, one after the other."""
    with mysql_primary.fresh() as fresh:
        yield fresh


@contextmanager
def table(place: Shop, columns: Sequence[Column]) -> Iterator[Table]:
    with place.session() as connection:
        with connection.cursor() as cursor:
            cursor.execute("SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO', time_zone = '+05:30'")
        made = Table(connection, columns)
        made.run(f"SET SESSION sql_mode = '{SQL_MODE}', time_zone = '+00:00'")
        yield made


def test_every_supported_type_is_tried() -> None:
    tried = {column.facts["data_type"] for column in SINGLE.values()}
    assert tried | OTHERS == SUPPORTED
    assert not tried & OTHERS


@pytest.mark.parametrize("columns", CASES.values(), ids=CASES.keys())
def test_order_and_conditions_are_the_servers(place: Shop, columns: list[Column]) -> None:
    with table(place, columns) as made:
        key = made.key
        every = made.keys(f"ORDER BY {key.order_by()}")
        assert len(every) == made.run("SELECT COUNT(*) FROM t")[0][0] > 5
        assert all(left < right for left, right in pairwise(every))
        assert made.keys(f"ORDER BY {key.order_by(descending=True)}") == every[::-1]

        for one in every:
            assert made.keys(f"WHERE {key.where_in([one])}") == [one], key.shown(one)
        some = sorted(_random.sample(every, len(every) // 3))
        assert sorted(made.keys(f"WHERE {key.where_in(some)}")) == some

        cuts = sorted(_random.sample(every[:-1], min(7, len(every) - 2)))
        parts = [
            made.keys(f"WHERE {key.where_between(low, high)}")
            for low, high in zip([b"", *cuts], [*cuts, every[-1]], strict=True)
        ]
        assert sorted(one for part in parts for one in part) == every
        for low, high, part in zip([b"", *cuts], [*cuts, every[-1]], parts, strict=True):
            assert sorted(part) == [one for one in every if low < one <= high]


@pytest.mark.parametrize("columns", COMPOSITE.values(), ids=COMPOSITE.keys())
def test_ranges_of_composite_keys_are_read_by_range(place: Shop, columns: list[Column]) -> None:
    with table(place, columns) as made:
        every = made.keys(f"ORDER BY {made.key.order_by()}")
        third = len(every) // 3
        for low, high in [(b"", every[third]), (every[third], every[-third]), (every[third], every[third + 1])]:
            select = f"SELECT v FROM t FORCE INDEX (PRIMARY) WHERE {made.key.where_between(low, high)}"
            assert made.run(f"EXPLAIN FORMAT=TRADITIONAL {select}")[0][4] in ("range", "const")
            wanted = sum(low < one <= high for one in every)
            assert made.reads(select) <= wanted + 2 * len(columns) + 2
        select = f"SELECT v FROM t WHERE {made.key.where_in(every[third : third + 10])}"
        assert made.reads(select) <= 2 * 10


@pytest.mark.parametrize("name", ["timestamp(0)", "timestamp(6)", "datetime(6)", "date, timestamp"])
def test_keys_are_the_same_in_every_time_zone(place: Shop, name: str) -> None:
    with table(place, CASES[name]) as made:
        seen = []
        for zone in TIME_ZONES:
            made.run(f"SET SESSION time_zone = '{zone}'")
            seen.append(made.keys(f"ORDER BY {made.key.order_by()}"))
        assert seen[0] == seen[1] == seen[2]


def test_the_same_keys_by_other_names(place: Shop) -> None:
    with table(place, COMPOSITE["int, binary"]) as made:
        every = made.keys()
        made.run("CREATE TEMPORARY TABLE s (a int, b binary(4), PRIMARY KEY (b, a)) SELECT k0 AS a, k1 AS b FROM t")
        condition = made.key.where_in(every[:5], ["a", "b"])
        assert made.run(f"SELECT COUNT(*) FROM s WHERE {condition}")[0][0] == 5
