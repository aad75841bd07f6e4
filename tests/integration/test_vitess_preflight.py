"""What is refused at the door of the native engine: each obstacle by its name, with its remedy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from alterd_contracts.errors import AlterdError
from alterd_executor.protocol import RunCompleted, RunFailed
from alterd_runtime.mysql.scratch import definition
from alterd_runtime.mysql.session import Session
from alterd_runtime.mysql.tables import read_table
from alterd_runtime.settings import VitessSettings
from alterd_vitess import disk
from alterd_vitess.preflight import WANTED, judge_instruments, judge_variables, server_obstacles, table_obstacles
from tests.integration import executor_support
from tests.integration.executor_support import next_attempt, run
from tests.integration.vitess_support import ALTER, Running, altering
from tests.support.shop import Shop

FINE = {"log_bin": 1, "version": "9.7.4", "read_only": 0, "super_read_only": 0, "innodb_read_only": 0} | {
    name: wanted for name, (wanted, _) in WANTED.items()
}


@pytest.fixture
async def session(shop: Shop) -> AsyncIterator[Session]:
    async with executor_support.session(shop) as opened:
        yield opened


@contextmanager
def variable(shop: Shop, name: str, value: str) -> Iterator[None]:
    [(_, before)] = shop.run(f"SHOW GLOBAL VARIABLES LIKE '{name}'")
    shop.run(f"SET GLOBAL {name} = '{value}'")
    try:
        yield
    finally:
        shop.run(f"SET GLOBAL {name} = '{before}'")


def told(found: list[AlterdError], *parts: str) -> None:
    [error] = found
    for part in parts:
        assert part in f"{error.message} → {error.hint}"


@pytest.mark.parametrize(
    ("name", "value"),
    [("binlog_format", "MIXED"), ("binlog_row_image", "MINIMAL"), ("binlog_row_value_options", "PARTIAL_JSON")],
)
async def test_a_variable_is_named_with_what_it_must_be(shop: Shop, session: Session, name: str, value: str) -> None:
    with variable(shop, name, value):
        told(await server_obstacles(session), name, value, f"SET PERSIST {name}")
    assert await server_obstacles(session) == []


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"log_bin": 0}, "skip-log-bin"),
        ({"gtid_mode": "ON_PERMISSIVE"}, "OFF_PERMISSIVE"),
        ({"innodb_read_only": 1}, "innodb_read_only=ON"),
        ({"super_read_only": 1}, "super_read_only=ON"),
    ],
)
def test_what_cannot_be_changed_in_passing(changed: dict[str, Any], part: str) -> None:
    assert judge_variables(FINE) == []
    told(judge_variables(FINE | changed), part)


async def test_what_performance_schema_does_not_show_is_named(shop: Shop, session: Session) -> None:
    shop.run("UPDATE performance_schema.setup_instruments SET ENABLED = 'NO' WHERE NAME = 'transaction'")
    try:
        [error] = await server_obstacles(session)
        assert "transaction switched off" in error.message
        shop.run(error.hint.partition(";")[0])
        assert await server_obstacles(session) == []
    finally:
        shop.run("UPDATE performance_schema.setup_instruments SET ENABLED = 'YES' WHERE NAME = 'transaction'")
    told(judge_instruments(()), "global_instrumentation", "performance_schema=OFF")


async def test_triggers_are_named(shop: Shop, session: Session) -> None:
    shop.run("CREATE TRIGGER counts BEFORE INSERT ON customer FOR EACH ROW SET NEW.a = 1")
    told(await table_obstacles(session, shop.schema, "customer"), "customer has triggers (counts)", "drop them")


async def test_foreign_keys_of_schemas_that_the_account_may_not_read_are_named(shop: Shop) -> None:
    from tests.integration.grants_support import account  # noqa: PLC0415
    from tests.integration.test_grants import REQUIRED  # noqa: PLC0415

    other = f"{shop.schema}-2"
    shop.run(f"CREATE SCHEMA `{other}`")
    try:
        shop.run(
            f"CREATE TABLE `{other}`.`a kid` (c int unsigned, CONSTRAINT of_customer FOREIGN KEY (c)"
            f" REFERENCES `{shop.schema}`.customer (id))"
        )
        with account(shop, REQUIRED) as least:
            async with executor_support.session(least) as opened:
                found = await table_obstacles(opened, shop.schema, "customer")
        told(found, f"of_customer of {other}.a kid", "follow the old table")
    finally:
        shop.run(f"DROP SCHEMA `{other}`")


async def test_a_schema_that_is_read_only_is_named(shop: Shop, session: Session) -> None:
    shop.run(f"ALTER SCHEMA {shop.schema} READ ONLY = 1")
    try:
        told(await table_obstacles(session, shop.schema, "customer"), "is read only", "READ ONLY = 0")
    finally:
        shop.run(f"ALTER SCHEMA {shop.schema} READ ONLY = 0")


async def test_a_primary_key_that_the_server_made(shop: Shop, session: Session, tmp_path: Path) -> None:
    """Changed like any other where it is shown; refused where it is hidden."""
    with shop.session() as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_generate_invisible_primary_key = ON")
        cursor.execute("CREATE TABLE keyless (a int)")
    shop.run("INSERT INTO keyless (a) VALUES (7), (8)")
    shop.run("DELETE FROM keyless WHERE a = 7")
    name = "show_gipk_in_create_table_and_information_schema"
    with variable(shop, name, "OFF"):
        async with executor_support.session(shop) as blind:
            told(await table_obstacles(blind, shop.schema, "keyless"), "which hides it", f"SET PERSIST {name}")
            assert await blind.value(f"SELECT @@session.{name}") == 0
    assert await table_obstacles(session, shop.schema, "keyless") == []
    ending = await run(shop, altering(shop, "ALTER TABLE keyless ADD COLUMN b int", "keyless"), tmp_path)
    assert isinstance(ending, RunCompleted), ending
    assert shop.run("SELECT my_row_id, a, b FROM keyless") == [(2, 8, None)]


async def test_a_run_looks_again_when_it_begins_and_when_it_is_taken_up(shop: Shop, tmp_path: Path) -> None:
    shop.run("CREATE TABLE item (id int PRIMARY KEY, a int NOT NULL)")
    shop.run("INSERT INTO item VALUES (1, 1)")
    record = altering(shop)
    running = await Running.start(shop, record, tmp_path, postponed=True)
    await running.until_phase("catch-up")
    await running.vanish()
    with variable(shop, "binlog_row_image", "MINIMAL"):
        ending = await run(shop, next_attempt(record), tmp_path)
    assert isinstance(ending, RunFailed)
    assert "binlog_row_image=FULL" in ending.error.message
    assert shop.columns("item") == ["id", "a"]


async def test_options_of_the_table_are_kept(shop: Shop, tmp_path: Path) -> None:
    tablespace = f"space_{shop.schema}"
    shop.run(f"CREATE TABLESPACE {tablespace} ADD DATAFILE '{tablespace}.ibd'")
    try:
        shop.run(
            f"CREATE TABLE item (id int PRIMARY KEY, a int NOT NULL) TABLESPACE {tablespace} COMMENT 'of the shop'"
            " STATS_PERSISTENT=1 STATS_SAMPLE_PAGES=7 ROW_FORMAT=COMPACT"
        )
        [(_, before)] = shop.run("SHOW CREATE TABLE item")
        ending = await run(shop, altering(shop, "ALTER TABLE item ADD COLUMN b int"), tmp_path)
        assert isinstance(ending, RunCompleted), ending
        [(_, after)] = shop.run("SHOW CREATE TABLE item")
        assert str(after).rpartition("\n)")[2] == str(before).rpartition("\n)")[2]
        assert f"TABLESPACE `{tablespace}`" in str(after)
    finally:
        for table in shop.tables():
            shop.run(f"DROP TABLE `{table}`")
        shop.run(f"DROP TABLESPACE {tablespace}")


async def test_the_room_on_the_disk_is_known_or_said_to_be_unknown(shop: Shop, session: Session) -> None:
    table = await read_table(session, shop.schema, "customer")
    text = await definition(session, shop.schema, "customer")
    assert table is not None
    assert text is not None
    settings = VitessSettings()
    room = await disk.look(session, shop.schema, table, table, text, settings)
    [(datadir, uuid)] = shop.run("SELECT @@datadir, @@server_uuid")
    if disk.is_here(str(datadir), str(uuid)):
        assert isinstance(room, list)
        assert all(each.free > 0 for each in room)
        assert sum(each.needed for each in room) > 16384
    else:
        assert isinstance(room, disk.Unknown)
    assert disk.judge(room, "customer", 0) is None


async def test_a_change_that_has_no_room_is_refused_in_numbers(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALTERD_VITESS__DISK_RESERVE", str(10**15))
    monkeypatch.setenv("ALTERD_VITESS__DISK_BUDGET", "1")
    shop.run("CREATE TABLE item (id int PRIMARY KEY, a int NOT NULL)")
    ending = await run(shop, altering(shop), tmp_path)
    assert isinstance(ending, RunFailed)
    assert "the copy of item needs about" in ending.error.message
    assert shop.columns("item") == ["id", "a"]


async def test_a_copy_is_ended_before_the_disk_is_full(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk of this test gets smaller with each look."""
    free = iter([10**12, 10**12, *range(10**9, 0, -(10**8))])
    monkeypatch.setattr(disk, "is_here", lambda *_: True)
    monkeypatch.setattr(disk, "disks", lambda places: [disk.Disk(min(places), next(free, 0), max(places.values()))])
    monkeypatch.setattr(disk, "LOOK_EVERY", 0.05)
    shop.run("CREATE TABLE item (id int PRIMARY KEY, a int NOT NULL)")
    shop.run("INSERT INTO item VALUES (1, 1)")
    running = await Running.start(shop, altering(shop, ALTER), tmp_path, postponed=True)
    ending = await running.ending()
    assert isinstance(ending, RunFailed)
    assert ending.error.code == "no_room"
    assert "are free on" in ending.error.message
    assert shop.columns("item") == ["id", "a"]
    [(listed,)] = shop.run(
        f"SELECT count(*) FROM _alterd.artifacts WHERE migration_uuid = '{running.uuid}' AND collected_at IS NULL"
    )
    assert listed >= 1
