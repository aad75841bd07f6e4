"""What the next attempt makes of one that died: facts on the server decide."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from alterd_contracts.errors import Fenced
from alterd_contracts.migration import Migration
from alterd_contracts.statement import StatementKind
from alterd_executor.protocol import RunCompleted, RunFailed, RunFenced, RunReleased
from tests.integration.executor_support import Attempt, alter, next_attempt, record_of, run
from tests.support import eventually
from tests.support.shop import Shop


async def dies(shop: Shop, record: Migration, workdir: Path, monkeypatch: pytest.MonkeyPatch, point: str) -> Migration:
    """Runs an attempt up to a fail point, where it ends without a word; the record of the next one."""
    monkeypatch.setenv("ALTERD_FAILPOINT", f"{point}:error")
    attempt = await Attempt.claim(shop, record, workdir)
    with pytest.raises(Exception, match=f"fail point {point}"):
        await attempt.strategy.run(attempt.task)
    await attempt.die()
    monkeypatch.delenv("ALTERD_FAILPOINT")
    return next_attempt(record)


POINTS = ["statement.remembered", "statement.executed"]


@pytest.mark.parametrize("point", POINTS)
async def test_an_index_without_a_name_is_made_once(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    later = await dies(shop, alter(shop, "ADD INDEX (a)"), tmp_path, monkeypatch, point)
    assert isinstance(await run(shop, later, tmp_path), RunCompleted)
    assert sorted(shop.indexes()) == ["PRIMARY", "a"]


@pytest.mark.parametrize("point", POINTS)
async def test_a_table_is_created_once(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    create = record_of(shop, StatementKind.CREATE_TABLE, "item", "CREATE TABLE item (id int PRIMARY KEY)")
    later = await dies(shop, create, tmp_path, monkeypatch, point)
    assert isinstance(await run(shop, later, tmp_path), RunCompleted)
    assert shop.tables() == ["customer", "item"]


@pytest.mark.parametrize("point", ["run.artifact_declared", *POINTS])
async def test_a_table_is_held_once(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    shop.run("CREATE TABLE child (c int unsigned, FOREIGN KEY (c) REFERENCES customer (id))")
    drop = record_of(shop, StatementKind.DROP_TABLE, "child", "DROP TABLE child")
    later = await dies(shop, drop, tmp_path, monkeypatch, point)
    ending = await run(shop, later, tmp_path)
    assert isinstance(ending, RunCompleted)
    [held] = [name for name in shop.tables() if name != "customer"]
    assert held in ending.message
    shop.run("DELETE FROM customer WHERE id = 1")
    [(declared,)] = shop.run(f"SELECT count(*) FROM _alterd.artifacts WHERE migration_uuid = '{drop.migration_uuid}'")
    assert declared == (2 if point == "run.artifact_declared" else 1)  # what was declared only is collected


@pytest.mark.parametrize("point", POINTS)
async def test_a_rebuild_may_run_again(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str) -> None:
    later = await dies(shop, alter(shop, "ENGINE=InnoDB"), tmp_path, monkeypatch, point)
    assert isinstance(await run(shop, later, tmp_path), RunCompleted)


async def test_an_exchange_of_partitions_is_never_sent_twice(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.run(
        "CREATE TABLE parts (id int) PARTITION BY RANGE (id)"
        " (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20))"
    )
    shop.run("CREATE TABLE single (id int)")
    shop.run("INSERT INTO single VALUES (5)")
    record = alter(shop, "EXCHANGE PARTITION p0 WITH TABLE single", "parts")
    later = await dies(shop, record, tmp_path, monkeypatch, "statement.executed")
    ending = await run(shop, later, tmp_path)
    assert isinstance(ending, RunFailed)
    assert ending.error.code == "ambiguous"
    assert shop.run("SELECT count(*) FROM parts") == [(1,)]


async def test_a_table_that_was_altered_by_somebody_else_is_for_a_person(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = await dies(shop, alter(shop, "ADD COLUMN b int"), tmp_path, monkeypatch, "statement.remembered")
    shop.run("ALTER TABLE customer ADD COLUMN other int")
    ending = await run(shop, later, tmp_path)
    assert isinstance(ending, RunFailed)
    assert ending.error.code == "ambiguous"
    assert f"{shop.schema}.customer" in ending.error.message
    assert "_alterd.statements" in ending.error.hint
    assert shop.columns() == ["id", "a", "name", "other"]


async def test_a_retry_does_not_judge_by_what_an_earlier_try_wrote_down(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = await dies(shop, alter(shop, "ADD COLUMN b int"), tmp_path, monkeypatch, "statement.remembered")
    shop.run("ALTER TABLE customer ADD COLUMN other int")
    retried = later.evolve(attempt=3, first_attempt=3)
    assert await run(shop, retried, tmp_path) == RunCompleted()
    assert shop.columns() == ["id", "a", "name", "other", "b"]


async def test_the_next_attempt_ends_a_statement_that_still_works(shop: Shop, tmp_path: Path) -> None:
    """Its process may be paused for ever; what it sent is ended, and it can send nothing more."""
    record = alter(shop, "ADD INDEX (a)")
    first = await Attempt.claim(shop, record, tmp_path)
    with shop.table_in_use():
        running = asyncio.create_task(first.run())
        await eventually(lambda: shop.waiting_alters() == 1)
        second = await Attempt.claim(shop, next_attempt(record), tmp_path)
        assert shop.waiting_alters() == 0
        assert isinstance(await running, RunReleased | RunFenced)
        with pytest.raises(Fenced):
            await first.task.primary()
        again = asyncio.create_task(second.run())
        await eventually(lambda: shop.waiting_alters() == 1)
    assert isinstance(await again, RunCompleted)
    assert sorted(shop.indexes()) == ["PRIMARY", "a"]


async def test_a_cancel_of_what_has_happened_is_too_late(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = await dies(shop, alter(shop, "ADD INDEX (a)"), tmp_path, monkeypatch, "statement.executed")
    ending = await run(shop, later.evolve(cancel_requested=True), tmp_path)
    assert isinstance(ending, RunCompleted)


async def test_a_session_killed_under_the_statement_gives_the_attempt_back(shop: Shop, tmp_path: Path) -> None:
    record = alter(shop, "ADD COLUMN b int")
    attempt = await Attempt.claim(shop, record, tmp_path)
    with shop.table_in_use():
        running = asyncio.create_task(attempt.run())
        await eventually(lambda: shop.waiting_alters() == 1)
        [(connection,)] = shop.run(
            "SELECT id FROM performance_schema.processlist"
            f" WHERE db = '{shop.schema}' AND state = 'Waiting for table metadata lock'"
        )
        shop.run(f"KILL {connection}")
        ending = await running
    assert isinstance(ending, RunReleased)
    assert ending.error is not None
    assert ending.error.code == "lost_session"
    assert isinstance(await run(shop, next_attempt(record), tmp_path), RunCompleted)
