"""Which column fills which, and by which key both tables are read."""

from __future__ import annotations

import pytest

from alterd_runtime.sql import split_alter
from alterd_vitess.errors import CannotRunOnline
from alterd_vitess.mapping import Mapping, map_tables, shared_columns
from alterd_vitess.ranges import Range
from alterd_vitess.statements import Statements
from alterd_vitess.tables import Column, Index, Table


def column(name: str, kind: str = "int", **more: object) -> Column:
    values: dict[str, object] = {
        "name": name,
        "data_type": kind.split(maxsplit=1)[0].split("(", maxsplit=1)[0],
        "column_type": kind,
        "nullable": False,
        "has_default": False,
        "declared": kind,
        "expression": "",
        "auto_increment": False,
        "length": 0,
        "precision": 0,
        "scale": 0,
        "fsp": 0,
        "charset": "",
        "collation": "",
    }
    return Column(**{**values, **more})  # type: ignore[arg-type]


def text(name: str, collation: str, kind: str = "varchar", size: int = 20) -> Column:
    charset = collation.split("_", maxsplit=1)[0]
    return column(name, f"{kind}({size})", charset=charset, collation=collation, length=4 * size)


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


def test_columns_are_followed_through_every_kind_of_rename() -> None:
    source = table([column(name) for name in "abcde"], [])
    shadow = table([column(name) for name in ("b", "a", "C2", "d", "e")], [])
    alter = "RENAME COLUMN a TO b, RENAME COLUMN b TO a, CHANGE c C2 INT, DROP d, ADD d INT"
    clauses = split_alter(f"ALTER TABLE t {alter}").clauses
    assert shared_columns(source, shadow, clauses) == {"a": "b", "b": "a", "c": "C2", "e": "e"}


def test_generated_columns_of_the_new_table_are_computed_by_the_server() -> None:
    source = table([column("id"), column("g", expression="1")], [])
    shadow = table([column("id"), column("g", expression="1")], [])
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


def test_a_table_without_rows_needs_none_and_rows_that_come_are_refused() -> None:
    source = table([column("id", "int")], [index("PRIMARY", "id")])
    shadow = table([column("id", "int"), column("d", "date")], [index("PRIMARY", "id")])
    clauses = split_alter("ALTER TABLE t ADD COLUMN d date NOT NULL").clauses
    found = map_tables(source, shadow, clauses, empty=True)
    assert [each.expression for each in found.filled if each.name == "d"] == ["NULL"]


@pytest.mark.parametrize(
    ("columns", "indexes", "why"),
    [
        ([column("a")], [], "there is no unique key"),
        ([column("a")], [index("k", "a", unique=False)], "there is no unique key"),
        ([column("a", nullable=True)], [index("k", "a", nullable=True)], "k: may hold NULL"),
        ([column("a", "float")], [index("PRIMARY", "a")], "PRIMARY: a is float"),
        ([column("a", "varbinary(9)")], [index("PRIMARY", "a", parts=(4,))], "PRIMARY: indexes only a part"),
        ([column("a")], [index("k", "", "a")], "k: is on an expression"),
        ([column("a")], [index("k", "a", visible=False)], "k: is invisible"),
    ],
)
def test_a_table_without_a_usable_key_is_refused(columns: list[Column], indexes: list[Index], why: str) -> None:
    with pytest.raises(CannotRunOnline) as caught:
        mapped(table([*columns, column("x")], indexes), table([*columns, column("x")], indexes), "FORCE")
    assert why in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (text("a", "utf8mb4_0900_ai_ci"), column("a", "int")),
        (text("a", "utf8mb4_0900_bin"), text("a", "utf8mb4_0900_bin", "char")),
        (column("a", "decimal(9,4)", scale=4), column("a", "decimal(9,2)", scale=2)),
        (column("a", "datetime(6)", fsp=6), column("a", "datetime")),
        (column("a", "binary(4)", length=4), column("a", "binary(3)", length=3)),
        (column("a", "binary(4)", length=4), column("a", "binary(8)", length=8)),
        (column("a", "year"), text("a", "utf8mb4_bin")),
        (text("a", "utf8mb4_bin"), column("a", "enum('x')", labels=("x",), collation="utf8mb4_bin")),
        (text("a", "cp932_japanese_ci"), text("a", "utf8mb4_bin")),
        (column("a", "varbinary(4)", length=4), column("a", "binary(4)", length=4)),
        (column("a", "datetime"), column("a", "timestamp")),
        (column("a", "bigint"), column("a", "double")),
        (column("a", "enum('','x')", labels=("", "x")), text("a", "utf8mb4_bin")),
    ],
)
def test_a_key_whose_values_may_meet_is_refused(old: Column, new: Column) -> None:
    with pytest.raises(CannotRunOnline, match="PRIMARY") as caught:
        mapped(table([old], [index("PRIMARY", "a")]), table([new], [index("PRIMARY", "a")]), "MODIFY a INT")
    assert "different values of a may become one" in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        (column("a"), column("a", "bigint unsigned"), True),
        (column("a"), column("a", "varchar(20)"), False),
        (column("a", "date"), column("a", "datetime"), False),
        (text("a", "utf8mb4_0900_ai_ci"), text("a", "utf8mb4_0900_ai_ci", size=99), True),
        (text("a", "utf8mb4_0900_ai_ci"), text("a", "utf8mb4_0900_bin"), False),
        (text("a", "latin1_swedish_ci"), text("a", "utf8mb4_0900_ai_ci"), False),
        (text("a", "utf8mb4_general_ci"), text("a", "utf8mb4_general_ci", "char"), True),
        (column("a", "enum('x','y')", labels=("x", "y")), column("a", "enum", labels=("x", "y", "z")), True),
        (column("a", "enum('x','y')", labels=("x", "y")), column("a", "enum", labels=("y", "x")), False),
        (column("a", "bit(3)", precision=3), column("a", "bit(9)", precision=9), True),
        (column("a", "binary(4)", length=4), column("a", "varbinary(8)", length=8), False),
    ],
)
def test_what_a_retyped_key_means(old: Column, new: Column, same: bool) -> None:
    found = mapped(table([old], [index("PRIMARY", "a")]), table([new], [index("PRIMARY", "a")]), "MODIFY a INT")
    assert found.same_key is same
    assert [each.name for each in found.unique] == ([] if same else ["PRIMARY"])
    assert found.target.columns[0].data_type == (old if same else new).data_type


