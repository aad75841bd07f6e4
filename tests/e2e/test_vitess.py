"""The native engine with everything around it: killed, paused and cut off while the demo's load runs."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from pathlib import Path

import pytest

from alterd_runtime.failpoints import FAILPOINTS
from alterd_runtime.provision.nats_server import NatsServer
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.e2e.online import ROWS, SMALL, Change, changing, start
from tests.support import eventually
from tests.support.servers import keyspace_of, new_server, shop_at
from tests.support.shop import Shop

POINTS = [name for name in FAILPOINTS if name.startswith("vitess.")]
ALWAYS = {"vitess.renamed"}
"""Killed there in every test run; at the others in the slow ones."""


PAUSED = {"vitess.locked"}
"""The same for pauses."""


def point(name: str, always: Collection[str] = ALWAYS) -> object:
    return pytest.param(name, marks=() if name in always else pytest.mark.slow)


async def test_a_change_under_load(fleet: Fleet, client: Client, shop: Shop) -> None:
    start(fleet, "scheduler", "intake", "executor", "throttler")
    async with changing(client, shop) as change:
        await change.until_copied(1)
    row = await change.row()
    assert row is not None
    assert row.rows_copied > ROWS // 2  # the load deletes some before the copy comes to them
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


@pytest.mark.slow
@pytest.mark.parametrize("name", POINTS)
async def test_the_run_killed_at_a_fail_point(fleet: Fleet, client: Client, shop: Shop, name: str) -> None:
    """kill -9 of the run's process alone: its executor gives the attempt back."""
    start(fleet, "scheduler", "intake", "throttler", "executor", ALTERD_FAILPOINT=f"{name}:crash")
    async with changing(client, shop) as change:
        await eventually(fleet.marker(name).exists, timeout=60)
    row = await change.row()
    assert row is not None
    assert row.attempt > 1


@pytest.mark.slow
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


@pytest.mark.parametrize(
    "where", [point(name, PAUSED) for name in ("copy", "run.begun", "run.artifact_declared", *POINTS)]
)
@pytest.mark.timeout(180)
async def test_the_executor_is_paused_and_wakes_to_find_itself_replaced(
    fleet: Fleet, client: Client, shop: Shop, where: str
) -> None:
    """SIGSTOP for executor and run until another attempt has the fence, SIGCONT: nothing is written, one swap."""
    start(fleet, "scheduler", "intake", "throttler")
    stalled = {} if where == "copy" else {"ALTERD_FAILPOINT": f"{where}:sleep=2"}
    executor = fleet.start("executor", **SMALL, **stalled)
    async with changing(client, shop, timeout=120) as change:
        if where == "copy":
            await change.until_copied(ROWS // 4)
        else:
            await eventually(fleet.marker(where).exists, timeout=90)
        fence = f"_alterd.fence WHERE migration_uuid = '{change.uuid}'"
        with executor.paused():
            runs = set(executor.children())
            fleet.start("executor", **SMALL)
            await eventually(lambda: shop.run(f"SELECT attempt > 1 FROM {fence}") == [(1,)], timeout=60)
        await eventually(lambda: not runs <= set(executor.children()), timeout=60)  # it has seen that it is over
        late = shop.run(
            "SELECT name FROM _alterd.artifacts WHERE attempt = 1 AND created_at > (SELECT claimed_at FROM"
            f" {fence}) AND migration_uuid = '{change.uuid}'"
        )
        assert late == []
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


AWAY = [
    ("killed", "copy"),
    *(pytest.param("killed", name, marks=pytest.mark.slow) for name in POINTS),
    *(pytest.param("restarted", name, marks=pytest.mark.slow) for name in ("copy", "vitess.chunk_summed")),
]


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("how", "where"), AWAY)
async def test_mysql_is_away_for_a_moment(fleet: Fleet, client: Client, tmp_path: Path, how: str, where: str) -> None:
    """The next attempt goes on from the checkpoint; the load's doubts are settled by what is there."""
    start(fleet, "scheduler", "intake", "throttler")
    held = {} if where == "copy" else {"ALTERD_FAILPOINT": f"{where}:hold={tmp_path}"}
    start(fleet, "executor", **held)
    server = new_server(tmp_path / "server")
    await asyncio.to_thread(server.start)
    try:
        with shop_at(server.endpoint).fresh() as shop:
            other = Client(client.bus, keyspace_of(shop, tmp_path / "other", "other"))
            await other.apply()
            async with changing(other, shop, timeout=120) as change:
                if where == "copy":
                    await change.until_copied(ROWS // 4)
                else:
                    await eventually(fleet.marker(where).exists, timeout=90)
                await asyncio.to_thread(server.kill if how == "killed" else server.stop)
                (tmp_path / f"{change.uuid}.{where}.go").touch()
                await asyncio.to_thread(server.start)
            row = await change.row()
            assert row is not None
            assert row.attempt > 1
            assert len([name for name in shop.tables() if name.startswith("_alterd_old")]) == 1
    finally:
        await asyncio.to_thread(server.remove)
