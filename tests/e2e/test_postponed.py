"""postponed-migrations.txt, scenario by scenario, on two shards and on four; and gates."""

from __future__ import annotations

from pathlib import Path

import pytest

from alterd_contracts.inputs import Control
from alterd_contracts.migration import COLUMNS
from alterd_contracts.names import new_request_id
from alterd_contracts.requests import Command
from alterd_contracts.states import Status
from alterd_contracts.subjects import control
from tests.e2e.client import Client
from tests.e2e.commerce import Commerce, both
from tests.e2e.fleet import Fleet
from tests.e2e.shards import TWO, sharded
from tests.support import eventually
from tests.support.shop import Shop

SLOW, QUICK = "alter vitess_migration throttle all expire '10m'", "alter vitess_migration unthrottle all"
"""Every copy of the keyspace stands still, and goes on."""

# Launch ----------------------------------------------------------------------------------------------------------


async def upright(commerce: Commerce, uuid: str) -> list[str]:
    """The lines of its first row, by ``\\G``; all columns are there, in their order."""
    out = await commerce.sql(f"show vitess_migrations like '{uuid}' \\G")
    first, *lines = out.splitlines()
    assert first == f"{'*' * 27} 1. row {'*' * 27}"
    lines = lines[: len(COLUMNS)]
    assert [line.partition(":")[0].strip() for line in lines] == list(COLUMNS)
    return [line.strip() for line in lines]


async def test_a_postponed_launch_stays_queued_on_all_shards(commerce: Commerce) -> None:
    commerce.run("CREATE TABLE mytable (id int PRIMARY KEY)")
    uuid = await commerce.ddl("vitess --postpone-launch", "alter table mytable add column i int not null;")
    shown = await upright(commerce, uuid)
    for line in (
        f"migration_uuid: {uuid}",
        f"keyspace: {commerce.name}",
        f"shard: {commerce.shards[0]}",
        f"mysql_schema: {commerce.shops[commerce.shards[0]].schema}",
        "mysql_table: mytable",
        "migration_statement: alter table mytable add column i int not null",
        "strategy: vitess",
        "options: --postpone-launch",
        "ready_timestamp: NULL",
        "started_timestamp: NULL",
        "liveness_timestamp: NULL",
        "completed_timestamp: NULL",
        "cleanup_timestamp: NULL",
        "migration_status: queued",
        "postpone_launch: 1",
    ):
        assert line in shown, line
    assert sum(line.startswith(("added_timestamp: 20", "requested_timestamp: 20")) for line in shown) == 2
    assert len(await commerce.shown(uuid)) == len(commerce.shards)


async def test_a_launch_unblocks_it_on_all_shards(commerce: Commerce) -> None:
    commerce.run("CREATE TABLE mytable (id int PRIMARY KEY)")
    uuid = await commerce.ddl("vitess --postpone-launch", "alter table mytable add column i int not null;")
    launch = f"alter vitess_migration '{uuid}' launch;"
    assert await commerce.affected(launch) == len(commerce.shards)
    await commerce.until(uuid, Status.COMPLETE)
    assert commerce.columns("mytable") == ["id", "i"]
    assert await commerce.affected(launch) == 0


@both
async def test_a_launch_on_some_shards_leaves_the_rest_queued(commerce: Commerce) -> None:
    """An index, as different shards have different schemas for a while. An empty list is all of them."""
    half = len(commerce.shards) // 2
    chosen, rest = commerce.shards[:half], commerce.shards[half:]
    uuid = await commerce.ddl("vitess --postpone-launch", "alter table demo add index (status);")
    names = ",".join(chosen)
    assert await commerce.affected(f"alter vitess_migration '{uuid}' launch vitess_shards '{names}';") == half
    await commerce.until(uuid, Status.COMPLETE, *chosen)
    told = await commerce.column(uuid, "migration_status", "postpone_launch")
    assert told == dict.fromkeys(chosen, ("complete", 0)) | dict.fromkeys(rest, ("queued", 1))
    assert [shop.indexes("demo") for shop in commerce.shops.values()] == [
        *[["PRIMARY", "status"]] * half,
        *[["PRIMARY"]] * len(rest),
    ]
    assert await commerce.affected(f"alter vitess_migration '{uuid}' launch vitess_shards '';") == len(rest)
    await commerce.until(uuid, Status.COMPLETE)
    refused = await commerce.sql(f"alter vitess_migration '{uuid}' launch vitess_shards '-99'", code=3)
    assert "has no shard -99" in refused


