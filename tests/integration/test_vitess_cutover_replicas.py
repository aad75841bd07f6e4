"""Replicas and the cut-over: who is behind is waited for, who does not answer is not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from alterd_contracts.topology import ServerAddress
from alterd_runtime.provision.server import Server
from tests.integration.cutover_support import ALTER, completed, ready
from tests.integration.vitess_support import Running, altering, phases
from tests.support.servers import shop_at
from tests.support.shop import Shop


@pytest.fixture
def followed(mysql_pair: tuple[Server, Server]) -> Iterator[tuple[Shop, Shop]]:
    """A fresh schema on a primary, and its replica."""
    primary, replica = (shop_at(server.endpoint) for server in mysql_pair)
    with primary.fresh() as shop:
        shop.run("CREATE TABLE item (id INT NOT NULL PRIMARY KEY, a INT)")
        shop.run("INSERT INTO item VALUES (7, 7)")
        yield shop, replica


async def test_a_replica_that_is_behind_is_named_and_waited_for(followed: tuple[Shop, Shop], tmp_path: Path) -> None:
    shop, replica = followed
    replica.run("STOP REPLICA SQL_THREAD")
    address = ServerAddress.parse(replica.servers[0])
    running = await Running.start(shop, altering(shop, ALTER), tmp_path, replicas=(address,))
    await running.until_message(f"the cut-over waits: replica {address} is more than ")
    await asyncio.sleep(1)
    assert "cut-over" not in phases(running.attempt)
    replica.run("START REPLICA SQL_THREAD")
    await completed(running, shop)


async def test_a_replica_that_does_not_answer_holds_nothing_up(followed: tuple[Shop, Shop], tmp_path: Path) -> None:
    shop, replica = followed
    address = ServerAddress.parse(replica.servers[0])
    running = await ready(shop, tmp_path, replicas=(address,))
    [(connection,)] = replica.run(
        "SELECT processlist_id FROM performance_schema.threads JOIN performance_schema.session_connect_attrs"
        f" USING (processlist_id) WHERE attr_name = 'program_name' AND attr_value LIKE 'alterd:{running.uuid}:%'"
    )
    replica.run(f"KILL {connection}")
    await running.attempt.permit()
    await completed(running, shop)
    assert f"the replica {address} does not answer" in running.attempt.log()
