"""gh-ost's pure parts: what it reads in a statement, what it can convert, its keys and its tables."""

from __future__ import annotations

import contextlib

import pytest

from alterd_contracts.errors import InvalidStrategy, RunLost
from alterd_contracts.names import Artifact, ArtifactKind
from alterd_ghost.command import clauses_of
from alterd_ghost.keys import key_obstacles, shared_keys
from alterd_ghost.limits import chunk_rows, judge_variables
from alterd_ghost.reading import misread
from alterd_ghost.running import check_losses
from alterd_ghost.tables import Checkpoint, Group, grouped, safe_checkpoint
from alterd_ghost.values import value_obstacles
from alterd_runtime.mysql.tables import Column, Index, Table
from alterd_runtime.sql import split_alter

# What it reads in a statement ----------------------------------------------------------------------------------


def reads(sql: str, columns: tuple[str, ...] = ("id", "a", "b", "c")) -> str:
    clauses = split_alter(sql).clauses
    return misread(clauses_of(clauses), clauses, columns)


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE t ADD d INT",
        "ALTER TABLE t CHANGE a d INT",
        "ALTER TABLE t CHANGE COLUMN `a` `d` INT NOT NULL COMMENT 'drop b', DROP c",
        "ALTER TABLE t CHANGE a b INT, CHANGE b a INT",
        "ALTER TABLE t DROP COLUMN a, DROP INDEX by_a, ADD e ENUM('x,y', 'z')",
        "ALTER TABLE t CHANGE a a BIGINT",
        "ALTER TABLE t RENAME COLUMN a TO A",
        "ALTER TABLE t DROP a, ADD a BIGINT",
    ],
)
def test_what_it_reads_as_it_is(sql: str) -> None:
    assert reads(sql) == ""


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("ALTER TABLE t RENAME COLUMN a TO d", "would not see that a becomes d"),
        ("ALTER TABLE t CHANGE A d INT", "would not see that a becomes d"),
        ("ALTER TABLE t CHANGE/**/a d INT", "would not see that a becomes d"),
        ("ALTER TABLE t ADD d INT COMMENT 'alter table x y'", "name of a table"),
        ("ALTER TABLE t DROP/**/a", "whether these columns are dropped"),
        ('ALTER TABLE t ADD d INT COMMENT "change a b c"', "would take a for renamed to b"),
    ],
)
def test_what_it_would_misread(sql: str, what: str) -> None:
    assert what in reads(sql)


# What it can convert -------------------------------------------------------------------------------------------


def column(name: str, kind: str, **fields: object) -> Column:
    data_type = kind.split("(", maxsplit=1)[0].split(maxsplit=1)[0]
    text = data_type in {"char", "varchar", "text", "enum", "set"}
    labels = (
        tuple(kind.partition("(")[2].rstrip(")").replace("'", "").split(",")) if data_type in {"enum", "set"} else ()
    )
    values: dict[str, object] = {
        "name": name,
        "data_type": data_type,
        "column_type": kind,
        "declared": kind,
        "nullable": False,
        "has_default": False,
        "expression": "",
        "auto_increment": False,
        "length": int(kind.partition("(")[2].partition(")")[0] or 0) if data_type == "varchar" else 0,
        "precision": 0,
        "scale": 0,
        "fsp": 0,
        "charset": "utf8mb4" if text else "",
        "collation": "utf8mb4_0900_ai_ci" if text else "",
        "labels": labels,
    }
    return Column(**{**values, **fields})  # type: ignore[arg-type]


def key(name: str, *columns: str, **fields: object) -> Index:
    values: dict[str, object] = {
        "name": name,
        "unique": True,
        "columns": columns,
        "parts": (0,) * len(columns),
        "nullable": False,
        "visible": True,
        "type": "BTREE",
    }
    return Index(**{**values, **fields})  # type: ignore[arg-type]


def table(columns: tuple[Column, ...], *indexes: Index) -> Table:
    return Table(name="t", engine="innodb", partitioned=False, estimate=0, columns=columns, indexes=indexes)


ID = column("id", "int")
PRIMARY = key("PRIMARY", "id")