async def test_launch_all_launches_whatever_is_postponed(commerce: Commerce) -> None:
    """Supported for all: CREATE, DROP and ALTER, of each managed strategy."""
    uuids = [
        await commerce.ddl(f"{strategy} --postpone-launch", text)
        for strategy, text in (
            ("vitess", "create table mytable (id int primary key)"),
            ("mysql", "alter table demo add index (status)"),
            ("vitess", "drop table another_table"),
            ("vitess", "create view demos as select id from customer"),
        )
    ]
    for uuid in uuids:
        assert set((await commerce.column(uuid, "migration_status", "postpone_launch")).values()) == {("queued", 1)}
    assert await commerce.affected("alter vitess_migration launch all;") == len(uuids) * len(commerce.shards)
    for uuid in uuids:
        await commerce.until(uuid, Status.COMPLETE)
    assert await commerce.affected("alter vitess_migration launch all;") == 0
    seen = commerce.each(lambda shop: [name for name in shop.tables() if not name.startswith("_alterd")])
    assert seen == [["customer", "demo", "demos", "mytable"]] * len(commerce.shards)


# Completion ------------------------------------------------------------------------------------------------------


async def test_a_postponed_create_stays_queued_until_it_is_completed(commerce: Commerce) -> None:
    uuid = await commerce.ddl("vitess --postpone-completion", "create table mytable(id int primary key);")
    shown = await upright(commerce, uuid)
    for line in (
        f"migration_uuid: {uuid}",
        "mysql_table: mytable",
        "migration_statement: create table mytable(id int primary key)",
        "options: --postpone-completion",
        "ready_timestamp: NULL",
        "started_timestamp: NULL",
        "migration_status: queued",
        "artifacts:",
        "retries: 0",
        "tablet_failure: 0",
        "progress: 0",
        "ddl_action: create",
        "message:",
        "eta_seconds: -1",
        "rows_copied: 0",
        "table_rows: 0",
        "added_unique_keys: 0",
        "removed_unique_keys: 0",
        "postpone_completion: 1",
    ):
        assert line in shown, line
    other = await commerce.ddl("vitess", "create table sooner(id int primary key)")
    await commerce.until(other, Status.COMPLETE)
    assert set((await commerce.column(uuid, "migration_status")).values()) == {"queued"}
    assert all("mytable" not in names for names in commerce.each(lambda shop: shop.tables()))
    assert await commerce.affected(f"alter vitess_migration '{uuid}' complete;") == len(commerce.shards)
    await commerce.until(uuid, Status.COMPLETE)
    assert set((await commerce.column(uuid, "postpone_completion")).values()) == {0}
    assert all("mytable" in names for names in commerce.each(lambda shop: shop.tables()))


async def test_a_postponed_drop_is_still_scheduled_behind_the_queue(commerce: Commerce) -> None:
    uuid = await commerce.ddl("vitess --postpone-completion", "drop table another_table;")
    await commerce.sql(SLOW)
    before = await commerce.ddl("vitess", "alter table demo add column a int")
    await commerce.until(before, Status.RUNNING)
    assert await commerce.affected(f"alter vitess_migration '{uuid}' complete;") == len(commerce.shards)
    told = await commerce.column(uuid, "migration_status", "postpone_completion")
    assert set(told.values()) == {("queued", 0)}
    assert all("another_table" in names for names in commerce.each(lambda shop: shop.tables()))
    await commerce.sql(QUICK)
    await commerce.until(uuid, Status.COMPLETE)
    assert all("another_table" not in names for names in commerce.each(lambda shop: shop.tables()))


async def test_a_postponed_alter_runs_until_only_the_completion_is_left(commerce: Commerce) -> None:
    uuid = await commerce.ddl(
        "vitess --postpone-completion", "alter table another_table add column ts timestamp not null;"
    )
    await commerce.ready(uuid)
    shown = await upright(commerce, uuid)
    assert {"migration_status: running", "postpone_completion: 1", "options: --postpone-completion"} <= set(shown)
    times = ("added", "requested", "ready", "started", "liveness")
    assert all(f"{name}_timestamp: NULL" not in shown for name in times)
    assert {"completed_timestamp: NULL", "cleanup_timestamp: NULL"} <= set(shown)
    assert commerce.columns("another_table") == ["id"]
    assert await commerce.affected(f"alter vitess_migration '{uuid}' complete;") == len(commerce.shards)
    await commerce.until(uuid, Status.COMPLETE)
    assert commerce.columns("another_table") == ["id", "ts"]


async def test_complete_is_a_hint_and_forces_nothing(commerce: Commerce) -> None:
    """While the rows are still copied the hold is off, and it runs on."""
    await commerce.sql(SLOW)
    uuid = await commerce.ddl("vitess --postpone-completion", "alter table demo add column ts timestamp null;")
    await commerce.until(uuid, Status.RUNNING)
    complete = f"alter vitess_migration '{uuid}' complete;"
    assert await commerce.affected(complete) == len(commerce.shards)
    told = await commerce.column(uuid, "migration_status", "postpone_completion", "options", "completed_timestamp")
    assert set(told.values()) == {("running", 0, "--postpone-completion", None)}
    assert await commerce.affected(complete) == 0
    await commerce.sql(QUICK)
    await commerce.until(uuid, Status.COMPLETE)
    assert set((await commerce.column(uuid, "migration_status", "postpone_completion")).values()) == {("complete", 0)}


