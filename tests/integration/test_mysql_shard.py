"""Finding the primary among real servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alterd_contracts.errors import ShardUnreachable, UnsafeShard
from alterd_contracts.topology import SecretRef, ServerAddress, Shard
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.shard import PrimaryFinder, find_primary
from tests.integration.mysql_fixture_tmp import Server, running
from tests.support import eventually

NOBODY = ServerAddress("127.0.0.1", 1)


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("second"), 2) as server:
        yield server


@pytest.fixture
def secret(tmp_path: Path) -> SecretRef:
    path = tmp_path / "secret"
    path.write_text("geheim\n")
    path.chmod(0o600)
    return SecretRef(file=str(path))


@pytest.fixture(autouse=True)
def account(mysql: Server, second: Server) -> None:
    for server in (mysql, second):
        session = BlockingSession.open(server.address, server.credentials)
        session.execute("SET SESSION sql_log_bin = 0")
        session.execute("CREATE USER IF NOT EXISTS finder IDENTIFIED BY 'geheim'")
        session.execute("GRANT SELECT ON performance_schema.* TO finder")
        session.close()


def shard(*servers: ServerAddress, password: SecretRef) -> Shard:
    return Shard(name="0", schema="s", servers=servers, user="finder", password=password)


async def test_two_writable_servers_are_unsafe(mysql: Server, second: Server, secret: SecretRef) -> None:
    both = shard(mysql.address, second.address, password=secret)
    with pytest.raises(UnsafeShard, match="shard 0 has 2 writable servers") as caught:
        await find_primary(both, keyspace="commerce")
    assert str(mysql.address) in caught.value.message
    assert str(second.address) in caught.value.message
    assert caught.value.where == {"shard": "0", "keyspace": "commerce"}


async def test_the_primary_and_its_replica(mysql: Server, second: Server, secret: SecretRef) -> None:
    replica = BlockingSession.open(second.address, second.credentials)
    replica.execute("SET GLOBAL super_read_only = ON")
    group = shard(NOBODY, second.address, mysql.address, password=secret)
    finder = PrimaryFinder()
    try:
        found = await finder.find(group)
        assert (found.address, found.replicas, found.unreachable) == (mysql.address, (), (NOBODY,))
        replica.execute(
            "CHANGE REPLICATION SOURCE TO SOURCE_HOST = %s, SOURCE_PORT = %s, SOURCE_USER = 'root',"
            " SOURCE_AUTO_POSITION = 1, GET_SOURCE_PUBLIC_KEY = 1",
            (mysql.address.host, mysql.address.port),
        )
        replica.execute("START REPLICA IO_THREAD")

        async def replicates() -> bool:
            finder.forget(group)
            return (await finder.find(group)).replicas == (second.address,)

        await eventually(replicates)
        replica.execute("SET GLOBAL read_only = OFF")
        assert (await finder.find(group)).address == mysql.address
        finder.forget(group)
        with pytest.raises(UnsafeShard):
            await finder.find(group)
    finally:
        replica.execute("STOP REPLICA")
        replica.execute("RESET REPLICA ALL")
        replica.execute("SET GLOBAL read_only = OFF")
        replica.close()


async def test_no_primary_names_every_answer(second: Server, secret: SecretRef) -> None:
    session = BlockingSession.open(second.address, second.credentials)
    session.execute("SET GLOBAL read_only = ON")
    try:
        with pytest.raises(ShardUnreachable) as caught:
            await find_primary(shard(NOBODY, second.address, password=secret))
    finally:
        session.execute("SET GLOBAL read_only = OFF")
        session.close()
    assert f"{NOBODY}: no MySQL answers" in caught.value.message
    assert f"{second.address}: read only" in caught.value.message


async def test_a_wrong_password_says_so_and_nothing_else(mysql: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALTERD_TEST_PASSWORD", "falsch-geheim")
    with pytest.raises(ShardUnreachable) as caught:
        await find_primary(shard(mysql.address, password=SecretRef(env="ALTERD_TEST_PASSWORD")))
    assert "refused user 'finder': MySQL error 1045: Access denied" in caught.value.message
    assert "geheim" not in str(caught.value.info())