def converted(old: str, new: str, old_fields: dict[str, object] | None = None, /, **new_fields: object) -> bool:
    source = table((ID, column("v", old, **(old_fields or {}))), PRIMARY)
    shadow = table((ID, column("v", new, **new_fields)), PRIMARY)
    return not list(value_obstacles(source, shadow, {}))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("int", "bigint"),
        ("int", "varchar(20)"),
        ("varchar(20)", "text"),
        ("enum('a','b')", "varchar(9)"),
        ("enum('a','b')", "enum('b','a')"),
        ("set('a','b')", "set('a','b','c')"),
        ("date", "datetime"),
        ("json", "json"),
    ],
)
def test_conversions_that_are_alike(old: str, new: str) -> None:
    assert converted(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("set('a','b')", "varchar(9)"),
        ("set('a','b')", "set('b','a')"),
        ("timestamp", "datetime"),
        ("json", "text"),
        ("bit(8)", "varchar(9)"),
        ("varchar(9)", "varbinary(9)"),
        ("year", "int"),
        ("int(5) unsigned zerofill", "varchar(9)"),
    ],
)
def test_conversions_that_are_not(old: str, new: str) -> None:
    assert not converted(old, new)


def test_charsets() -> None:
    latin: dict[str, object] = {"charset": "latin1"}
    assert converted("varchar(9)", "varchar(9)", latin)
    assert not converted("varchar(9)", "varchar(9)", None, **latin)
    assert not converted("varchar(9)", "varchar(9)", {"charset": "utf16"})


def test_what_was_generated_is_not_copied() -> None:
    assert not converted("int", "int", {"expression": "id + 1"})
    assert converted("int", "int", {"expression": "id + 1"}, expression="id + 2")


# Its key -------------------------------------------------------------------------------------------------------


def test_the_primary_key_goes_before_others() -> None:
    small = column("s", "tinyint")
    source = table((ID, small), key("u", "s"), PRIMARY)
    assert [each.name for each in shared_keys(source, source)] == ["PRIMARY", "u"]
    assert not list(key_obstacles(source, source))


def test_a_wider_key_is_shared() -> None:
    source = table((ID, column("s", "int")), PRIMARY)
    shadow = table((ID, column("s", "int")), key("PRIMARY", "id", "s"))
    assert not list(key_obstacles(source, shadow))


@pytest.mark.parametrize(
    ("indexes", "what"),
    [
        ((), "no unique key"),
        ((key("u", "id", nullable=True),), "takes NULLs"),
        ((key("u", "id", parts=(4,)),), "parts of columns"),
        ((key("u", "id", "", expressions=("", "a + 1")),), "an expression"),
        ((key("u", "id", visible=False),), "an invisible index"),
    ],
)
def test_keys_it_cannot_rely_on(indexes: tuple[Index, ...], what: str) -> None:
    source = table((ID,), *indexes)
    assert any(what in message for message, _ in key_obstacles(source, source))


@pytest.mark.parametrize(
    ("old", "new", "safe"),
    [
        (column("k", "int"), column("k", "bigint"), True),
        (column("k", "bigint"), column("k", "int unsigned"), True),
        (column("k", "decimal(9,2)", precision=9, scale=2), column("k", "decimal(9,4)", precision=9, scale=4), False),
        (column("k", "decimal(9,2)", precision=9, scale=2), column("k", "decimal(12,4)", precision=12, scale=4), True),
        (column("k", "bit(8)"), column("k", "bit(8)"), False),
        (column("k", "char(9)", charset="latin1"), column("k", "char(9)", charset="latin1"), False),
        (column("k", "varchar(9)"), column("k", "varchar(99)"), True),
        (column("k", "varchar(9)", collation="utf8mb4_bin"), column("k", "varchar(9)"), False),
        (column("k", "datetime(6)"), column("k", "datetime"), False),
    ],
)
def test_two_rows_must_not_become_one(old: Column, new: Column, safe: bool) -> None:
    found = list(key_obstacles(table((old,), key("PRIMARY", "k")), table((new,), key("PRIMARY", "k"))))
    assert bool(found) is not safe


def test_a_key_that_is_not_told_first() -> None:
    """With INSERT IGNORE MySQL warns of the first key alone that has the value already."""
    both = (ID, column("u", "int"))
    source = table(both, key("PRIMARY", "id", "u"), key("by_u", "u"))
    shadow = table(both, key("PRIMARY", "id"), key("by_u", "u"))
    assert any("takes" not in message and "by_u" in message for message, _ in key_obstacles(source, shadow))


# Its tables ----------------------------------------------------------------------------------------------------