async def test_completion_can_be_postponed_again(commerce: Commerce) -> None:
    await commerce.sql(SLOW)
    uuid = await commerce.ddl("vitess", "alter table demo add column ts timestamp null;")
    await commerce.until(uuid, Status.RUNNING)
    assert await commerce.affected(f"alter vitess_migration '{uuid}' postpone complete") == len(commerce.shards)
    await commerce.sql(QUICK)
    await commerce.ready(uuid)
    told = await commerce.column(uuid, "migration_status", "postpone_completion")
    assert set(told.values()) == {("running", 1)}
    assert await commerce.affected("alter vitess_migration complete all") == len(commerce.shards)
    await commerce.until(uuid, Status.COMPLETE)


@pytest.mark.parametrize(
    ("strategy", "text"),
    [("direct", "create table t (id int primary key)"), ("mysql", "alter table demo add index (status)")],
)
async def test_where_completion_cannot_be_postponed_it_is_refused(commerce: Commerce, strategy: str, text: str) -> None:
    told = await commerce.sql(f"set @@ddl_strategy='{strategy} --postpone-completion'; {text}", code=2)
    assert "[invalid_strategy]" in told
    assert "postpone-completion" in told
    assert await commerce.rows("show vitess_migrations") == []


async def test_a_postponed_declarative_one_is_refused_until_there(commerce: Commerce) -> None:
    told = await commerce.sql("set @@ddl_strategy='vitess --declarative --postpone-completion'", code=2)
    assert "declarative" in told


# Both ------------------------------------------------------------------------------------------------------------


@both
async def test_launch_one_shard_then_all_then_complete_all(commerce: Commerce) -> None:
    """Each shard's ready_to_complete tells when it may be completed."""
    commerce.run("CREATE TABLE mytable (id int PRIMARY KEY)")
    first, *rest = commerce.shards
    uuid = await commerce.ddl(
        "vitess --postpone-launch --postpone-completion", "alter table mytable add column i int not null;"
    )
    told = await commerce.column(uuid, "migration_status", "postpone_launch", "postpone_completion")
    assert set(told.values()) == {("queued", 1, 1)}
    assert await commerce.affected(f"alter vitess_migration '{uuid}' launch vitess_shards '{first}';") == 1
    await commerce.ready(uuid, first)
    told = await commerce.column(uuid, "migration_status", "ready_to_complete", "postpone_launch")
    assert told == {first: ("running", 1, 0)} | dict.fromkeys(rest, ("queued", 0, 1))
    assert await commerce.affected("alter vitess_migration launch all;") == len(rest)
    await commerce.ready(uuid)
    told = await commerce.column(uuid, "migration_status", "ready_to_complete", "postpone_completion")
    assert set(told.values()) == {("running", 1, 1)}
    assert commerce.columns("mytable") == ["id"]
    assert await commerce.affected("alter vitess_migration complete all;") == len(commerce.shards)
    await commerce.until(uuid, Status.COMPLETE)
    assert commerce.columns("mytable") == ["id", "i"]


# Gates -----------------------------------------------------------------------------------------------------------


async def command(client: Client, which: Command, uuid: str = "", **fields: object) -> None:
    message = Control(command=which, keyspace=client.keyspace.name, migration_uuid=uuid, **fields)  # type: ignore[arg-type]
    await client.bus.publish(control(client.keyspace.name), message, id=f"control:{new_request_id()}")


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


async def test_a_failed_shard_keeps_the_gate_shut(commerce: Commerce) -> None:
    """It is named with what to do; once it is retried and ready, all complete."""
    first, last = commerce.shards[0], commerce.shards[-1]
    uuid = await commerce.ddl("vitess --postpone-completion --postpone-launch", "drop table another_table")
    answer = await commerce.json("complete", uuid, "--gate")
    assert answer["affected"] == len(commerce.shards)
    await commerce.alterd("cancel", uuid, "--shard", last)
    await commerce.until(uuid, lambda row: "kept shut" in row.message, first)
    shown = await commerce.alterd("show", uuid)
    assert f"shard {last}, cancelled" in shown
    assert f"try again there: alterd retry {uuid} --shard {last}" in shown
    await commerce.alterd("launch", uuid)
    await commerce.alterd("retry", uuid, "--shard", last)
    rows = await commerce.until(uuid, Status.COMPLETE)
    spreads = [row.gate_spread_ms for row in rows.values()]
    assert min(spreads) == 0
    assert all("of its gate" in row.message for row in rows.values())
