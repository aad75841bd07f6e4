"""Servers of this module's own: finding the primary among them, making the sidecar."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from alterd_contracts.errors import ShardUnreachable, UnsafeShard
from alterd_contracts.topology import SecretRef, ServerAddress, Shard
from alterd_runtime.mysql import sidecar
from alterd_runtime.mysql.session import Session
from alterd_runtime.mysql.shard import PrimaryFinder, find_primary
from alterd_runtime.provision.mysql_server import MySQLServer
from tests.support import eventually

Pair = tuple[MySQLServer, MySQLServer]
USER = "root"
NOBODY = ServerAddress("127.0.0.1", 1)


def address(server: MySQLServer) -> ServerAddress:
    return server.endpoint.address


def run(server: MySQLServer, sql: str) -> None:
    session = server.endpoint.open()
    session.execute(sql)
    session.close()


@pytest.fixture
def secret(mysql_pair: Pair, tmp_path: Path) -> SecretRef:
    path = tmp_path / "secret"
    path.touch(mode=0o600)
    path.write_text(mysql_pair[0].endpoint.credentials.password + "\n")
    return SecretRef(file=str(path))


def shard(*servers: ServerAddress, password: SecretRef) -> Shard:
    return Shard(name="0", schema="s", servers=servers, user=USER, password=password)


async def test_the_primary_and_its_replica(mysql_pair: Pair, secret: SecretRef) -> None:
    primary, replica = mysql_pair
    group = shard(NOBODY, address(replica), address(primary), password=secret)

    async def replicates() -> bool:
        return (await find_primary(group)).replicas == (address(replica),)

    await eventually(replicates)
    found = await find_primary(group)
    assert (found.address, found.unreachable) == (address(primary), (NOBODY,))
    assert "***" in repr(found)


async def test_two_writable_servers_are_unsafe(mysql_pair: Pair, secret: SecretRef) -> None:
    primary, replica = mysql_pair
    both = shard(address(primary), address(replica), password=secret)
    finder = PrimaryFinder()
    assert (await finder.find(both)).address == address(primary)
    run(replica, "SET GLOBAL read_only = OFF")
    try:
        assert (await finder.find(both)).address == address(primary)
        finder.forget(both)
        with pytest.raises(UnsafeShard, match="shard 0 has 2 writable servers") as caught:
            await finder.find(both, keyspace="commerce")
    finally:
        run(replica, "SET GLOBAL super_read_only = ON")
    assert str(address(primary)) in caught.value.message
    assert str(address(replica)) in caught.value.message
    assert caught.value.where == {"shard": "0", "keyspace": "commerce"}
    assert (await finder.find(both)).address == address(primary)


async def test_no_primary_names_every_answer(mysql_pair: Pair, secret: SecretRef) -> None:
    _, replica = mysql_pair
    with pytest.raises(ShardUnreachable) as caught:
        await find_primary(shard(NOBODY, address(replica), password=secret))
    assert f"{NOBODY}: no MySQL answers" in caught.value.message
    assert f"{address(replica)}: read only" in caught.value.message


async def test_a_wrong_password_says_so_and_nothing_else(mysql_pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALTERD_TEST_PASSWORD", "falsch-geheim")
    with pytest.raises(ShardUnreachable) as caught:
        await find_primary(shard(address(mysql_pair[0]), password=SecretRef(env="ALTERD_TEST_PASSWORD")))
    assert "refused user 'root': MySQL error 1045: Access denied" in caught.value.message
    assert "geheim" not in str(caught.value.info())


async def test_the_sidecar_is_made_once_by_many(mysql_pair: Pair) -> None:
    endpoint = mysql_pair[0].endpoint
    sessions = [await Session.open(endpoint.address, endpoint.credentials) for _ in range(4)]
    await asyncio.gather(*(sidecar.ensure(session) for session in sessions))
    rows = await sessions[0].query(
        "SELECT TABLE_NAME AS name, ENGINE AS engine FROM information_schema.TABLES WHERE TABLE_SCHEMA = '_alterd'"
    )
    assert {row["name"]: row["engine"] for row in rows} == dict.fromkeys(sidecar.TABLES, "InnoDB")
    before = await sessions[0].value("SELECT @@global.gtid_executed")
    await sidecar.ensure(sessions[0])
    assert await sessions[0].value("SELECT @@global.gtid_executed") == before
    for session in sessions:
        await session.close()
