"""The primary dies, hangs or is moved in every phase, the replica is promoted: the change goes on there.

Semi-synchronous replication, so that nothing acknowledged is lost, and the writers' ledger proves every row; without
it the rows that the promoted server had are what must be there.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alterd_contracts.migration import Migration
from alterd_contracts.requests import Command
from alterd_contracts.states import Status
from alterd_runtime.bus import Bus, NatsSettings
from alterd_runtime.failpoints import FAILPOINTS
from alterd_runtime.provision.nats_server import NatsServer
from alterd_runtime.provision.server import Server
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.e2e.group import Group
from tests.e2e.online import ROWS, SMALL, Change, changing, start
from tests.support import eventually
from tests.support.shop import Shop
from tests.support.writers import SHAPES, Row, Writers

POINTS = [name for name in FAILPOINTS if name.startswith("vitess.")]
SWAPPED = {"vitess.renamed", "vitess.unlocked"}
ALWAYS = {"vitess.renamed"}
"""In every test run; the others are slow together."""
ALTER = "ALTER TABLE item ADD COLUMN c INT NOT NULL DEFAULT 7 FIRST, MODIFY a BIGINT NOT NULL, ADD INDEX by_a (a)"
SERVICES = ("scheduler", "intake", "throttler")


@pytest.fixture
async def group(tmp_path: Path) -> AsyncIterator[Group]:
    group = Group(tmp_path / "group")
    try:
        await asyncio.to_thread(group.start)
        yield group
    finally:
        await asyncio.to_thread(group.remove)


@pytest.fixture
async def client(nats: NatsServer, group: Group) -> AsyncIterator[Client]:
    async with Bus.open(NatsSettings(servers=(nats.url,)), "test", secrets.token_hex(4), patience=10) as bus:
        await bus.ensure()
        client = Client(bus, group.keyspace())
        await client.apply()
        yield client


@pytest.fixture
async def safe(group: Group) -> Group:
    """The replica has whatever the primary acknowledged."""
    await asyncio.to_thread(group.semi_synchronous)
    await group.until_semi_synchronous()
    return group


def point(name: str) -> object:
    return pytest.param(name, marks=() if name in ALWAYS else pytest.mark.slow)


def tables(shop: Shop, kind: str) -> list[str]:
    return [name for name in shop.tables() if name.startswith(f"_alterd_{kind}_")]


def begun(shop: Shop) -> bool:
    """The sidecar is there."""
    return bool(shop.run("SELECT 1 FROM information_schema.tables WHERE table_name = 'copy_state'"))


def copied(shop: Shop, uuid: str) -> int:
    """Rows of committed chunks on one server."""
    [(rows,)] = shop.run(
        f"SELECT COALESCE(SUM(rows_copied), 0) FROM _alterd.copy_state WHERE migration_uuid = '{uuid}'"
    )
    return int(rows)


def inserts(shop: Shop, uuid: str) -> int:
    """Rows inserted into the shadow, also those of rolled back chunks, as one server counts them."""
    digits = uuid.replace("_", "")
    [(rows,)] = shop.run(
        "SELECT COALESCE(SUM(count_insert), 0) FROM performance_schema.table_io_waits_summary_by_table"
        f" WHERE object_schema = '{shop.schema}' AND object_name LIKE '\\_alterd\\_shd\\_{digits}%'"
    )
    return int(rows)


async def give_up_old(client: Client, group: Group) -> None:
    """As an operator does when the old primary does not come back: the throttler waits for a replica it cannot ask."""
    client.keyspace = group.keyspace(group.primary)
    await client.apply()


async def ended(change: Change) -> Migration:
    return await change.client.until(change.uuid, lambda row: row.migration_status.terminal, timeout=120)


# The primary dies ------------------------------------------------------------------------------------------------


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", [point(name) for name in POINTS])
async def test_the_primary_dies_at_a_fail_point(
    fleet: Fleet, safe: Group, client: Client, tmp_path: Path, name: str
) -> None:
    """The run meets its dead sessions by itself, and so does its successor the promoted server."""
    start(fleet, *SERVICES)
    fleet.start("executor", **SMALL, ALTERD_FAILPOINT=f"{name}:hold={tmp_path}")
    async with changing(client, safe.shop, timeout=150) as change:
        await eventually(fleet.marker(name).exists, timeout=100)
        await safe.kill_primary()
        (tmp_path / f"{change.uuid}.{name}.go").touch()
        await safe.promote()
        await give_up_old(client, safe)
        row = await ended(change)
    new = safe.at(safe.replica)
    assert len(tables(new, "old")) == 1
    # one of which nothing was written down but its name is an artifact, and another was made
    assert len(tables(new, "shd")) == (name == "vitess.shadow_made")
    assert row.attempt > 1
    found = row.message.startswith("found cut over")
    assert found == (name in SWAPPED), row.message


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_the_copy_goes_on_from_what_the_promoted_replica_has(fleet: Fleet, safe: Group, client: Client) -> None:
    start(fleet, *SERVICES, "executor")
    new = safe.at(safe.replica)
    inserted = 0
    async with changing(client, safe.shop, rate=20, timeout=150) as change:
        await change.until_copied(ROWS // 2)
        await safe.kill_primary()
        had, counted = copied(new, change.uuid), inserts(new, change.uuid)
        await safe.promote()
        dead = str(safe.primary.endpoint.address)
        await client.until(change.uuid, lambda row: dead in row.reason_throttled, timeout=60)
        await give_up_old(client, safe)
        while (row := await change.row()) is None or not row.migration_status.terminal:
            inserted = max(inserted, inserts(new, change.uuid) - counted)
            await asyncio.sleep(0.02)
    assert had >= ROWS // 2
    assert row.attempt > 1
    assert 0 < inserted <= (ROWS - had) + ROWS // 10


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_the_primary_dies_while_completion_is_postponed(fleet: Fleet, safe: Group, client: Client) -> None:
    start(fleet, *SERVICES, "executor")
    async with changing(client, safe.shop, strategy="vitess --postpone-completion", timeout=150) as change:
        first = await client.until(change.uuid, lambda row: row.ready_to_complete, timeout=100)
        await safe.fail_over()
        await give_up_old(client, safe)
        again = await client.until(
            change.uuid, lambda row: row.attempt > first.attempt and row.ready_to_complete, timeout=100
        )
        assert again.postpone_completion
        assert tables(safe.at(safe.replica), "old") == []
        await client.control(Command.COMPLETE, change.uuid)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("shape", ["int", "texts"])
async def test_what_the_dead_primary_had_alone_is_gone(fleet: Fleet, group: Group, client: Client, shape: str) -> None:
    """Chunks, batches, checkpoints and rows that never reached the replica: the memory of the run is worth nothing."""
    old, new = group.at(group.primary), group.at(group.replica)
    writers = Writers(old, SHAPES[shape], pause=0.01)
    writers.create(ROWS)
    start(fleet, *SERVICES)
    fleet.start("executor", **SMALL)

    async def until_dead() -> None:
        with writers.writing():
            [uuid] = await client.submit(ALTER, strategy="vitess --postpone-completion")
            uuids.append(uuid)
            await eventually(lambda: begun(old) and copied(old, uuid) > 500, timeout=100)
            new.run("STOP REPLICA IO_THREAD")
            [(received,)] = new.run(
                "SELECT RECEIVED_TRANSACTION_SET FROM performance_schema.replication_connection_status"
            )
            had, known = copied(old, uuid), f"{group.executed(group.replica)},{received}"

            def further() -> bool:
                unknown = f"SELECT COUNT(*) FROM _alterd.checkpoints WHERE NOT GTID_SUBSET(gtid_set, '{known}')"
                return copied(old, uuid) > had and old.run(unknown) != [(0,)]

            await eventually(further, timeout=60)
            await group.kill_primary()

    uuids: list[str] = []
    with pytest.raises(AssertionError, match="a writer met"):
        await until_dead()
    [uuid] = uuids
    await group.promote()
    await give_up_old(client, group)
    assert copied(new, uuid) > 0
    writers = Writers(new, SHAPES[shape], pause=0.01, seed=1)
    writers.rows = rows_of(new)
    with writers.writing():
        row = await client.until(uuid, lambda row: row.attempt > 1 and row.ready_to_complete, timeout=120)
        await client.control(Command.COMPLETE, uuid)
        row = await client.until(uuid, lambda row: row.migration_status.terminal, timeout=60)
    assert row.migration_status is Status.COMPLETE, row.message
    writers.check("c = 7")


def rows_of(shop: Shop) -> dict[int, Row]:
    return {n: (u, a, b) for n, u, a, b in shop.run("SELECT n, u, a, b FROM item")}


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_swap_that_the_replica_never_saw_is_made_there(
    fleet: Fleet, group: Group, client: Client, tmp_path: Path
) -> None:
    old, new = group.at(group.primary), group.at(group.replica)
    writers = Writers(old, SHAPES["int"])
    writers.create(500)
    drained, renamed = "vitess.drained", "vitess.renamed"
    start(fleet, *SERVICES)
    fleet.start("executor", **SMALL, ALTERD_FAILPOINT=f"{drained}:hold={tmp_path},{renamed}:hold={tmp_path}")
    [uuid] = await client.submit(ALTER, strategy="vitess")
    await eventually(fleet.marker(drained).exists, timeout=100)
    new.run("STOP REPLICA IO_THREAD")
    (tmp_path / f"{uuid}.{drained}.go").touch()
    await eventually(fleet.marker(renamed).exists, timeout=100)
    assert len(tables(old, "old")) == 1
    await group.kill_primary()
    assert tables(new, "old") == []
    await group.promote()
    await give_up_old(client, group)
    with writers_at(writers, new).writing():
        row = await client.until(uuid, lambda row: row.migration_status.terminal, timeout=120)
    assert row.migration_status is Status.COMPLETE, row.message
    assert row.message.startswith("cut over in")
    assert len(tables(new, "old")) == 1


def writers_at(writers: Writers, shop: Shop) -> Writers:
    """The same rows, on another server."""
    return Writers(shop, writers.shape, rows=dict(writers.rows))


# The primary is moved --------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("when", ["copy", "postponed"])
async def test_a_planned_switchover(fleet: Fleet, group: Group, client: Client, when: str) -> None:
    """Nobody dies: the run sees by itself that its server is not the primary any more, and writes nothing there."""
    start(fleet, *SERVICES)
    fleet.start("executor", **SMALL)
    strategy = "vitess --postpone-completion" if when == "postponed" else "vitess"
    async with changing(client, group.shop, strategy=strategy, timeout=150) as change:
        if when == "copy":
            await change.until_copied(ROWS // 3)
        else:
            await client.until(change.uuid, lambda row: row.ready_to_complete, timeout=100)
        executed = await group.switch_over()
        await client.until(change.uuid, lambda row: row.attempt > 1, timeout=60)
        await until_claimed(group.at(group.replica), change.uuid)
        await give_up_old(client, group)
        if when == "postponed":
            await client.until(change.uuid, lambda row: row.ready_to_complete, timeout=100)
            await client.control(Command.COMPLETE, change.uuid)
        await ended(change)
    assert group.executed(group.primary) == executed
    assert tables(group.at(group.primary), "old") == []
    assert len(tables(group.at(group.replica), "old")) == 1


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_two_writable_servers_are_named_and_neither_is_written_to(
    fleet: Fleet, safe: Group, client: Client
) -> None:
    """The old primary comes back and knows of nothing. The change waits until one of them is read only."""
    start(fleet, *SERVICES)
    executor = fleet.start("executor", **SMALL)
    async with changing(client, safe.shop, timeout=150) as change:
        await change.until_copied(ROWS // 3)
        executor.kill()
        await safe.kill_primary()
        await safe.promote()
        safe.vip.point(None)
        await asyncio.to_thread(safe.primary.start)
        servers = (safe.primary, safe.replica)
        assert [safe.at(server).run("SELECT @@global.read_only")[0][0] for server in servers] == [0, 0]
        before = [written(safe.at(server), change.uuid) for server in servers]
        executed = safe.executed(safe.primary)
        fleet.start("executor", **SMALL)
        refused = await client.until(change.uuid, lambda row: "2 writable servers" in row.message, timeout=60)
        await client.until(change.uuid, lambda row: row.attempt > refused.attempt + 1, timeout=60)
        assert all(str(server.endpoint.address) in refused.message for server in servers), refused.message
        assert [written(safe.at(server), change.uuid) for server in servers] == before
        safe.at(safe.primary).run("SET GLOBAL super_read_only = ON")
        safe.vip.point(safe.replica.endpoint.address)
        await until_claimed(safe.at(safe.replica), change.uuid)
        await give_up_old(client, safe)
        await ended(change)
        assert safe.executed(safe.primary) == executed


async def until_claimed(shop: Shop, uuid: str) -> None:
    """A later attempt has the fence on this server."""
    claimed = f"SELECT 1 FROM _alterd.fence WHERE migration_uuid = '{uuid}' AND attempt > 1"
    await eventually(lambda: bool(shop.run(claimed)), 90)


def written(shop: Shop, uuid: str) -> list[tuple[object, ...]]:
    """What the sidecar says of the attempts that wrote."""
    whose = f"WHERE migration_uuid = '{uuid}'"
    return [
        *shop.run(f"SELECT attempt, claimed_at FROM _alterd.fence {whose}"),
        *shop.run(f"SELECT COUNT(*), SUM(rows_copied) FROM _alterd.copy_state {whose}"),
        *shop.run(f"SELECT MAX(id), COUNT(*) FROM _alterd.checkpoints {whose}"),
    ]


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_primary_that_hangs_is_left(fleet: Fleet, group: Group, client: Client) -> None:
    """Its connections stand, and nothing is answered any more: no session ends by itself."""
    start(fleet, *SERVICES, "executor")
    async with changing(client, group.shop, timeout=150) as change:
        await change.until_copied(ROWS // 3)
        group.vip.point(None)
        await caught_up(group)
        pid = paused(group.primary)
        try:
            await group.promote()
            await until_claimed(group.at(group.replica), change.uuid)
            await give_up_old(client, group)
            row = await ended(change)
        finally:
            os.kill(pid, signal.SIGCONT)
            await asyncio.to_thread(group.primary.kill)
    assert row.attempt > 1


async def caught_up(group: Group) -> None:
    """The replica has all that applications have written; only alterd writes on."""
    [(executed,)] = group.at(group.primary).run("SELECT @@global.gtid_executed")
    new = group.at(group.replica)
    await eventually(lambda: bool(new.run(f"SELECT GTID_SUBSET('{executed}', @@global.gtid_executed)")[0][0]), 60)


def paused(server: Server) -> int:
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    return pid
