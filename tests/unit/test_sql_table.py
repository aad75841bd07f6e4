"""SELECTs and conditions over records: as MySQL would answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alterd_cli.answers import EFFECTIVE
from alterd_cli.sql import grammar, vexec
from alterd_cli.sql.script import split
from alterd_cli.sql.statements import SelectRecords, ShowMigrations, UpdateRecords
from alterd_cli.sql.table import RecordTable, Result, column_types
from alterd_contracts.errors import AlterdError, InvalidInput, UnknownTable
from alterd_contracts.migration import COLUMNS, Migration
from alterd_contracts.requests import Command
from alterd_contracts.states import Status

UUID = "9e8a9249_3976_11ed_9442_0a43f95f28a3"
OTHER = "11111111_2222_3333_4444_555555555555"
NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
TABLE = "_vt.schema_migrations"


def record(**fields: Any) -> Migration:
    values: dict[str, Any] = {
        "id": 1,
        "migration_uuid": UUID,
        "keyspace": "commerce",
        "shard": "-40",
        "mysql_schema": "commerce",
        "mysql_table": "demo",
        "migration_statement": "alter table demo modify id bigint unsigned",
        "strategy": "vitess",
        "requested_timestamp": NOW - timedelta(hours=2),
    }
    return Migration(**(values | fields))


RECORDS = [
    record(tablet="executor-1", migration_status=Status.RUNNING, progress=12.5, rows_copied=125, table_rows=1000),
    record(shard="40-80", migration_status=Status.FAILED, message="100% \\ full", retries=2, postpone_completion=True),
    record(
        id=2,
        migration_uuid=OTHER,
        mysql_table="Orders",
        migration_context="deploy_42",
        migration_status=Status.COMPLETE,
        completed_timestamp=NOW - timedelta(days=3),
        requested_timestamp=NOW - timedelta(days=4),
    ),
]


def ask(text: str, records: list[Migration] = RECORDS) -> Result:
    [piece] = split(text)
    statement = grammar.read(piece)
    assert isinstance(statement, SelectRecords | ShowMigrations)
    with RecordTable.of(records, NOW) as table:
        return table.select(statement.query)


def ids(condition: str) -> list[tuple[object, object]]:
    found = ask(f"select id, shard from {TABLE} where {condition} order by id, shard")
    assert [row[:1] + row[2:3] for row in ask(f"show vitess_migrations where {condition}").rows] == [
        (row[0], "commerce") for row in found.rows
    ]
    return [(row[0], row[1]) for row in found.rows]


FIRST, SECOND, THIRD = (1, "-40"), (1, "40-80"), (2, "-40")


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("migration_status = 'running'", [FIRST]),
        ("MIGRATION_STATUS = 'RUNNING'", [FIRST]),
        ('migration_status in ("failed", "complete")', [SECOND, THIRD]),
        ("migration_status != 'running' and id <> 2", [SECOND]),
        ("`shard` = '-40' && not (id = 1)", [THIRD]),
        ("shard = '40-80' || id = 2", [SECOND, THIRD]),
        ("not (id = 1)", [THIRD]),
        ("mysql_table = 'orders'", [THIRD]),
        ("mysql_table like 'ord%'", [THIRD]),
        ("migration_context like 'deploy\\_42'", [THIRD]),
        ("migration_context like 'deploy\\%42'", []),
        ("message like '100\\% %'", [SECOND]),
        ("message like '100!% %' escape '!'", [SECOND]),
        ("message regexp '^100'", [SECOND]),
        ("message not rlike '^$'", [SECOND]),
        ("completed_timestamp is null", [FIRST, SECOND]),
        ("completed_timestamp <=> null", [FIRST, SECOND]),
        ("completed_timestamp is not null", [THIRD]),
        ("requested_timestamp > now() - interval 1 day", [FIRST, SECOND]),
        ("requested_timestamp > date_sub(now(), interval 3 hour)", [FIRST, SECOND]),
        ("requested_timestamp + interval 4 day <= current_timestamp()", [THIRD]),
        ("requested_timestamp > now() - interval (1+1) * 2 hour", [FIRST, SECOND]),
        ("requested_timestamp > now() - interval(1+1) day", [FIRST, SECOND]),
        ("requested_timestamp > now() - interval -1 + 4 hour", [FIRST, SECOND]),
        ("requested_timestamp > date_sub(now(), interval id * 3 hour)", [FIRST, SECOND]),
        ("requested_timestamp > now() - interval 2.5 hour", [FIRST, SECOND]),
        ("requested_timestamp between '2026-11-17' and '2026-11-18'", [THIRD]),
        ("timestampdiff(hour, requested_timestamp, utc_timestamp()) >= 96", [THIRD]),
        ("timestampdiff(month, '2026-01-31', '2026-02-28') = 0 and id = 2", [THIRD]),
        ("'2026-03-31' - interval 1 month = '2026-02-28 00:00:00' and id = 2", [THIRD]),
        ("unix_timestamp(requested_timestamp) < unix_timestamp()", [FIRST, SECOND, THIRD]),
        ("retries = '2'", [SECOND]),
        ("retries between 1 and 2", [SECOND]),
        ("postpone_completion", [SECOND]),
        ("postpone_completion = true", [SECOND]),
        ("rows_copied / table_rows = 0.125", [FIRST]),
        ("progress > 12 and progress < .13e2", [FIRST]),
        ("concat(keyspace, '/', shard) = 'commerce/40-80'", [SECOND]),
        ("if(id = 2, 'yes', 'no') = 'yes'", [THIRD]),
        ("left(shard, 2) = '40' and right(shard, 2) = '80'", [SECOND]),
        ("find_in_set(shard, 'x,40-80')", [SECOND]),
        ("ifnull(completed_timestamp, 'none') = 'none' and char_length(shard) = 5", [SECOND]),
        ("id in (select max(id) from _vt.schema_migrations)", [THIRD]),
        ("case when id = 1 then shard else 'x' end = 'x'", [THIRD]),
        ("id = 1 -- and false", [FIRST, SECOND]),
        ("id = 1 # and false", [FIRST, SECOND]),
        ("-id = -2", [THIRD]),
    ],
)
def test_conditions_are_mysqls(condition: str, found: list[tuple[int, str]]) -> None:
    assert ids(condition + ("\n" if "-- " in condition or "#" in condition else "")) == found


@pytest.mark.parametrize(
    ("pattern", "found"),
    [(UUID, 2), ("deploy_42", 1), ("complete", 1), ("%", 3), ("run%", 1), ("nothing", 0), (UUID[:8] + "%", 2)],
)
def test_like_means_uuid_or_context_or_status(pattern: str, found: int) -> None:
    result = ask(f"show vitess_migrations like '{pattern}'")
    assert result.columns == COLUMNS
    assert len(result.rows) == found


def test_the_columns_are_the_records_in_their_order() -> None:
    result = ask("show vitess_migrations where id = 2")
    row = dict(zip(result.columns, result.rows[0], strict=True))
    assert result.columns == COLUMNS
    assert row["completed_timestamp"] == "2026-11-18 12:00:00"
    assert row["cleanup_timestamp"] is None
    assert (row["postpone_completion"], row["progress"], row["migration_status"]) == (0, 0, "complete")
    assert set(column_types()) == set(COLUMNS)


@pytest.mark.parametrize(
    ("what", "columns", "rows"),
    [
        ("count(*)", ("count(*)",), [(3,)]),
        ("count(distinct shard) n", ("n",), [(2,)]),
        ("max(id) as `the last`", ("the last",), [(2,)]),
        ("distinct keyspace", ("keyspace",), [("commerce",)]),
        ("'it''s', 1+1", ("'it''s'", "1+1"), [("it's", 2)] * 3),
        ("schema_migrations.id", ("id",), [(1,), (1,), (2,)]),
        ("distinct now() + interval 1 day", ("now() + interval 1 day",), [("2026-11-22 12:00:00",)]),
        ("distinct now() - interval (1+1) hour", ("now() - interval (1+1) hour",), [("2026-11-21 10:00:00",)]),
        ("distinct now() + interval 1 day day", ("day",), [("2026-11-22 12:00:00",)]),
        ("distinct 1 day", ("day",), [(1,)]),
    ],
)
def test_what_is_selected_keeps_its_name(what: str, columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
    assert ask(f"select {what} from {TABLE}") == Result(columns, tuple(rows))


def test_groups_order_and_limit() -> None:
    result = ask(
        f"select migration_status, count(*) as n from {TABLE} group by migration_status having n > 0 "
        "order by migration_status desc limit 1, 2"
    )
    assert result.rows == (("failed", 1), ("complete", 1))


def test_nothing_is_selected_from_nothing() -> None:
    assert ask(f"select * from {TABLE} where id = 1", []) == Result(COLUMNS, ())


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("select nonsense from _vt.schema_migrations", "invalid_input", "no column nonsense"),
        ("select migration_state from _vt.schema_migrations", "invalid_input", "migration_status"),
        ("select `index` from _vt.schema_migrations", "invalid_input", "no column"),
        ("select id from demo", "unknown_table", "_vt.schema_migrations"),
        ("select name from sqlite_master", "unknown_table", "sqlite_master"),
        ("select id from _vt.schema_migrations where", "syntax_error", "cannot be read"),
        ("select id from _vt.schema_migrations where id = = 1", "syntax_error", "cannot be read"),
        ("select id from _vt.schema_migrations where message regexp '('", "invalid_input", "malformed"),
        ("select left(shard, 'x') from _vt.schema_migrations", "invalid_input", "arguments"),
        ("select sleep(1) from _vt.schema_migrations", "invalid_input", "no such function"),
        ("select id from _vt.schema_migrations where a xor b", "syntax_error", "XOR"),
        ("select id from _vt.schema_migrations for update", "syntax_error", "FOR"),
        ("select id into outfile 'x' from _vt.schema_migrations", "syntax_error", "INTO"),
        ("select id from _vt.schema_migrations where id = @x", "syntax_error", "@"),
        ("select load_extension('x') from _vt.schema_migrations", "invalid_input", ""),
        ("select now() - interval 1 from _vt.schema_migrations", "syntax_error", "unit"),
        ("select - interval 1 day from _vt.schema_migrations", "syntax_error", "before INTERVAL"),
        ("select now() - interval (1) from _vt.schema_migrations", "syntax_error", "unit"),
        ("select now() - interval day from _vt.schema_migrations", "syntax_error", "how many"),
        ("select id from _vt.schema_migrations where !progress > 40", "syntax_error", "write NOT"),
        ("select id from _vt.schema_migrations where id ! = 1", "syntax_error", "write NOT"),
    ],
)
def test_a_select_that_cannot_be_has_a_clear_error(text: str, code: str, words: str) -> None:
    with pytest.raises(AlterdError) as refused:
        ask(text)
    assert refused.value.code == code
    assert words in f"{refused.value.message} {refused.value.hint}"


VALUES = st.sampled_from(["'running'", "1", "null", "shard", "id", "now()", "'%'", "-1.5", "(1)", "retries"])
SIGNS = st.sampled_from(
    ["=", "<=>", "!=", "<", ">=", "like", "+", "/", "and", "or", "||", "&&", "regexp", "is", "%", ","]
)


@given(st.lists(st.tuples(VALUES, SIGNS), min_size=1, max_size=5), VALUES)
def test_any_condition_has_an_answer_or_a_clear_error(parts: list[tuple[str, str]], last: str) -> None:
    condition = " ".join(f"{value} {sign}" for value, sign in parts) + f" {last}"
    try:
        result = ask(f"select id from {TABLE} where {condition}")
    except (InvalidInput, UnknownTable):
        return
    assert set(result.rows) <= {(1,), (2,)}


@given(st.text(max_size=12), st.text(max_size=12))
def test_a_value_never_becomes_a_condition(message: str, asked: str) -> None:
    """Whatever stands in quotes is compared, and nothing else."""
    literal = "'" + asked.replace("\\", "\\\\").replace("'", "''") + "'"
    result = ask(f"select message from {TABLE} where message = {literal}", [record(message=message)])
    fold = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
    assert bool(result.rows) == (message.translate(fold) == asked.translate(fold))


def read_vexec(text: str) -> SelectRecords | UpdateRecords:
    [piece] = split(text)
    return vexec.read(piece)


def test_vexec_puts_the_tablet_before_records_and_not_before_sums() -> None:
    records = RECORDS
    for text, columns in (
        (f"select shard, log_path from {TABLE}", ("Tablet", "shard", "log_path")),
        (f"select * from {TABLE}", ("Tablet", *COLUMNS)),
        (f"select count(*) from {TABLE}", ("count(*)",)),
        (f"select shard, count(*) n from {TABLE} group by shard", ("shard", "n")),
        (f"select distinct shard from {TABLE}", ("shard",)),
    ):
        statement = read_vexec(text)
        assert isinstance(statement, SelectRecords)
        with RecordTable.of(records, NOW) as table:
            assert table.select(statement.query).columns == columns


@pytest.mark.parametrize(
    ("text", "command", "rows"),
    [
        (f"update {TABLE} set migration_status='retry'", Command.RETRY, [FIRST, SECOND, THIRD]),
        (f"UPDATE {TABLE} SET migration_status = 'cancel' WHERE shard='40-80'", Command.CANCEL, [SECOND]),
        (
            f"update schema_migrations set migration_status='retry' where migration_uuid='{UUID}' and shard='-40';",
            Command.RETRY,
            [FIRST],
        ),
    ],
)
def test_vexec_updates_choose_records(text: str, command: Command, rows: list[tuple[int, str]]) -> None:
    statement = read_vexec(text)
    assert isinstance(statement, UpdateRecords)
    assert (statement.command, statement.bounded) == (command, "where" in text.lower())
    with RecordTable.of(RECORDS, NOW) as table:
        uuids = {1: UUID, 2: OTHER}
        assert [row[:2] for row in table.select(statement.rows).rows] == [
            (uuids[number], shard) for number, shard in rows
        ]
        ended = table.select(vexec.only_in(statement.rows, EFFECTIVE[Command.RETRY])).rows
        assert [row[1] for row in ended] == ["40-80"] * (SECOND in rows)


def test_an_update_with_a_select_in_it_depends_on_other_records() -> None:
    for condition, alone in (("id = 1", True), (f"id = (select max(id) from {TABLE})", False)):
        statement = read_vexec(f"update {TABLE} set migration_status='retry' where {condition}")
        assert isinstance(statement, UpdateRecords)
        assert statement.alone is alone


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (f"update {TABLE} set migration_status='retry", "syntax_error", "not closed"),
        (f"update {TABLE} set migration_status='complete'", "invalid_input", "'retry' or 'cancel'"),
        (f"update {TABLE} set strategy='mysql'", "unsupported_statement", "strategy cannot be set"),
        (f"update {TABLE} set migration_status='retry', retries=0", "unsupported_statement", "only migration_status"),
        (f"update {TABLE} set migration_status='retry' where", "syntax_error", "condition"),
        (f"update {TABLE} set migration_status='retry' limit 1", "syntax_error", "should end here"),
        ("update demo set migration_status='retry'", "unknown_table", "_vt.schema_migrations"),
        (f"delete from {TABLE}", "unsupported_statement", "delete is not supported"),
        (f"insert into {TABLE} values (1)", "unsupported_statement", "insert is not supported"),
        ("drop table _vt.schema_migrations", "unsupported_statement", "drop"),
    ],
)
def test_vexec_refuses_all_else(text: str, code: str, words: str) -> None:
    with pytest.raises(AlterdError) as refused:
        read_vexec(text)
    assert refused.value.code == code
    assert words in f"{refused.value.message} {refused.value.hint}"


def test_vexec_names_its_target() -> None:
    assert vexec.Target.parse(f"commerce.{UUID}") == vexec.Target("commerce", UUID)
    assert vexec.Target.parse(f"commerce.{UUID.replace('_', '-')}") == vexec.Target("commerce", UUID)
    assert vexec.Target.parse("commerce") == vexec.Target("commerce")
    for wrong in ("", "Commerce", "commerce.", "commerce.x", ".x", f"a.{UUID}.b"):
        with pytest.raises(AlterdError, match="malformed"):
            vexec.Target.parse(wrong)
