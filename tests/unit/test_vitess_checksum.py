"""What is summed of which column, and what a difference means."""

from __future__ import annotations

import re
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alterd_runtime.mysql.tables import Column, Index, Table
from alterd_vitess.checksum.checks import index_for
from alterd_vitess.checksum.differing import Differences, judged
from alterd_vitess.checksum.forms import Form, form_of, written
from alterd_vitess.checksum.parts import Part
from alterd_vitess.checksum.sums import same_form, sums_of
from alterd_vitess.keys import Key, KeyColumn
from alterd_vitess.mapping import Filled, Mapping

CHARSETS = ("", "utf8mb4", "latin1")
TYPES = (
    "tinyint", "int", "bigint unsigned", "int(5) unsigned zerofill", "decimal(10,2)", "decimal(12,2)", "decimal(12,3)",
    "float", "double", "float(7,3)", "bit(1)", "bit(64)", "year", "date", "time", "time(3)", "datetime", "datetime(6)",
    "timestamp", "timestamp(2)", "char(10)", "char(20)", "varchar(10)", "varchar(20)", "tinytext", "text", "longtext",
    "binary(4)", "binary(5)", "varbinary(4)", "varbinary(9)", "blob", "longblob", "enum('a','b')", "enum('b','a')",
    "set('a','b')", "json", "geometry", "point", "vector(3)", "something_new",
)  # fmt: skip
LENGTHS = {"tinytext": 255, "text": 65535, "longtext": 2**32 - 1, "blob": 65535, "longblob": 2**32 - 1}
STRINGS = {"char", "varchar", "tinytext", "text", "longtext", "enum", "set"}


def column(kind: str, *, name: str = "c", nullable: bool = False, charset: str = "utf8mb4") -> Column:
    written_as = re.match(r"(\w+)\(?([^)]*)", kind)
    assert written_as
    data_type, rest = written_as.groups()
    numbers = [int(each) for each in rest.split(",") if each.isdigit()]
    texts = data_type in STRINGS
    return Column(
        name=name,
        data_type=data_type,
        column_type=kind,
        declared=kind,
        nullable=nullable,
        has_default=False,
        expression="",
        auto_increment=False,
        length=LENGTHS.get(data_type, numbers[0] if numbers else 0) * (4 if texts and charset == "utf8mb4" else 1),
        precision=numbers[0] if numbers else 0,
        scale=numbers[1] if len(numbers) > 1 else 0,
        fsp=numbers[0] if numbers and data_type in ("time", "datetime", "timestamp") else 0,
        charset=charset if texts else "",
        collation=f"{charset}_bin" if texts else "",
    )


kinds = st.sampled_from(TYPES)


@given(kinds, st.sampled_from(("utf8mb4", "latin1")))
def test_a_column_that_stays_is_summed_where_it_stands(kind: str, charset: str) -> None:
    same = column(kind, charset=charset)
    assert same_form(same, same) is form_of(same)


@given(kinds, kinds)
def test_another_charset_is_always_converted(old: str, new: str) -> None:
    before, after = column(old, charset="latin1"), column(new)
    if before.charset and after.charset:
        assert same_form(before, after) is None


@given(kinds, kinds)
def test_only_what_reads_the_same_is_summed_without_the_server(old: str, new: str) -> None:
    """Of different types only those that are known to read alike."""
    allowed = {
        *product(("tinyint", "int", "bigint unsigned"), repeat=2),
        *product(("bit(1)", "bit(64)"), repeat=2),
        *product(("decimal(10,2)", "decimal(12,2)"), repeat=2),
        *(("char(10)", new) for new in ("char(20)", "varchar(10)", "varchar(20)", "tinytext", "text", "longtext")),
        *(("char(20)", new) for new in ("varchar(20)", "tinytext", "text", "longtext")),
        *(("varchar(10)", new) for new in ("varchar(20)", "tinytext", "text", "longtext")),
        *(("varchar(20)", new) for new in ("tinytext", "text", "longtext")),
        *(("tinytext", new) for new in ("text", "longtext")),
        ("text", "longtext"),
        *(("varbinary(4)", new) for new in ("varbinary(9)", "blob", "longblob")),
        *(("varbinary(9)", new) for new in ("blob", "longblob")),
        ("blob", "longblob"),
        *((kind, kind) for kind in TYPES),
    }
    assert (same_form(column(old), column(new)) is not None) == ((old, new) in allowed)


@given(kinds, st.booleans())
def test_null_is_told_from_every_value(kind: str, nullable: bool) -> None:
    first, *_ = written(column(kind, nullable=nullable), form_of(column(kind)))
    assert ("'n')" in first) == nullable


@given(st.sampled_from(("char(10)", "varchar(20)", "varbinary(9)", "enum('a','b')")))
def test_strings_stand_behind_their_length(kind: str) -> None:
    parts = written(column(kind), form_of(column(kind)))
    assert parts[:2] == ("LENGTH(`c`)", "CAST(`c` AS BINARY)")


def test_what_may_be_large_is_hashed_by_itself_on_both_sides() -> None:
    assert same_form(column("varchar(20)"), column("text")) is Form.HASHED
    assert form_of(column("json")) is form_of(column("geometry")) is form_of(column("something_new")) is Form.HASHED


def test_floats_and_timestamps_have_all_of_their_bits() -> None:
    assert written(column("float"), form_of(column("float"))) == ("CAST(`c` AS DOUBLE)",)
    assert written(column("timestamp"), form_of(column("timestamp"))) == ("UNIX_TIMESTAMP(`c`)",)


# The whole row -----------------------------------------------------------------------------------------------------


def table(name: str, *columns: Column, indexes: tuple[Index, ...] = ()) -> Table:
    return Table(name=name, engine="innodb", partitioned=False, estimate=0, columns=columns, indexes=indexes)