ID, MAIL, PART = column("id"), text("mail", "utf8mb4_0900_ai_ci"), column("part")


@pytest.mark.parametrize(
    ("before", "after", "key", "located_by"),
    [
        (["id"], ["id", "part"], ["id"], [0]),
        (["id", "part"], ["id"], ["id", "part"], [0]),
        (["id", "part"], ["part", "id"], ["id", "part"], [1, 0]),
        (["id"], ["mail"], ["id", "mail"], [1]),
        (["id"], ["part", "mail"], ["id", "part", "mail"], [1, 2]),
        (["mail"], ["id"], ["mail", "id"], [1]),
    ],
)
def test_a_primary_key_that_changes(before: list[str], after: list[str], key: list[str], located_by: list[int]) -> None:
    columns = [ID, MAIL, PART]
    found = mapped(
        table(columns, [index("PRIMARY", *before)]),
        table(columns, [index("PRIMARY", *after)]),
        f"DROP PRIMARY KEY, ADD PRIMARY KEY ({', '.join(after)})",
    )
    assert [each.name for each in found.key.columns] == key
    assert found.key.more == len(key) - len(before)
    assert list(found.located_by) == located_by
    assert found.key.ordered is ("mail" not in key and not found.key.more)


def test_a_new_primary_key_on_a_new_column_is_refused() -> None:
    source = table([ID, PART], [index("PRIMARY", "id")])
    shadow = table([ID, PART, column("n", auto_increment=True)], [index("PRIMARY", "n")])
    with pytest.raises(CannotRunOnline, match="no index to find its rows by"):
        mapped(source, shadow, "DROP PRIMARY KEY, ADD n INT AUTO_INCREMENT PRIMARY KEY")


def test_a_generated_key_serves_while_nothing_is_converted() -> None:
    plain, made = column("id"), column("g", expression="(`id` + 1)")
    keyed = [index("k", "g")]
    assert mapped(table([plain, made], keyed), table([plain, made], keyed), "FORCE").key.name == "k"
    with pytest.raises(CannotRunOnline, match="g is generated from columns that change"):
        mapped(table([plain, made], keyed), table([column("id", "bigint"), made], keyed), "MODIFY id BIGINT")


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
    assert statements.located([key], exact=False) == "FROM `s` WHERE `no` IN (5)"
    assert statements.insert([key]) == (
        "INSERT INTO `s` (`no`, `v`) SELECT `id`, `v` FROM `t` FORCE INDEX (`PRIMARY`) WHERE `id` IN (5)"
    )
    low = mapping.key.of_row((3,))
    assert statements.boundary(Range(low, key), 100).endswith("ORDER BY `id` LIMIT 1 OFFSET 99")
