"""Postponed launch and completion, as the commands of the user's guide, over shards."""

from __future__ import annotations

from pathlib import Path

from alterd_contracts.inputs import Control
from alterd_contracts.names import new_request_id
from alterd_contracts.requests import Command
from alterd_contracts.states import Status
from alterd_contracts.subjects import control
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.e2e.shards import FOUR, TWO, sharded
from tests.support import eventually
from tests.support.shop import Shop


async def command(client: Client, which: Command, uuid: str = "", **fields: object) -> None:
    message = Control(command=which, keyspace=client.keyspace.name, migration_uuid=uuid, **fields)  # type: ignore[arg-type]
    await client.bus.publish(control(client.keyspace.name), message, id=f"control:{new_request_id()}")


async def test_launch_on_one_shard_then_all_then_complete_all(
    fleet: Fleet, client: Client, mysql_primary: Shop, tmp_path: Path
) -> None:
    fleet.start_all(ALTERD_EXECUTOR__SLOTS="8")
    async with sharded(client, mysql_primary, tmp_path, FOUR) as shards:
        [uuid] = await client.submit(
            "ALTER TABLE customer ADD COLUMN i int NOT NULL", strategy="vitess --postpone-launch --postpone-completion"
        )
        for row in await shards.until_all(uuid, Status.QUEUED):
            assert (row.postpone_launch, row.postpone_completion) == (True, True)
        await command(client, Command.LAUNCH, uuid, shards=("-40",))
        await client.until(uuid, lambda row: row.ready_to_complete, shard="-40", timeout=90)
        rest = [row for shard, row in (await shards.rows(uuid)).items() if shard != "-40"]
        assert [(row.migration_status, row.postpone_launch) for row in rest] == [(Status.QUEUED, True)] * 3
        await command(client, Command.LAUNCH)
        for shard in FOUR:
            row = await client.until(uuid, lambda row: row.ready_to_complete, shard=shard, timeout=90)
            assert (row.migration_status, row.postpone_completion) == (Status.RUNNING, True)
        await command(client, Command.COMPLETE)
        for row in await shards.until_all(uuid, Status.COMPLETE):
            assert not row.postpone_completion
        assert all("i" in shop.columns() for shop in shards.shops.values())


async def test_a_postponed_create_stays_queued(fleet: Fleet, client: Client, shop: Shop) -> None:
    fleet.start_all()
    [uuid] = await client.submit("CREATE TABLE mytable (id int PRIMARY KEY)", strategy="vitess --postpone-completion")
    [other] = await client.submit("CREATE TABLE another (id int PRIMARY KEY)", strategy="vitess")
    await client.until(other, Status.COMPLETE)
    row = await client.row(uuid)
    assert row is not None
    assert (row.migration_status, row.postpone_completion, row.started_timestamp) == (Status.QUEUED, True, None)
    assert "mytable" not in shop.tables()
    await client.control(Command.COMPLETE, uuid)
    assert not (await client.until(uuid, Status.COMPLETE)).postpone_completion
    assert "mytable" in shop.tables()


async def test_a_gate_opens_in_one_step_when_all_shards_are_ready(
    fleet: Fleet, client: Client, mysql_primary: Shop, tmp_path: Path
) -> None:
    """The scheduler is killed after the first shard's part is written: the next one opens the rest."""
    fleet.start_all()
    async with sharded(client, mysql_primary, tmp_path, TWO) as shards:
        [uuid] = await client.submit(
            "ALTER TABLE customer ADD COLUMN i int", strategy="vitess --postpone-completion --postpone-launch"
        )
        await shards.until_all(uuid, Status.QUEUED)
        fleet.services[0].stop()
        dying = fleet.start("scheduler", ALTERD_FAILPOINT="scheduler.gate_row_written:crash")
        await command(client, Command.COMPLETE, uuid, gate=True)
        await command(client, Command.LAUNCH, uuid, shards=("-80",))
        await client.until(uuid, lambda row: row.ready_to_complete, shard="-80", timeout=60)
        row = await client.row(uuid, "80-")
        assert row is not None
        assert (row.migration_status, row.gated) == (Status.QUEUED, True)
        await command(client, Command.LAUNCH, uuid, shards=("80-",))
        await eventually(lambda: not dying.running, timeout=60)
        fleet.start("scheduler")
        rows = await shards.until_all(uuid, Status.COMPLETE)
        assert max(row.gate_spread_ms for row in rows) >= 0
        assert all(row.gate_spread_ms >= 0 and row.gate_id for row in rows)


async def test_a_failed_shard_keeps_the_gate_shut(
    fleet: Fleet, client: Client, mysql_primary: Shop, tmp_path: Path
) -> None:
    fleet.start_all()
    async with sharded(client, mysql_primary, tmp_path, TWO) as shards:
        [uuid] = await client.submit("DROP TABLE customer", strategy="vitess --postpone-completion --postpone-launch")
        await shards.until_all(uuid, Status.QUEUED)
        await command(client, Command.COMPLETE, uuid, gate=True)
        await command(client, Command.CANCEL, uuid, shards=("80-",))
        row = await client.until(uuid, lambda row: "kept shut" in row.message, shard="-80")
        assert "shard 80-, cancelled" in row.message
        await command(client, Command.LAUNCH, uuid)
        await command(client, Command.RETRY, uuid, shards=("80-",))
        await shards.until_all(uuid, Status.COMPLETE)
