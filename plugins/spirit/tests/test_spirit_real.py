"""The real spirit, where it can be had: as found, or built by `scripts/get-spirit`. Else skipped with the reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alterd_contracts.migration import Migration
from alterd_contracts.statement import StatementKind
from alterd_contracts.states import Status
from alterd_executor.protocol import RunCancelled, RunCompleted, RunFailed
from tests.integration import executor_support
from tests.integration.executor_support import next_attempt, record_of
from tests.integration.vitess_support import Running
from tests.support import eventually
from tests.support.shop import Shop

from alterd_spirit.program import VARIABLE
from alterd_spirit.strategy import Spirit
from programs import real_spirit, running

ALTER = "ALTER TABLE item MODIFY u BIGINT, ADD INDEX by_u (u)"


@pytest.fixture(autouse=True)
def _spirit(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(real_spirit()))
    monkeypatch.setitem(executor_support.STRATEGIES, "spirit", Spirit())
    shop.run("CREATE TABLE item (id INT NOT NULL PRIMARY KEY, u INT, b VARCHAR(30))")
    shop.run(f"INSERT INTO item VALUES {','.join(f'({n}, {n}, {n})' for n in range(1, 2001))}")


def altering(shop: Shop, sql: str = ALTER, **fields: Any) -> Migration:
    return record_of(shop, StatementKind.ALTER_TABLE, "item", sql, strategy="spirit", **fields)


async def start(shop: Shop, record: Migration, tmp_path: Path, **options: Any) -> Running:
    workdir = tmp_path / f"run{record.attempt}"
    workdir.mkdir()
    return await Running.start(shop, record, workdir, **options)


def nothing_is_left(shop: Shop, record: Migration) -> None:
    assert running(shop.schema) == []
    assert shop.accounts(record.migration_uuid) == []
    assert not {"_item_new", "_item_old", "_item_chkpnt", "_spirit_sentinel"} & set(shop.tables())


async def test_spirit_is_held_and_released(shop: Shop, tmp_path: Path) -> None:
    before = shop.run("SELECT * FROM item ORDER BY id")
    record = altering(shop)
    run = await start(shop, record, tmp_path, postponed=True)
    await run.until_stage("ready to complete")
    assert shop.indexes("item") == ["PRIMARY"]
    await run.attempt.permit()
    ending = await run.ending(90)
    assert isinstance(ending, RunCompleted), ending
    await run.attempt.task.finish(Status.COMPLETE)
    assert shop.indexes("item") == ["PRIMARY", "by_u"]
    assert shop.run("SELECT * FROM item ORDER BY id") == before
    nothing_is_left(shop, record)


async def test_spirit_is_killed_while_it_waits_and_goes_on(shop: Shop, tmp_path: Path) -> None:
    record = altering(shop)
    first = await start(shop, record, tmp_path, postponed=True)
    await first.until_stage("ready to complete")
    await first.vanish()
    await eventually(lambda: not running(shop.schema))
    second = await start(shop, next_attempt(record), tmp_path)
    assert isinstance(await second.ending(90), RunCompleted)
    assert shop.indexes("item") == ["PRIMARY", "by_u"]
    nothing_is_left(shop, record)


async def test_spirit_is_cancelled(shop: Shop, tmp_path: Path) -> None:
    record = altering(shop)
    run = await start(shop, record, tmp_path, postponed=True)
    await run.until_stage("ready to complete")
    await run.attempt.cancel()
    assert isinstance(await run.ending(90), RunCancelled)
    assert shop.indexes("item") == ["PRIMARY"]
    nothing_is_left(shop, record)


async def test_spirit_fails_on_duplicates_and_on_flags(shop: Shop, tmp_path: Path) -> None:
    shop.run("UPDATE item SET u = 1 WHERE id IN (2, 3)")
    before = shop.run("SELECT * FROM item ORDER BY id")
    for sql, options in (("ALTER TABLE item ADD UNIQUE KEY only_u (u)", ""), (ALTER, "--no-such=1")):
        record = altering(shop, sql, options=options)
        folder = tmp_path / record.migration_uuid
        folder.mkdir()
        run = await start(shop, record, folder)
        assert isinstance(await run.ending(90), RunFailed)
        assert shop.run("SELECT * FROM item ORDER BY id") == before
        nothing_is_left(shop, record)
