"""Keys as bytes: in the order of their values, and back to what they were made of."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alterd_vitess.keys import SUPPORTED, Key, KeyColumn

BITS = {"tinyint": 8, "smallint": 16, "mediumint": 24, "int": 32, "bigint": 64}

UNITS = [10**6, 10**5, 10**4, 1000, 100, 10, 1]

Cell = tuple[Any, Any]
"""What is selected, and what Python compares."""


def key(*columns: KeyColumn) -> Key:
    return Key(name="k", columns=columns)


def truncated(micros: int, fsp: int) -> int:
    return micros // UNITS[fsp] * UNITS[fsp]


def fraction(micros: int, fsp: int) -> str:
    return f".{micros:06}"[: 1 + fsp] if fsp else ""


@st.composite
def integers(draw: st.DrawFn) -> tuple[KeyColumn, list[Cell]]:
    kind, unsigned = draw(st.sampled_from(list(BITS))), draw(st.booleans())
    low, high = (0, 2 ** BITS[kind] - 1) if unsigned else (-(2 ** (BITS[kind] - 1)), 2 ** (BITS[kind] - 1) - 1)
    numbers = draw(
        st.lists(st.integers(low, high) | st.sampled_from([low, high, max(low, -1), 0, 1]), min_size=2, max_size=8)
    )
    return KeyColumn(name="c", data_type=kind, unsigned=unsigned), [(number, number) for number in numbers]


@st.composite
def years(draw: st.DrawFn) -> tuple[KeyColumn, list[Cell]]:
    found = draw(st.lists(st.integers(1901, 2155) | st.just(0), min_size=2, max_size=8))
    return KeyColumn(name="c", data_type="year"), [(year, year) for year in found]


@st.composite
def decimals(draw: st.DrawFn) -> tuple[KeyColumn, list[Cell]]:
    precision = draw(st.integers(1, 65))
    scale = draw(st.integers(0, min(30, precision)))
    most = 10**precision - 1
    found = draw(st.lists(st.integers(-most, most) | st.sampled_from([most, -most, 0, 1, -1]), min_size=2, max_size=8))
    # not scaleb: the context's precision would round
    cells = [Decimal((int(number < 0), tuple(map(int, str(abs(number)))), -scale)) for number in found]
    return KeyColumn(name="c", data_type="decimal", precision=precision, scale=scale), [(cell, cell) for cell in cells]


@st.composite
def dates(draw: st.DrawFn) -> tuple[KeyColumn, list[Cell]]:
    part = st.tuples(st.integers(0, 9999), st.integers(0, 12), st.integers(0, 31))
    found = draw(st.lists(part | st.just((0, 0, 0)), min_size=2, max_size=8))
    return KeyColumn(name="c", data_type="date"), [("{:04}-{:02}-{:02}".format(*date), date) for date in found]


@st.composite
def datetimes(draw: st.DrawFn) -> tuple[KeyColumn, list[Cell]]:
    fsp = draw(st.integers(0, 6))
    column = KeyColumn(name="c", data_type="datetime", fsp=fsp)
    parts = st.tuples(
        *(st.integers(0, most) for most in (9999, 12, 31, 23, 59, 59)),
        st.integers(0, 999_999).map(lambda micros: truncated(micros, fsp)),
    )
    cells: list[Cell] = []
    for found in draw(st.lists(parts, min_size=2, max_size=8)):
        text = "{:04}-{:02}-{:02} {:02}:{:02}:{:02}".format(*found[:6]) + fraction(found[6], fsp)
        cells.append((text, found))
    return column, cells


@st.composite
def timestamps(draw: st.DrawFn) -> tuple[KeyColumn, list[Cell]]:
    fsp = draw(st.integers(0, 6))
    micros = st.integers(0, 2**31 * 10**6 - 1).map(lambda value: truncated(value, fsp))
    found = draw(st.lists(micros | st.just(0), min_size=2, max_size=8))
    return KeyColumn(name="c", data_type="timestamp", fsp=fsp), [(Decimal(value) / 10**6, value) for value in found]


@st.composite
def times(draw: st.DrawFn) -> tuple[KeyColumn, list[Cell]]:
    fsp = draw(st.integers(0, 6))
    most = (838 * 3600 + 59 * 60 + 59) * 10**6
    cells: list[Cell] = []
    for size, negative in draw(st.lists(st.tuples(st.integers(0, most), st.booleans()), min_size=2, max_size=8)):
        micros = truncated(size, fsp)
        seconds = micros // 10**6
        text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}{fraction(micros % 10**6, fsp)}"
        cells.append(("-" * (negative and micros > 0) + text, -micros if negative else micros))
    return KeyColumn(name="c", data_type="time", fsp=fsp), cells


@st.composite
def binaries(draw: st.DrawFn) -> tuple[KeyColumn, list[Cell]]:
    kind, length = draw(st.sampled_from(["binary", "varbinary"])), draw(st.integers(1, 12))
    values = st.lists(st.sampled_from([0, 1, 0x7F, 0xFE, 0xFF]), max_size=length).map(bytes)
    found = draw(st.lists(values | st.binary(max_size=length), min_size=2, max_size=8))
    cells = [(value, value.ljust(length, b"\0") if kind == "binary" else value) for value in found]
    return KeyColumn(name="c", data_type=kind, length=length), cells


FAMILIES = [integers(), years(), decimals(), dates(), datetimes(), timestamps(), times(), binaries()]
any_column = st.one_of(FAMILIES)


@pytest.mark.parametrize("family", FAMILIES, ids=str)
def test_the_order_of_bytes_is_the_order_of_values(family: st.SearchStrategy[tuple[KeyColumn, list[Cell]]]) -> None:
    @given(family)
    def check(found: tuple[KeyColumn, list[Cell]]) -> None:
        column, cells = found
        made = [(key(column).of_row([shown]), value) for shown, value in cells]
        assert all(piece > b"" for piece, _ in made)
        for left, value in made:
            for right, other in made:
                assert (left < right, left == right) == (value < other, value == other)

    check()


@given(st.lists(any_column, min_size=2, max_size=3))
def test_columns_count_one_after_the_other(parts: list[tuple[KeyColumn, list[Cell]]]) -> None:
    columns = [column for column, _ in parts]
    rows = list(zip(*(cells for _, cells in parts), strict=False))
    rows += [(first[0], *second[1:]) for first, second in pairwise(rows)]
    made = [(key(*columns).of_row([cell[0] for cell in row]), tuple(cell[1] for cell in row)) for row in rows]
    for left, value in made:
        for right, other in made:
            assert (left < right, left == right) == (value < other, value == other)


@given(st.lists(any_column, min_size=1, max_size=3))
def test_a_key_is_told_apart_into_its_values_again(parts: list[tuple[KeyColumn, list[Cell]]]) -> None:
    columns = [column for column, _ in parts]
    for row in zip(*(cells for _, cells in parts), strict=False):
        both = key(*columns)
        single = [
            key(column).literals(key(column).of_row([cell[0]])) for column, cell in zip(columns, row, strict=True)
        ]
        assert both.literals(both.of_row([cell[0] for cell in row])) == sum(single, ())


def column_of(data_type: str, **facts: Any) -> KeyColumn:
    return KeyColumn(name="c", data_type=data_type, **facts)


@pytest.mark.parametrize(
    ("column", "value", "literal", "shown"),
    [
        (column_of("bigint", unsigned=True), 2**64 - 1, "18446744073709551615", "c=18446744073709551615"),
        (column_of("bigint"), -(2**63), "-9223372036854775808", "c=-9223372036854775808"),
        (column_of("year"), 0, "0", "c=0"),
        (column_of("year"), 2155, "2155", "c=2155"),
        (column_of("decimal", precision=5, scale=2), Decimal("-0.50"), "-0.50", "c=-0.50"),
        (column_of("decimal", precision=5, scale=2), Decimal("-0.00"), "0.00", "c=0.00"),
        (column_of("decimal", precision=2, scale=2), Decimal("0.07"), "0.07", "c=0.07"),
        (column_of("decimal", precision=20), Decimal(12), "12", "c=12"),
        (column_of("date"), "0000-00-00", "DATE'0000-00-00'", "c=0000-00-00"),
        (column_of("date"), "9999-12-31", "DATE'9999-12-31'", "c=9999-12-31"),
        (
            column_of("datetime", fsp=3),
            "2020-02-29 23:59:59.007",
            "TIMESTAMP'2020-02-29 23:59:59.007'",
            "c=2020-02-29 23:59:59.007",
        ),
        (column_of("timestamp"), 0, "TIMESTAMP'0000-00-00 00:00:00'", "c=0000-00-00 00:00:00"),
        (
            column_of("timestamp", fsp=1),
            Decimal("2147483647.9"),
            "TIMESTAMP'2038-01-19 03:14:07.9'",
            "c=2038-01-19 03:14:07.9",
        ),
        (column_of("time", fsp=6), "-838:59:59.000001", "TIME'-838:59:59.000001'", "c=-838:59:59.000001"),
        (column_of("time"), "00:00:00", "TIME'00:00:00'", "c=00:00:00"),
        (column_of("binary", length=3), b"\1", "0x010000", "c=0x010000"),
        (column_of("varbinary", length=9), b"", "''", "c=0x"),
        (column_of("varbinary", length=9), b"\0\xff\0\0", "0x00ff0000", "c=0x00ff0000"),
        (column_of("varbinary", length=99), b"\1" * 99, "0x" + "01" * 99, "c=0x" + "01" * 64 + "…"),
    ],
)
def test_values_as_sql_and_as_people_see_them(column: KeyColumn, value: Any, literal: str, shown: str) -> None:
    made = key(column).of_row([value])
    assert key(column).literals(made) == (literal,)
    assert key(column).shown(made) == shown


ID = KeyColumn(name="id", data_type="int")
NAME = KeyColumn(name="n`m", data_type="varbinary", length=8)
AT = KeyColumn(name="at", data_type="timestamp")


def test_what_is_selected_is_bare_and_the_same_in_all_time_zones() -> None:
    assert key(ID, NAME, AT).selected() == "`id`, `n``m`, UNIX_TIMESTAMP(`at`)"
    assert key(KeyColumn(name="d", data_type="date")).selected() == "CAST(`d` AS CHAR)"


def test_conditions_for_some_keys() -> None:
    one, two = key(ID), key(ID, NAME)
    assert one.where_in([one.of_row([5]), one.of_row([-1])]) == "`id` IN (5,-1)"
    keys = [two.of_row([1, b"\0"]), two.of_row([2, b""])]
    assert two.where_in(keys) == "(`id`,`n``m`) IN ((1,0x00),(2,''))"
    assert two.where_in(keys[:1], ["nr", "name"]) == "(`nr`,`name`) IN ((1,0x00))"
    with pytest.raises(ValueError, match="no keys"):
        one.where_in([])
    with pytest.raises(ValueError, match="2 names for 1 columns"):
        one.where_in(keys, ["a", "b"])


def test_conditions_for_a_range() -> None:
    one, two, three = key(ID), key(ID, NAME), key(ID, NAME, AT)
    assert one.where_between(b"", one.of_row([9])) == "`id` <= 9"
    assert one.where_between(one.of_row([-2]), one.of_row([9])) == "`id` > -2 AND `id` <= 9"
    low, high = two.of_row([1, b"\1"]), two.of_row([3, b"\2"])
    assert two.where_between(b"", high) == "(`id` < 3 OR (`id` = 3 AND `n``m` <= 0x02))"
    assert two.where_between(low, high) == (
        "(`id` > 1 OR (`id` = 1 AND `n``m` > 0x01)) AND (`id` < 3 OR (`id` = 3 AND `n``m` <= 0x02))"
    )
    low, high = three.of_row([3, b"", 1]), three.of_row([3, b"\2", 0])
    assert three.where_between(low, high) == (
        "`id` = 3 AND (`n``m` > '' OR (`n``m` = '' AND `at` > TIMESTAMP'1970-01-01 00:00:01'))"
        " AND (`n``m` < 0x02 OR (`n``m` = 0x02 AND `at` <= TIMESTAMP'0000-00-00 00:00:00'))"
    )


def test_the_order() -> None:
    assert key(ID, NAME).order_by() == "`id`, `n``m`"
    assert key(ID, NAME).order_by(descending=True) == "`id` DESC, `n``m` DESC"


@pytest.mark.parametrize(
    ("column", "value"),
    [
        (column_of("tinyint"), 128),
        (column_of("tinyint", unsigned=True), -1),
        (column_of("decimal", precision=3, scale=1), Decimal("0.01")),
        (column_of("decimal", precision=3, scale=1), Decimal("100.0")),
        (column_of("date"), "2020-1-1"),
        (column_of("date"), None),
        (column_of("time"), "1:00:00"),
        (column_of("timestamp"), "2020-01-01 00:00:00"),
        (column_of("binary", length=2), b"123"),
        (column_of("binary", length=2), "12"),
    ],
)
def test_what_is_no_value_of_the_column_is_refused(column: KeyColumn, value: Any) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError)):
        key(column).of_row([value])


def test_keys_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="is no key of k"):
        key(ID).literals(b"\x80\0\0\1\0")
    with pytest.raises(ValueError):  # noqa: PT011 - zip's own
        key(ID, NAME).of_row([1])


def test_types_that_no_key_is_made_of_are_not_supported() -> None:
    assert not SUPPORTED & {"text", "float", "double", "json", "blob", "geometry", "vector"}


def test_texts_say_nothing_of_their_order() -> None:
    name = KeyColumn(name="n", data_type="varchar", length=80, charset="utf8mb4")
    assert key(ID).ordered
    assert not key(name).ordered
    assert not key(ID, name).ordered
    assert not msgspec.structs.replace(key(ID, ID), more=1).ordered
