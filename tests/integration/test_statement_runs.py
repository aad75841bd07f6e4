"""CREATE, ALTER and DROP on a real server, as one attempt carries them out."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from alterd_contracts.errors import ErrorInfo
from alterd_contracts.names import Artifact
from alterd_contracts.statement import StatementKind
from alterd_contracts.states import Status
from alterd_contracts.strategy import Wanted
from alterd_executor.protocol import (
    ArtifactForgotten,
    ArtifactNow,
    Ending,
    PhaseNow,
    ReadyNow,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunReleased,
)
from tests.integration.executor_support import Attempt, alter, record_of, run
from tests.support import eventually
from tests.support.shop import Shop


def failure(ending: Ending) -> ErrorInfo:
    assert isinstance(ending, RunFailed)
    return ending.error


def artifacts(shop: Shop, uuid: str) -> list[tuple[str, bool, bool]]:
    """Name, whether it has a time to be collected, whether it is collected."""
    rows = shop.run(
        "SELECT name, collect_after IS NOT NULL, collected_at IS NOT NULL FROM _alterd.artifacts"
        f" WHERE migration_uuid = '{uuid}' ORDER BY name"
    )
    return [(str(name), bool(timed), bool(collected)) for name, timed, collected in rows]


async def test_a_table_is_created_and_altered_as_the_user_wrote(shop: Shop, tmp_path: Path) -> None:
    create = record_of(shop, StatementKind.CREATE_TABLE, "item", "CREATE TABLE item (id int PRIMARY KEY)")
    attempt = await Attempt.claim(shop, create, tmp_path)
    assert await attempt.run() == RunCompleted()
    assert PhaseNow(phase="running") in attempt.sent
    assert await run(shop, alter(shop, "ADD COLUMN price int", "item"), tmp_path) == RunCompleted()
    assert shop.columns("item") == ["id", "price"]
    assert not [row for row in shop.run("SHOW SCHEMAS") if str(row[0]).startswith("_alterd_scratch")]


async def test_create_if_not_exists_of_a_table_that_is_there(shop: Shop, tmp_path: Path) -> None:
    sql = "CREATE TABLE IF NOT EXISTS customer (x int)"
    record = record_of(shop, StatementKind.CREATE_TABLE, "customer", sql, if_not_exists=True)
    assert await run(shop, record, tmp_path) == RunCompleted(message="the table customer existed already")
    assert shop.columns() == ["id", "a", "name"]


async def test_a_dropped_table_is_held_with_its_rows(shop: Shop, tmp_path: Path) -> None:
    drop = record_of(shop, StatementKind.DROP_TABLE, "customer", "DROP TABLE customer")
    attempt = await Attempt.claim(shop, drop, tmp_path)
    ending = await attempt.run()
    [held] = shop.tables()
    parsed = Artifact.parse(held)
    assert parsed is not None
    assert parsed.migration_uuid == drop.migration_uuid
    assert ending == RunCompleted(message=f"the table customer is held as {held}")
    assert ArtifactNow(name=held) in attempt.sent
    assert shop.run(f"SELECT count(*) FROM {held}") == [(3,)]
    assert artifacts(shop, drop.migration_uuid) == [(held, False, False)]
    await attempt.task.finish(Status.COMPLETE)
    assert artifacts(shop, drop.migration_uuid) == [(held, True, False)]
    [(status,)] = shop.run(
        f"SELECT record->>'$.migration_status' FROM _alterd.migrations WHERE migration_uuid = '{drop.migration_uuid}'"
    )
    assert status == "complete"


async def test_drop_if_exists_of_nothing_says_so_and_leaves_nothing(shop: Shop, tmp_path: Path) -> None:
    record = record_of(shop, StatementKind.DROP_TABLE, "gone", "DROP TABLE IF EXISTS gone", if_exists=True)
    assert await run(shop, record, tmp_path) == RunCompleted(message="the table gone did not exist")
    assert artifacts(shop, record.migration_uuid) == []


async def test_drop_of_nothing_fails_as_it_does_in_mysql(shop: Shop, tmp_path: Path) -> None:
    record = record_of(shop, StatementKind.DROP_TABLE, "gone", "DROP TABLE gone")
    error = failure(await run(shop, record, tmp_path))
    assert (error.code, "1051" in error.message) == ("statement_failed", True)


async def test_drop_table_leaves_views_alone(shop: Shop, tmp_path: Path) -> None:
    shop.run("CREATE VIEW v AS SELECT id FROM customer")
    record = record_of(shop, StatementKind.DROP_TABLE, "v", "DROP TABLE v")
    assert "1051" in failure(await run(shop, record, tmp_path)).message
    assert shop.tables() == ["customer", "v"]


async def test_a_held_table_restricts_nobody(shop: Shop, tmp_path: Path) -> None:
    shop.run(
        "CREATE TABLE orders (id int PRIMARY KEY, customer_id int unsigned, total int,"
        " CONSTRAINT positive CHECK (total > 0), FOREIGN KEY (customer_id) REFERENCES customer (id))"
    )
    shop.run("INSERT INTO orders VALUES (1, 1, 5)")
    drop = record_of(shop, StatementKind.DROP_TABLE, "orders", "DROP TABLE orders")
    assert isinstance(await run(shop, drop, tmp_path), RunCompleted)
    shop.run("DELETE FROM customer WHERE id = 1")
    # the name of a CHECK is taken in the whole schema
    shop.run("CREATE TABLE orders (total int, CONSTRAINT positive CHECK (total > 0))")


async def test_a_table_that_others_refer_to_is_not_dropped(shop: Shop, tmp_path: Path) -> None:
    """RENAME would take the foreign keys of the others along."""
    shop.run("CREATE TABLE orders (c int unsigned, CONSTRAINT of_customer FOREIGN KEY (c) REFERENCES customer (id))")
    drop = record_of(shop, StatementKind.DROP_TABLE, "customer", "DROP TABLE customer")
    error = failure(await run(shop, drop, tmp_path))
    assert "3730" in error.message
    assert "of_customer" in error.message
    assert shop.tables() == ["customer", "orders"]


async def test_a_table_that_refers_to_itself_is_dropped(shop: Shop, tmp_path: Path) -> None:
    shop.run("CREATE TABLE node (id int PRIMARY KEY, up int, FOREIGN KEY (up) REFERENCES node (id))")
    drop = record_of(shop, StatementKind.DROP_TABLE, "node", "DROP TABLE node")
    assert isinstance(await run(shop, drop, tmp_path), RunCompleted)
    assert "node" not in shop.tables()


async def test_a_statement_that_fails_on_the_rows_fails_with_mysqls_words(shop: Shop, tmp_path: Path) -> None:
    shop.run("INSERT INTO customer (a) VALUES (1)")
    error = failure(await run(shop, alter(shop, "ADD UNIQUE KEY (a)"), tmp_path))
    assert (error.code, "1062" in error.message) == ("statement_failed", True)
    assert shop.indexes() == ["PRIMARY"]


async def test_a_busy_table_is_not_waited_for_longer_than_allowed(shop: Shop, tmp_path: Path) -> None:
    """Every new query on the table waits behind the statement."""
    with shop.table_in_use():
        error = failure(await run(shop, alter(shop, "ADD COLUMN b int"), tmp_path, lock_wait=1))
    assert "1205" in error.message
    assert "metadata_locks" in error.hint
    assert shop.columns() == ["id", "a", "name"]


async def test_a_cancelled_statement_ends_on_the_server(shop: Shop, tmp_path: Path) -> None:
    attempt = await Attempt.claim(shop, alter(shop, "ADD COLUMN b int"), tmp_path)
    with shop.table_in_use():
        running = asyncio.create_task(attempt.run())
        await eventually(lambda: shop.waiting_alters() == 1)
        await attempt.cancel()
        assert await running == RunCancelled()
        assert shop.waiting_alters() == 0
    assert shop.columns() == ["id", "a", "name"]


async def test_a_cancelled_drop_forgets_the_name_it_did_not_use(shop: Shop, tmp_path: Path) -> None:
    drop = record_of(shop, StatementKind.DROP_TABLE, "customer", "DROP TABLE customer")
    attempt = await Attempt.claim(shop, drop, tmp_path)
    with shop.table_in_use():
        running = asyncio.create_task(attempt.run())
        await eventually(lambda: shop.waiting_alters() == 1)
        await attempt.cancel()
        assert await running == RunCancelled()
    assert shop.tables() == ["customer"]
    [(name, _, collected)] = artifacts(shop, drop.migration_uuid)
    assert collected
    assert ArtifactForgotten(name=name) in attempt.sent


async def test_a_stopped_attempt_is_given_back_and_leaves_nothing_running(shop: Shop, tmp_path: Path) -> None:
    attempt = await Attempt.claim(shop, alter(shop, "ADD COLUMN b int"), tmp_path)
    with shop.table_in_use():
        running = asyncio.create_task(attempt.run())
        await eventually(lambda: shop.waiting_alters() == 1)
        attempt.task.stopping.set()
        assert await running == RunReleased(reason="the executor stops")
        assert shop.waiting_alters() == 0


async def test_nothing_is_sent_before_a_fresh_yes(shop: Shop, tmp_path: Path) -> None:
    attempt = await Attempt.claim(shop, alter(shop, "ADD COLUMN b int"), tmp_path, postponed=True)
    running = asyncio.create_task(attempt.run())
    await attempt.task.hear(Wanted(may_complete=False))
    await eventually(lambda: any(type(message).__name__ == "AskMayComplete" for message in attempt.sent))
    attempt.task.answered(1, False)
    await eventually(lambda: ReadyNow(ready=True) in attempt.sent)
    assert shop.columns() == ["id", "a", "name"]
    await attempt.permit()
    await eventually(lambda: sum(type(message).__name__ == "AskMayComplete" for message in attempt.sent) == 2)
    attempt.task.answered(2, True)
    assert await running == RunCompleted()
    assert shop.columns() == ["id", "a", "name", "b"]


@pytest.mark.parametrize(
    ("kind", "sql"),
    [
        (StatementKind.CREATE_VIEW, "CREATE VIEW v AS SELECT id, name FROM customer"),
        (StatementKind.CREATE_VIEW, "CREATE OR REPLACE VIEW w AS SELECT a FROM customer"),
        (StatementKind.ALTER_VIEW, "ALTER VIEW w AS SELECT a, id FROM customer"),
        (StatementKind.DROP_VIEW, "DROP VIEW w"),
        (StatementKind.DROP_TABLE, "DROP TABLE customer"),
    ],
)
async def test_direct_runs_everything_as_it_is(shop: Shop, tmp_path: Path, kind: StatementKind, sql: str) -> None:
    shop.run("CREATE VIEW w AS SELECT id FROM customer")
    table = "v" if " v " in sql else "w" if " w" in sql else "customer"
    record = record_of(shop, kind, table, sql, strategy="direct")
    assert await run(shop, record, tmp_path) == RunCompleted()
    assert (table in shop.tables()) == (kind.ddl_action != "drop")
    if kind is StatementKind.CREATE_VIEW:  # the facts are plain to the next attempt
        later = await Attempt.claim(shop, record.evolve(attempt=2, tablet="e2"), tmp_path)
        assert await later.run() == RunCompleted(message="sent by attempt 1, found done")