UUID = "9e8a9249_3976_11ed_9442_0a43f95f28a3"
PREFIX = "_alterd_9e8a9249397611ed94420a43f95f28a3_261121040506"


def test_a_tools_name_is_an_artifacts() -> None:
    artifact = Artifact.parse(f"{PREFIX}_gho")
    assert artifact is not None
    assert (artifact.kind, artifact.migration_uuid, artifact.ending) == (ArtifactKind.TOOL, UUID, "gho")
    assert artifact.name == f"{PREFIX}_gho"
    assert len(artifact.name) == 57
    assert Artifact.parse(f"{PREFIX}_gh0") is None
    assert Artifact.parse(f"{PREFIX}_ghost") is None


def test_names_are_grouped() -> None:
    rows = [(f"{PREFIX}_{ending}", 3, ending == "ghc") for ending in ("gho", "ghc", "del", "ghk")]
    [group] = grouped([*rows, ("_alterd_old_9e8a9249397611ed94420a43f95f28a3_261121040506", 3, False)])
    assert group.name("gho") == f"{PREFIX}_gho"
    assert group.attempt == 3
    assert group.left == {"gho", "del", "ghk"}


@pytest.mark.parametrize(
    ("there", "sentry", "swapped"),
    [
        ({"del"}, False, True),
        ({"del", "ghk"}, False, True),
        ({"del", "gho"}, True, False),
        ({"gho", "ghc"}, False, False),
        (set(), False, False),
        ({"del"}, True, False),
    ],
)
def test_what_the_tables_tell(there: set[str], sentry: bool, swapped: bool) -> None:
    group = Group(prefix="p", attempt=1, schema="s", there=frozenset(there), sentry=sentry)
    assert group.swapped is swapped


def test_the_newest_checkpoint_is_not_trusted() -> None:
    rows = [Checkpoint(id=3, gtid_set="x:1-9", rows_copied=30), Checkpoint(id=2, gtid_set="x:1-9", rows_copied=20)]
    assert safe_checkpoint([]) is None
    assert safe_checkpoint(rows) is None
    first = Checkpoint(id=1, gtid_set="x:1-5", rows_copied=10)
    assert safe_checkpoint([*rows, first]) is first


# The server ----------------------------------------------------------------------------------------------------

WELL = {
    "log_bin": 1,
    "binlog_format": "ROW",
    "binlog_row_image": "FULL",
    "binlog_row_value_options": "",
    "binlog_transaction_compression": 0,
}


def test_the_server_is_well() -> None:
    assert judge_variables(WELL) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("log_bin", 0),
        ("binlog_format", "MIXED"),
        ("binlog_row_image", "MINIMAL"),
        ("binlog_row_value_options", "PARTIAL_JSON"),
        ("binlog_transaction_compression", 1),
    ],
)
def test_what_the_server_lacks_is_named(name: str, value: object) -> None:
    [error] = judge_variables({**WELL, name: value})
    assert error.where == {"setting": name}
    assert error.hint


@pytest.mark.parametrize(
    ("losses", "gtid", "goes_on"), [(0, False, True), (1, False, True), (2, False, False), (4, True, True)]
)
def test_without_gtids_it_begins_anew_once(losses: int, gtid: bool, goes_on: bool) -> None:
    with contextlib.nullcontext() if goes_on else pytest.raises(RunLost, match="died 2 times"):
        check_losses(losses, gtid=gtid)


@pytest.mark.parametrize(
    ("passed", "rows"),
    [
        ((), 1000),
        (("--debug",), 1000),
        (("--chunk-size=500",), 500),
        (("--chunk-size=500", "--chunk-size=20"), 20),
        (("--chunk-size=5",), 10),
    ],
)
def test_the_rows_of_its_chunks(passed: tuple[str, ...], rows: int) -> None:
    """It makes none of fewer than ten."""
    assert chunk_rows(passed) == rows


@pytest.mark.parametrize(
    "value", ["0x1000", "+5000", "5_000", "010", "0", "-5", "", "1e3", " 50", "50\n", "٥٠٠", "9" * 30, "9" * 5000]
)
def test_numbers_that_it_would_read_in_another_way_are_refused(value: str) -> None:
    with pytest.raises(InvalidStrategy, match="--chunk-size") as refused:
        chunk_rows((f"--chunk-size={value}",))
    assert refused.value.hint
    assert refused.value.where == {"flag": "chunk-size"}
