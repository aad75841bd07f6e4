"""The primary dies under a run, and its replica is promoted: no number of a table is what it was.

The program is the stand-in, as in `test_spirit_runs`.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from alterd_contracts.errors import ShardUnreachable
from alterd_contracts.migration import Migration
from alterd_contracts.statement import StatementKind
from alterd_contracts.states import Status
from alterd_executor.protocol import RunCompleted
from alterd_runtime.provision.replication import promote, wait_caught_up
from alterd_runtime.provision.server import Server
from tests.integration import executor_support
from tests.integration.executor_support import next_attempt, record_of
from tests.integration.vitess_support import Running
from tests.support import eventually
from tests.support.servers import shop_at
from tests.support.shop import Shop

from alterd_spirit.program import VARIABLE
from alterd_spirit.strategy import Spirit
from programs import running, stand_in

ALTER = "ALTER TABLE item MODIFY u BIGINT, ADD INDEX by_u (u)"


def at(server: Server, schema: str = "") -> Shop:
    plain = shop_at(server.endpoint)
    return Shop(plain.servers, plain.user, plain.password, schema)


async def start(shop: Shop, record: Migration, folder: Path, **options: bool) -> Running:
    workdir = folder / f"run{record.attempt}"
    await asyncio.to_thread(workdir.mkdir)
    return await Running.start(shop, record, workdir, **options)


async def test_the_next_attempt_completes_on_the_promoted_replica(
    mysql_pair: tuple[Server, Server], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held at the sentinel; the numbers of the promoted server are others, and mean nothing there."""
    monkeypatch.setenv(VARIABLE, str(stand_in(tmp_path)))
    monkeypatch.setitem(executor_support.STRATEGIES, "spirit", Spirit())
    primary, replica = mysql_pair
    at(primary).run("CREATE SCHEMA shop_failover")
    before, after = at(primary, "shop_failover"), at(replica, "shop_failover")
    with before.session() as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_log_bin = 0")
        for number in range(3):  # the replica does not count them
            cursor.execute(f"CREATE TABLE early_{number} (id int)")
    before.run("CREATE TABLE item (id INT NOT NULL PRIMARY KEY, u INT, b VARCHAR(30))")
    before.run(f"INSERT INTO item VALUES {','.join(f'({n}, {n}, {n})' for n in range(1, 201))}")
    record = record_of(before, StatementKind.ALTER_TABLE, "item", ALTER, strategy="spirit")

    first = await start(before, record, tmp_path, postponed=True)
    await first.until_stage("ready to complete")
    before.run("UPDATE item SET b = 'late' WHERE id = 5")
    assert await asyncio.to_thread(wait_caught_up, replica.endpoint, primary.endpoint, 60)
    await asyncio.to_thread(primary.kill)
    with pytest.raises(ShardUnreachable):
        await first.vanish()
    await eventually(lambda: not running("shop_failover"))
    await asyncio.to_thread(promote, replica.endpoint, 60)
    rows = after.run("SELECT id, u, b FROM item ORDER BY id")

    second = await start(after, next_attempt(record), tmp_path)
    ending = await asyncio.wait_for(second.task, 60)
    await second.attempt.task.finish(Status.COMPLETE)
    assert isinstance(ending, RunCompleted), ending
    assert "left: StartOver" in second.attempt.log()
    assert "resuming from checkpoint" not in second.attempt.log()
    assert after.indexes("item") == ["PRIMARY", "by_u"]
    assert after.run("SELECT id, u, b FROM item ORDER BY id") == rows
    assert (5, 5, "late") in rows
    assert after.accounts(record.migration_uuid) == []
    assert not {"_item_new", "_item_old", "_item_chkpnt", "_spirit_sentinel"} & set(after.tables())

    third = await start(after, next_attempt(next_attempt(record)), tmp_path)
    ending = await third.ending()
    assert isinstance(ending, RunCompleted), ending
    assert "found cut over" in ending.message
