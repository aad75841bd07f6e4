"""The change stream of a replica: the same changes, conditions, and what happens when it is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from alterd_contracts.topology import ServerAddress
from alterd_executor.protocol import RunCompleted, RunFailed
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.server import ServerFacts
from alterd_runtime.provision.server import Server
from alterd_vitess import sources
from alterd_vitess.stream.replica import ReplicaFacts, obstacles, read_replica
from tests.integration.vitess_support import Running, altering
from tests.support import eventually
from tests.support.servers import shop_at
from tests.support.shop import Shop

CHANGE = "ALTER TABLE customer ADD c INT NOT NULL DEFAULT 7"


@pytest.fixture
def pair(mysql_pair: tuple[Server, Server]) -> Iterator[tuple[Shop, Shop]]:
    """A schema on the primary, and the replica."""
    primary, replica = mysql_pair
    with shop_at(primary.endpoint).fresh() as shop:
        yield shop, shop_at(replica.endpoint)


async def started(shop: Shop, replica: Shop, folder: Path) -> Running:
    record = altering(shop, CHANGE, "customer", options="--binlog-source=replica")
    replicas = tuple(map(ServerAddress.parse, replica.servers))
    return await Running.start(shop, record, folder, postponed=True, replicas=replicas)


def dumps(server: Shop, uuid: str) -> list[int]:
    """Connections on which the server sends its binlog to a run."""
    rows = server.run(
        "SELECT processlist_id FROM performance_schema.threads JOIN performance_schema.session_connect_attrs"
        f" USING (processlist_id) WHERE attr_name = 'program_name' AND attr_value LIKE 'alterd:{uuid}:%'"
        " AND processlist_command LIKE 'Binlog Dump%'"
    )
    return [int(row[0]) for row in rows]


async def test_changes_come_from_the_replica_and_from_the_primary_when_it_is_lost(
    pair: tuple[Shop, Shop], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop, replica = pair
    running = await started(shop, replica, tmp_path)
    await running.until_stage("ready to complete")
    assert dumps(replica, running.uuid)
    assert not dumps(shop, running.uuid)
    shadow = next(name for name in shop.tables() if name.startswith("_alterd_shd"))
    shop.run("UPDATE customer SET name = 'by replica' WHERE id = 1")
    await eventually(lambda: shop.run(f"SELECT name FROM {shadow} WHERE id = 1") == [("by replica",)])
    [dump] = dumps(replica, running.uuid)
    replica.run(f"KILL {dump}")
    shop.run("UPDATE customer SET name = 'again' WHERE id = 2")
    await eventually(lambda: shop.run(f"SELECT name FROM {shadow} WHERE id = 2") == [("again",)])
    assert dumps(replica, running.uuid), "a killed dump is begun again there"
    monkeypatch.setattr(sources, "BEHIND", 1.0)
    replica.run("STOP REPLICA SQL_THREAD")
    try:
        shop.run("UPDATE customer SET name = 'by primary' WHERE id = 3")
        await eventually(lambda: shop.run(f"SELECT name FROM {shadow} WHERE id = 3") == [("by primary",)], 30)
        assert dumps(shop, running.uuid)
        assert "behind the primary" in running.attempt.log()
        await running.attempt.permit()
        assert isinstance(await running.ending(), RunCompleted)
    finally:
        replica.run("START REPLICA SQL_THREAD")
    assert shop.run("SELECT name, c FROM customer ORDER BY id") == [("by replica", 7), ("again", 7), ("by primary", 7)]


async def test_a_replica_that_cannot_tell_is_refused_and_the_table_stays(
    pair: tuple[Shop, Shop], tmp_path: Path
) -> None:
    shop, replica = pair
    replica.run("SET GLOBAL binlog_row_image = MINIMAL")
    try:
        ending = await (await started(shop, replica, tmp_path)).ending()
    finally:
        replica.run("SET GLOBAL binlog_row_image = FULL")
    assert isinstance(ending, RunFailed)
    assert ending.error.code == "stream_refused"
    assert "binlog_row_image is MINIMAL" in ending.error.message
    assert "--binlog-source=primary" in ending.error.hint
    assert "c" not in shop.columns("customer")


async def test_a_filter_is_found(pair: tuple[Shop, Shop], tmp_path: Path) -> None:
    shop, replica = pair
    run_stopped(replica, "CHANGE REPLICATION FILTER REPLICATE_IGNORE_TABLE = (nowhere.at_all)")
    try:
        ending = await (await started(shop, replica, tmp_path)).ending()
    finally:
        run_stopped(replica, "CHANGE REPLICATION FILTER REPLICATE_IGNORE_TABLE = ()")
    assert isinstance(ending, RunFailed)
    assert "REPLICATE_IGNORE_TABLE" in ending.error.message


def run_stopped(replica: Shop, statement: str) -> None:
    replica.run("STOP REPLICA SQL_THREAD")
    replica.run(statement)
    replica.run("START REPLICA SQL_THREAD")


async def test_without_a_replica_it_is_refused(shop: Shop, tmp_path: Path) -> None:
    record = altering(shop, CHANGE, "customer", options="--binlog-source=replica")
    ending = await (await Running.start(shop, record, tmp_path)).ending()
    assert isinstance(ending, RunFailed)
    assert ending.error.code == "stream_refused"
    assert "no replica" in ending.error.message


async def test_only_the_two_can_be_asked_for(shop: Shop, tmp_path: Path) -> None:
    record = altering(shop, CHANGE, "customer", options="--binlog-source=elsewhere")
    ending = await (await Running.start(shop, record, tmp_path)).ending()
    assert isinstance(ending, RunFailed)
    assert ending.error.code == "invalid_strategy"


def test_what_speaks_against_a_replica(mysql_pair: tuple[Server, Server]) -> None:
    _, replica = mysql_pair
    endpoint = replica.endpoint
    session = BlockingSession.open(endpoint.address, endpoint.credentials)
    try:
        facts = read_replica(session)
    finally:
        session.close()
    source = facts.channels[0]["source"]
    assert obstacles(facts, source) == []

    def said(primary: str = source, **changes: object) -> str:
        server = {name: value for name, value in changes.items() if name in ServerFacts.__struct_fields__}
        others = {name: value for name, value in changes.items() if name in ReplicaFacts.__struct_fields__}
        changed = msgspec.structs.replace(facts, server=msgspec.structs.replace(facts.server, **server), **others)
        return "; ".join(obstacles(changed, primary))

    assert "log_replica_updates is OFF" in said(logs_updates=False)
    assert "gtid_mode is ON_PERMISSIVE" in said(gtid_mode="ON_PERMISSIVE")
    assert "log_bin is OFF" in said(log_bin=False)
    assert "PARTIAL_JSON" in said(row_value_options="PARTIAL_JSON")
    assert "it is writable" in said(read_only=False, super_read_only=False)
    assert "filters (REPLICATE_DO_DB)" in said(filters=("REPLICATE_DO_DB",))
    assert "it replicates from nobody" in said(channels=())
    stopped = {"source": source, "receiving": "ON", "applying": "OFF"}
    assert "its replication is stopped" in said(channels=(stopped,))
    assert "it is the primary itself" in said(primary=facts.server.server_uuid)


async def test_transactions_of_its_own_are_found(pair: tuple[Shop, Shop], tmp_path: Path) -> None:
    """The last one here: they stay. The primary would never show them."""
    shop, replica = pair
    replica.run("SET GLOBAL super_read_only = OFF")
    replica.run("CREATE SCHEMA own")
    replica.run("SET GLOBAL super_read_only = ON")
    ending = await (await started(shop, replica, tmp_path)).ending()
    assert isinstance(ending, RunFailed)
    assert ending.error.code == "stream_refused"
    assert f"has transactions of its own: {replica.run('SELECT @@server_uuid')[0][0]}" in ending.error.message