def mapping(*filled: tuple[str, str], target: str = "id") -> Mapping:
    def key(name: str) -> Key:
        return Key(name="PRIMARY", columns=(KeyColumn(name=name, data_type="int"),))

    return Mapping(
        key=key("id"),
        target=key(target),
        same_key=True,
        located_by=(0,),
        filled=tuple(Filled(name=name, expression=expression) for name, expression in filled),
        unique=(),
        counter="",
    )


def test_a_row_of_kept_columns_is_summed_directly() -> None:
    sums = sums_of(
        table("t", column("int", name="id"), column("varchar(10)", name="a", nullable=True)),
        table("s", column("bigint unsigned", name="nr"), column("varchar(20)", name="b"), column("int", name="new")),
        mapping(("nr", "`id`"), ("b", "`a`"), target="nr"),
    )
    assert sums.direct
    assert sums.source == "CONCAT_WS('#', `id`, IFNULL(LENGTH(`a`), 'n'), CAST(`a` AS BINARY))"
    assert sums.shadow == "CONCAT_WS('#', `nr`, LENGTH(`b`), CAST(`b` AS BINARY))"


@pytest.mark.parametrize("expression", ["`a`", "COALESCE(`a`, 0)"])
def test_one_converted_column_sends_all_through_the_shadows_types(expression: str) -> None:
    sums = sums_of(
        table("t", column("int", name="id"), column("datetime", name="a")),
        table("s", column("int", name="id"), column("date", name="a")),
        mapping(("id", "`id`"), ("a", expression)),
    )
    assert not sums.direct
    assert sums.source == sums.shadow == "CONCAT_WS('#', `id`, `a`)"


def test_a_constant_that_the_alter_gives_is_compared() -> None:
    sums = sums_of(
        table("t", column("int", name="id")),
        table(
            "s",
            column("int", name="id"),
            column("int", name="n"),
            column("text", name="x"),
            column("enum('a')", name="e"),
        ),
        mapping(("id", "`id`"), ("n", "0"), ("x", "''"), ("e", "1")),
    )
    assert sums.direct
    assert sums.source == "CONCAT_WS('#', `id`, 1, 1, 1)"
    assert sums.shadow == (
        "CONCAT_WS('#', `id`, `n` <=> 0, CAST(`x` AS BINARY) <=> CAST('' AS BINARY), CAST(`e` AS UNSIGNED) <=> 1)"
    )


def test_a_key_that_is_generated_in_both_is_a_part_of_the_row() -> None:
    sums = sums_of(
        table("t", column("int", name="id"), column("int", name="a")),
        table("s", column("int", name="id"), column("int", name="a")),
        mapping(("a", "`a`")),
    )
    assert sums.source == "CONCAT_WS('#', `a`, `id`)"


def test_the_shadow_is_read_by_an_index_that_begins_with_the_key() -> None:
    def index(name: str, *columns: str, parts: tuple[int, ...] = (), visible: bool = True) -> Index:
        return Index(
            name=name, unique=False, columns=columns, parts=parts or (0,) * len(columns), nullable=False,
            visible=visible, type="BTREE",
        )  # fmt: skip

    found = table(
        "s",
        indexes=(
            index("hidden", "a", "b", visible=False),
            index("part", "a", "b", parts=(0, 5)),
            index("turned", "b", "a"),
            index("longer", "A", "b", "c"),
            index("PRIMARY", "a", "b"),
        ),
    )
    assert index_for(found, ["a", "b"]) == "PRIMARY"
    assert index_for(found, ["a", "b", "c"]) == "longer"
    assert index_for(found, ["c"]) == ""


def test_parts_without_an_end() -> None:
    key = Key(name="PRIMARY", columns=(KeyColumn(name="id", data_type="tinyint", unsigned=True),))
    assert Part(b"", None).where(key) == "TRUE"
    assert Part(b"\x05", None).where(key) == "NOT (`id` <= 5)"
    assert Part(b"\x05", b"\x09").where(key) == "`id` > 5 AND `id` <= 9"


# Differences -------------------------------------------------------------------------------------------------------

keys = st.frozensets(st.integers(0, 8).map(lambda n: bytes([n])))


@given(keys, keys, keys)
def test_a_difference_is_real_where_nothing_had_touched_the_key(
    asked: frozenset[bytes], differing: frozenset[bytes], touched: frozenset[bytes]
) -> None:
    verdict = judged(asked, differing, touched)
    assert verdict.real == {key for key in differing if key in asked and key not in touched}
    assert verdict.hot == differing - verdict.real


@given(st.lists(st.tuples(keys, keys, keys), max_size=12))
def test_a_key_is_closed_only_by_being_found_equal_and_repaired_once(
    rounds: list[tuple[frozenset[bytes], frozenset[bytes], frozenset[bytes]]],
) -> None:
    differences = Differences()
    mended: set[bytes] = set()
    for suspects, differing, touched in rounds:
        differences.suspect(suspects)
        asked = frozenset(differences.open)
        verdict = judged(asked, differing, touched)
        differences.compared(asked, verdict)
        assert differences.open == differing
        assert set(differences.again) == verdict.real & mended
        if differences.again:
            return
        assert differences.known == verdict.real
        differences.mended(sorted(differences.known))
        mended |= verdict.real
        assert not differences.known
        assert set(differences.repaired) == mended


def test_what_is_found_meanwhile_stays_open() -> None:
    differences = Differences()
    differences.suspect([b"1"])
    asked = frozenset(differences.open)
    differences.suspect([b"2"])
    differences.compared(asked, judged(asked, frozenset(), frozenset()))
    assert differences.open == {b"2"}
