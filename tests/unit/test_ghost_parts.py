"""gh-ost's pure parts: its output, its command line, what it reads in a statement, what it can convert."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from alterd_contracts.errors import DuplicateRows, InvalidStrategy
from alterd_contracts.migration import Migration
from alterd_contracts.names import Artifact, ArtifactKind
from alterd_contracts.strategy import Account, Login
from alterd_ghost.command import Call, clauses_of, conf, grants
from alterd_ghost.errors import GhostFailed
from alterd_ghost.flags import RESERVED, SWITCHES, Asked
from alterd_ghost.ghost import Ghost
from alterd_ghost.keys import key_obstacles, shared_keys
from alterd_ghost.limits import judge_variables
from alterd_ghost.reading import misread
from alterd_ghost.running import failed
from alterd_ghost.status import seconds_of, status_of
from alterd_ghost.tables import Checkpoint, Group, grouped, safe_checkpoint
from alterd_ghost.values import value_obstacles
from alterd_runtime.ddl_strategy import check_options, parse_ddl_strategy
from alterd_runtime.mysql.tables import Column, Index, Table
from alterd_runtime.sql import split_alter

LINE = (
    "Copy: 1200/4000 30.0%; Applied: 17; Backlog: 3/1000; Time: 12s(total), 10s(copy); streamer: binlog.000001:4711;"
    " Lag: 0.02s, HeartbeatLag: 0.15s, State: {state}; ETA: {eta}"
)


# Its output ----------------------------------------------------------------------------------------------------


def test_a_status_is_read() -> None:
    status = status_of(LINE.format(state="migrating", eta="1m23s"))
    assert status is not None
    assert (status.copied, status.rows, status.percent, status.applied, status.backlog) == (1200, 4000, 30.0, 17, 3)
    assert (status.lag, status.eta, status.postponed, status.throttled) == (0.15, 83, False, "")


def test_the_same_line_in_its_log_is_read_too() -> None:
    assert status_of("2026-11-21 18:05:42 INFO " + LINE.format(state="migrating", eta="N/A")) is not None


def test_states() -> None:
    held = status_of(LINE.format(state="postponing cut-over", eta="due"))
    waits = status_of(LINE.format(state="throttled, Too many requests (http=429)", eta="N/A"))
    assert held is not None
    assert waits is not None
    assert held.postponed
    assert waits.throttled == "Too many requests (http=429)"


def test_other_lines_are_none() -> None:
    assert status_of("2026-11-21 18:05:42 INFO Row copy complete") is None
    assert status_of("") is None


@pytest.mark.parametrize(
    ("eta", "seconds"), [("due", 0), ("N/A", -1), ("7s", 7), ("1h0m5s", 3605), ("5x", -1), ("1m 5s", -1)]
)
def test_etas(eta: str, seconds: int) -> None:
    assert seconds_of(eta) == seconds


def test_last_words_become_errors() -> None:
    duplicate = "Error 1062 (23000): Duplicate entry '7' for key '_t_gho.u'; query="
    assert isinstance(failed(duplicate, 1, "gh-ost"), DuplicateRows)
    other = failed("no shared unique key can be found after ALTER! Bailing out", 1, "the dry run")
    assert isinstance(other, GhostFailed)
    assert other.message == "the dry run failed: no shared unique key can be found after ALTER! Bailing out"
    assert "exit code 2" in failed("", 2, "gh-ost").message


# Its command line ----------------------------------------------------------------------------------------------


def call(**fields: object) -> Call:
    values: dict[str, object] = {
        "program": Path("/bin/gh-ost"),
        "workdir": Path("/w"),
        "login": Login(host="db", port=3306, user="alterd", password="hush", name="alterd:x"),
        "schema": "shop",
        "table": "demo",
        "alter": "ADD c INT",
        "prefix": "alterd_x",
        "server_id": 9,
        "throttle_url": "http://127.0.0.1:1/throttle",
        "gtid": True,
        "checkpoint_seconds": 10,
    }
    return Call(**{**values, **fields})  # type: ignore[arg-type]


def test_no_secret_is_an_argument() -> None:
    account = Account(user="alterd_x_1", password="s3cret")
    for words in (call().argv(execute=True), call().argv(execute=False)):
        assert not any("hush" in word or "s3cret" in word for word in words)
    assert conf(account) == "[client]\nuser=alterd_x_1\npassword=s3cret\n"
    assert "s3cret" not in repr(account)


def test_every_flag_that_is_set_is_reserved() -> None:
    words = (*call(zero_dates=True).argv(execute=True, resume=True), *call().argv(execute=False))
    names = {word.lstrip("-").partition("=")[0] for word in words[1:] if word.startswith("-")}
    declared = {flag.name for flag in Ghost().declare().flags}
    assert names - {"checkpoint-seconds"} <= {*RESERVED, *declared}
    assert not SWITCHES & set(RESERVED)


def test_the_dry_run_executes_nothing() -> None:
    words = call().argv(execute=False)
    assert "--execute" not in words
    assert not any(word.startswith(("--postpone", "--checkpoint", "--resume")) for word in words)


def test_without_gtids_there_are_no_checkpoints() -> None:
    words = call(gtid=False).argv(execute=True)
    assert not any(word.startswith(("--checkpoint", "--gtid")) for word in words)


def test_a_users_flags_stand_last_and_each_for_itself() -> None:
    words = call(passed=("--max-load=Threads_running=5", "--debug")).argv(execute=True)
    assert words[-2:] == ("--max-load=Threads_running=5", "--debug")


def test_the_least_grants() -> None:
    every, schema, *tables = grants("my_shop")
    assert every == "REPLICATION CLIENT, REPLICATION SLAVE ON *.*"
    assert schema.endswith("ON `my_shop`.*")
    assert "SUPER" not in every + schema
    assert all(text.startswith("SELECT ON `performance_schema`.`") for text in tables)


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("ALTER TABLE t ADD c INT, ALGORITHM=INPLACE, LOCK=NONE", "ADD c INT"),
        ("ALTER TABLE t ALGORITHM=COPY, ADD c INT, DROP d", "ADD c INT, DROP d"),
        ("ALTER TABLE t ADD c INT PARTITION BY HASH (id)", "ADD c INT PARTITION BY HASH (id)"),
        ("ALTER TABLE t LOCK=NONE, ADD c INT  ,  FORCE", "ADD c INT  ,  FORCE"),
        ("ALTER TABLE t ALGORITHM=INSTANT", ""),
    ],
)
def test_the_clauses_go_on_as_they_are_written(sql: str, text: str) -> None:
    assert clauses_of(split_alter(sql).clauses) == text


# Its flags -----------------------------------------------------------------------------------------------------


def asked(options: str) -> Asked:
    return Asked.of(
        Migration(
            id=1,
            migration_uuid="u",
            keyspace="k",
            shard="0",
            mysql_schema="s",
            mysql_table="t",
            migration_statement="ALTER TABLE t FORCE",
            strategy="gh-ost",
            options=options,
        )
    )


@pytest.mark.parametrize("name", RESERVED)
def test_flags_of_alterds_own_are_refused_by_name(name: str) -> None:
    for text in (f"--{name}", f"-{name}", f"--{name}=x", f"--max-load --{name}"):
        with pytest.raises(InvalidStrategy, match=f"--{name}(?![\\w-])"):
            check_options(parse_ddl_strategy(f"gh-ost {text}"), Ghost().declare())


@pytest.mark.parametrize(
    ("options", "passed"),
    [
        ("--max-load=Threads_running=100 --chunk-size=500", ("--max-load=Threads_running=100", "--chunk-size=500")),
        ("--max-load Threads_running=100 -chunk-size 500", ("--max-load=Threads_running=100", "--chunk-size=500")),
        ("--throttle-query='SELECT 1; $(rm -rf /)' --exact-rowcount", None),
        ("--postpone-completion --debug", ("--debug",)),
    ],
)
def test_others_are_passed_on(options: str, passed: tuple[str, ...] | None) -> None:
    expected = passed or ("--throttle-query=SELECT 1; $(rm -rf /)", "--exact-rowcount")
    assert asked(options).passed == expected


@pytest.mark.parametrize("options", ["execute", "--exact-rowcount true", "--chunk-size=5 10", "--debug ''", "-"])
def test_a_word_without_a_flag_is_refused(options: str) -> None:
    """gh-ost would read no flag behind it, nor say so."""
    with pytest.raises(InvalidStrategy, match="belongs to no flag"):
        asked(options)


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


def test_the_declaration_crosses_the_wire() -> None:
    declared = Ghost().declare()
    assert msgspec.json.decode(msgspec.json.encode(declared), type=type(declared)) == declared
