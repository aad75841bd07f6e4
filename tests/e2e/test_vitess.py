"""The native engine with everything around it: killed, paused and cut off while the demo's load runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from alterd_contracts.states import Status
from alterd_runtime.failpoints import FAILPOINTS
from alterd_runtime.provision.nats_server import NatsServer
from tests.e2e.client import Client
from tests.e2e.fleet import TTL, Fleet
from tests.e2e.online import ROWS, SMALL, Change, changing, start
from tests.support import eventually
from tests.support.servers import keyspace_of, new_server, shop_at
from tests.support.shop import Shop

POINTS = [name for name in FAILPOINTS if name.startswith("vitess.")]
ALWAYS = {"vitess.locked", "vitess.renamed"}
"""Killed there in every test run; at the others in the slow ones."""


def point(name: str) -> object:
    return pytest.param(name, marks=() if name in ALWAYS else pytest.mark.slow)


async def test_a_change_under_load(fleet: Fleet, client: Client, shop: Shop) -> None:
    start(fleet, "scheduler", "intake", "executor", "throttler")
    async with changing(client, shop) as change:
        await change.until_copied(1)
    row = await change.row()
    assert row is not None
    assert row.rows_copied >= ROWS
    assert row.progress == 100
    assert row.message.startswith("cut over in")


@pytest.mark.parametrize("name", [point(name) for name in POINTS])
async def test_the_executor_killed_at_a_fail_point(fleet: Fleet, client: Client, shop: Shop, name: str) -> None:
    """kill -9 of the executor and its run, where the run stands."""
    start(fleet, "scheduler", "intake", "throttler")
    executor = fleet.start("executor", **SMALL, ALTERD_FAILPOINT=f"{name}:sleep=60")
    async with changing(client, shop):
        await eventually(fleet.marker(name).exists, timeout=60)
        executor.kill()
        fleet.start("executor", **SMALL)


async def test_the_copy_is_killed_twice_and_hardly_a_row_is_copied_again(
    fleet: Fleet, client: Client, shop: Shop
) -> None:
    start(fleet, "scheduler", "intake", "throttler")
    executor = fleet.start("executor", **SMALL)
    inserted = 0
    async with changing(client, shop, rate=20) as change:
        for rows in (ROWS // 4, ROWS // 2):
            await change.until_copied(rows)
            executor.kill()
            before = change.committed()
            executor = fleet.start("executor", **SMALL)
            await change.until_copied(before + 1)
            assert change.committed() >= before
        while (row := await change.row()) is None or not row.migration_status.terminal:
            inserted = max(inserted, inserts(shop, change))
            await asyncio.sleep(0.02)
    assert ROWS * 0.9 < inserted <= ROWS * 1.1


def inserts(shop: Shop, change: Change) -> int:
    """Rows that were inserted into the shadow, also those of rolled back chunks, as the server counts them."""
    digits = change.uuid.replace("_", "")
    rows = shop.run(
        "SELECT COALESCE(SUM(count_insert), 0) FROM performance_schema.table_io_waits_summary_by_table"
        f" WHERE object_schema = '{shop.schema}' AND object_name LIKE '\\_alterd\\_shd\\_{digits}%'"
    )
    return int(rows[0][0])


@pytest.mark.slow
async def test_the_scheduler_is_killed(fleet: Fleet, client: Client, shop: Shop) -> None:
    start(fleet, "intake", "throttler", "executor")
    scheduler = fleet.start("scheduler", **SMALL)
    async with changing(client, shop) as change:
        await change.until_copied(ROWS // 4)
        scheduler.kill()
        fleet.start("scheduler")


@pytest.mark.parametrize("where", [pytest.param("copy", marks=pytest.mark.slow), "vitess.locked"])
async def test_the_executor_is_paused_and_wakes_to_find_itself_replaced(
    fleet: Fleet, client: Client, shop: Shop, where: str
) -> None:
    """SIGSTOP for three TTLs, a second executor, SIGCONT: one swap."""
    start(fleet, "scheduler", "intake", "throttler")
    stalled = {} if where == "copy" else {"ALTERD_FAILPOINT": f"{where}:sleep=2"}
    executor = fleet.start("executor", **SMALL, **stalled)
    async with changing(client, shop) as change:
        if where == "copy":
            await change.until_copied(ROWS // 4)
        else:
            await eventually(fleet.marker(where).exists, timeout=60)
        with executor.paused():
            fleet.start("executor", **SMALL)
            await asyncio.sleep(3 * TTL)
        await client.until(change.uuid, Status.COMPLETE, timeout=60)
    swaps = [name for name in shop.tables() if name.startswith("_alterd_old")]
    assert len(swaps) == 1


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_nats_is_down_for_a_minute(nats: NatsServer, fleet: Fleet, client: Client, shop: Shop) -> None:
    """The copy goes on, the cut-over waits."""
    start(fleet, "scheduler", "intake", "throttler", "executor")
    async with changing(client, shop, timeout=120) as change:
        await change.until_copied(ROWS // 4)
        before = change.committed()
        nats.kill()
        await asyncio.sleep(60)
        assert change.committed() > before
        assert not [name for name in shop.tables() if name.startswith("_alterd_old")]
        nats.start()


@pytest.mark.parametrize("how", ["killed", pytest.param("restarted", marks=pytest.mark.slow)])
async def test_mysql_is_away_for_a_moment(fleet: Fleet, client: Client, tmp_path: Path, how: str) -> None:
    """The next attempt goes on from the checkpoint; the load's doubts are settled by what is there."""
    start(fleet, "scheduler", "intake", "throttler", "executor")
    server = new_server(tmp_path / "server")
    await asyncio.to_thread(server.start)
    try:
        with shop_at(server.endpoint).fresh() as shop:
            other = Client(client.bus, keyspace_of(shop, tmp_path / "other", "other"))
            await other.apply()
            async with changing(other, shop) as change:
                await change.until_copied(ROWS // 4)
                await asyncio.to_thread(server.kill if how == "killed" else server.stop)
                await asyncio.to_thread(server.start)
            row = await change.row()
            assert row is not None
            assert row.attempt > 1
    finally:
        await asyncio.to_thread(server.remove)
