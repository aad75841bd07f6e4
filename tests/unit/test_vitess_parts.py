"""The engine's pure parts."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alterd_runtime.sql import split_alter
from alterd_vitess.completing import LONGEST_BACK_OFF, back_off
from alterd_vitess.errors import CannotRunOnline
from alterd_vitess.gtid import GtidSet
from alterd_vitess.mapping import Mapping, map_tables, shared_columns
from alterd_vitess.positions import Positions
from alterd_vitess.ranges import CopyPlan, Range, merged
from alterd_vitess.servo import SMALLEST, next_size
from alterd_vitess.shadow import renamed, retargeted
from alterd_vitess.statements import Statements
from alterd_vitess.tables import Column, Index, Table
from alterd_vitess.touched import Touched
from alterd_vitess.typed import typed_copy

SID = "3e11fa47-71ca-11e1-9e33-c80aa9429562"


def column(name: str, kind: str = "int", **more: object) -> Column:
    values: dict[str, object] = {
        "name": name,
        "data_type": kind.split(maxsplit=1)[0].split("(", maxsplit=1)[0],
        "column_type": kind,
        "nullable": False,
        "has_default": False,
        "generated": False,
        "auto_increment": False,
        "length": 0,
        "precision": 0,
        "scale": 0,
        "fsp": 0,
        "collation": "",
    }
    return Column(**{**values, **more})  # type: ignore[arg-type]


def index(name: str, *columns: str, unique: bool = True, **more: object) -> Index:
    values: dict[str, object] = {
        "name": name,
        "unique": unique,
        "columns": columns,
        "parts": (0,) * len(columns),
        "nullable": False,
        "visible": True,
        "type": "BTREE",
    }
    return Index(**{**values, **more})  # type: ignore[arg-type]


def table(columns: list[Column], indexes: list[Index], name: str = "t") -> Table:
    return Table(
        name=name, engine="innodb", partitioned=False, estimate=0, columns=tuple(columns), indexes=tuple(indexes)
    )


def mapped(source: Table, shadow: Table, alter: str) -> Mapping:
    return map_tables(source, shadow, split_alter(f"ALTER TABLE t {alter}").clauses)


# The copy's plan -----------------------------------------------------------------------------------------------------

keys = st.binary(min_size=1, max_size=2)
ranges = st.tuples(st.binary(max_size=2), keys).filter(lambda pair: pair[0] < pair[1]).map(lambda pair: Range(*pair))


@given(end=keys, copied=st.lists(ranges, max_size=5), probes=st.lists(keys, max_size=20))
def test_what_is_not_copied_is_pending(end: bytes, copied: list[Range], probes: list[bytes]) -> None:
    copied = [each for each in copied if each.high <= end]
    plan = CopyPlan(end, copied)
    for key in probes:
        done = key > end or any(key in each for each in copied)
        assert plan.ahead(key) is not done


@given(end=keys, cuts=st.lists(keys, max_size=8))
def test_chunks_cover_the_plan_once(end: bytes, cuts: list[bytes]) -> None:
    plan = CopyPlan(end)
    chunks = [plan.dispatch(cut) for cut in [*sorted(cuts), end] if plan.pending and plan.pending[0].low < cut <= end]
    assert merged(chunks) == [Range(b"", end)]
    assert all(before.high == after.low for before, after in itertools.pairwise(chunks))
    for chunk in chunks:
        plan.committed(chunk)
    assert plan.finished


def test_an_empty_table_has_nothing_to_copy() -> None:
    plan = CopyPlan(b"")
    assert plan.finished
    assert not plan.ahead(b"x")


def test_all_is_taken_only_when_nothing_is_under_way() -> None:
    plan = CopyPlan(b"z")
    touched = Touched(plan)
    touched.touch([b"zz"], 1)
    with pytest.raises(RuntimeError):
        touched.take_all()
    touched.landed(plan.dispatch(b"z"))
    assert touched.take_all() == [b"zz"]
    assert len(touched) == 1
    touched.applied([b"zz"])
    assert not len(touched)


def test_frames_count_as_applied_up_to_the_first_that_is_not() -> None:
    positions = Positions(GtidSet.parse(f"{SID}:1-5"))
    assert positions.receive([(SID, 6, 7)]) == 1
    assert positions.receive([(SID, 8, 8)]) == 2
    assert str(positions.received) == f"{SID}:1-8"
    assert str(positions.applied(1)) == f"{SID}:1-5"
    assert str(positions.applied(2)) == f"{SID}:1-7"
    assert str(positions.applied(1)) == f"{SID}:1-7", "it never goes back"
    assert str(positions.applied(None)) == f"{SID}:1-8"


# The servo -----------------------------------------------------------------------------------------------------------


@given(size=st.integers(10, 100_000), rows=st.integers(0, 100_000), seconds=st.floats(0, 100))
def test_a_chunk_grows_by_half_and_shrinks_at_once(size: int, rows: int, seconds: float) -> None:
    following = next_size(size, rows, seconds, wanted=0.1, largest=100_000)
    assert SMALLEST <= following <= min(100_000, int(size * 1.5) + 1) or following == size
    if rows and seconds > 0.2:
        assert following <= max(SMALLEST, rows // 2)


def test_a_chunk_may_be_tiny_when_told() -> None:
    assert next_size(5, 5, 0.001, wanted=0.1, largest=5) == 5


def test_back_off_grows_and_ends() -> None:
    waits = [back_off(attempts) for attempts in range(12)]
    assert waits[:4] == [0.0, 1.0, 2.0, 4.0]
    assert max(waits) == LONGEST_BACK_OFF


# Statements ----------------------------------------------------------------------------------------------------------


def test_the_shadow_is_made_of_the_source() -> None:
    definition = "CREATE TABLE `a``b` (\n  `CREATE TABLE ``x``` int,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB"
    assert renamed(definition, "s").startswith("CREATE TABLE `s` (\n  `CREATE TABLE ``x```")
    assert retargeted("ALTER TABLE  `my table` ADD c INT, DROP d", "s") == "ALTER TABLE `s` ADD c INT, DROP d"


def test_a_typed_copy_has_no_keys_but_the_counters() -> None:
    definition = (
        "CREATE TABLE `s` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  `KEY` text COMMENT 'a, b',\n"
        "  PRIMARY KEY (`id`),\n  UNIQUE KEY `u` (`KEY`(10)),\n  FULLTEXT KEY `f` (`KEY`)\n"
        ") ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
    )
    assert typed_copy(definition, "r", "id") == (
        "CREATE TEMPORARY TABLE `r` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  `KEY` text COMMENT 'a, b',\n"
        "  KEY (`id`)\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"
    )


# Columns and keys ----------------------------------------------------------------------------------------------------


def test_columns_are_followed_through_every_kind_of_rename() -> None:
    source = table([column(name) for name in "abcde"], [])
    shadow = table([column(name) for name in ("b", "a", "C2", "d", "e")], [])
    alter = "RENAME COLUMN a TO b, RENAME COLUMN b TO a, CHANGE c C2 INT, DROP d, ADD d INT"
    clauses = split_alter(f"ALTER TABLE t {alter}").clauses
    assert shared_columns(source, shadow, clauses) == {"a": "b", "b": "a", "c": "C2", "e": "e"}


def test_generated_columns_of_the_new_table_are_computed_by_the_server() -> None:
    source = table([column("id"), column("g", generated=True)], [])
    shadow = table([column("id"), column("g", generated=True)], [])
    assert shared_columns(source, shadow, ()) == {"id": "id"}


def test_new_columns_get_what_mysql_would_give_them() -> None:
    source = table([column("id")], [index("PRIMARY", "id")])
    shadow = table(
        [
            column("id"),
            column("n", "decimal(5,2)"),
            column("s", "varchar(5)"),
            column("e", "enum('x','y')"),
            column("j", "json"),
            column("d", "datetime", has_default=True),
            column("u", "int", nullable=True),
            column("b", "binary(3)", length=3),
            column("c", auto_increment=True),
        ],
        [index("PRIMARY", "id")],
    )
    found = {each.name: each.expression for each in mapped(source, shadow, "ADD n INT").filled}
    assert found == {
        "id": "`id`",
        "n": "0",
        "s": "''",
        "e": "1",
        "j": "CAST('null' AS JSON)",
        "b": "REPEAT(x'00', 3)",
    }


def test_a_new_date_needs_a_default() -> None:
    source = table([column("id")], [index("PRIMARY", "id")])
    shadow = table([column("id"), column("d", "date")], [index("PRIMARY", "id")])
    with pytest.raises(CannotRunOnline, match="the new column d is NOT NULL"):
        mapped(source, shadow, "ADD d DATE NOT NULL")


@pytest.mark.parametrize(
    ("columns", "indexes", "why"),
    [
        ([column("a")], [], "there is no unique key"),
        ([column("a")], [index("k", "a", unique=False)], "there is no unique key"),
        ([column("a", nullable=True)], [index("k", "a", nullable=True)], "k: may hold NULL"),
        ([column("a", "varchar(9)")], [index("PRIMARY", "a")], "PRIMARY: a is varchar"),
        ([column("a", "float")], [index("PRIMARY", "a")], "PRIMARY: a is float"),
        ([column("a", "varbinary(9)")], [index("PRIMARY", "a", parts=(4,))], "PRIMARY: indexes only a part"),
        ([column("a")], [index("k", "", "a")], "k: is on an expression"),
        ([column("a", generated=True)], [index("k", "a")], "k: a is generated"),
        ([column("a")], [index("k", "a", visible=False)], "k: is invisible"),
    ],
)
def test_a_table_without_a_usable_key_is_refused(columns: list[Column], indexes: list[Index], why: str) -> None:
    with pytest.raises(CannotRunOnline) as caught:
        mapped(table([*columns, column("x")], indexes), table([*columns, column("x")], indexes), "FORCE")
    assert why in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        (column("a"), column("a", "varchar(20)"), "a changes from int to varchar(20)"),
        (column("a", "decimal(9,4)", scale=4), column("a", "decimal(9,2)", scale=2), "a changes from"),
        (column("a", "datetime(6)", fsp=6), column("a", "datetime"), "a changes from"),
        (column("a", "binary(4)", length=4), column("a", "binary(8)", length=8), "a changes from"),
        (column("a", "datetime"), column("a", "timestamp"), "a changes from"),
    ],
)
def test_a_key_whose_values_may_meet_is_refused(old: Column, new: Column, why: str) -> None:
    with pytest.raises(CannotRunOnline, match="PRIMARY") as caught:
        mapped(table([old], [index("PRIMARY", "a")]), table([new], [index("PRIMARY", "a")]), "MODIFY a INT")
    assert why in caught.value.message


def test_the_primary_key_is_preferred_and_another_is_taken_where_the_change_drops_it() -> None:
    columns = [column("a"), column("b", "bigint unsigned")]
    both = [index("PRIMARY", "a"), index("k", "b")]
    assert mapped(table(columns, both), table(columns, both), "FORCE").key.name == "PRIMARY"
    found = mapped(table(columns, both), table(columns, [index("k", "b")]), "DROP PRIMARY KEY")
    assert found.key.name == "k"
    assert found.target_key == ("b",)


def test_a_new_counter_is_no_matter_of_duplicates() -> None:
    source = table([column("a")], [index("k", "a")])
    shadow = table(
        [column("id", auto_increment=True), column("a"), column("u", has_default=True)],
        [index("PRIMARY", "id"), index("k", "a"), index("u", "u")],
    )
    found = mapped(source, shadow, "ADD id INT AUTO_INCREMENT PRIMARY KEY FIRST, ADD u INT DEFAULT 1 UNIQUE")
    assert [each.name for each in found.unique] == ["u"]
    assert found.counter == "id"


def test_statements_use_bare_names() -> None:
    columns = [column("id"), column("v")]
    mapping = mapped(
        table(columns, [index("PRIMARY", "id")]),
        table([column("no"), column("v")], [index("PRIMARY", "no")]),
        "CHANGE id no INT",
    )
    statements = Statements(table="t", shadow="s", mapping=mapping)
    key = mapping.key.of_row((5,))
    assert statements.delete([key]) == "DELETE FROM `s` WHERE `no` IN (5)"
    assert statements.insert([key]) == (
        "INSERT INTO `s` (`no`, `v`) SELECT `id`, `v` FROM `t` FORCE INDEX (`PRIMARY`) WHERE `id` IN (5)"
    )
    low = mapping.key.of_row((3,))
    assert statements.boundary(Range(low, key), 100).endswith("ORDER BY `id` LIMIT 1 OFFSET 99")
