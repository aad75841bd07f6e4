"""What runs beside what, on real servers."""

from __future__ import annotations

from alterd_contracts.requests import Command
from alterd_contracts.states import Status
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.support import eventually
from tests.support.shop import Shop

HELD = "vitess --allow-concurrent --postpone-completion"


async def test_create_and_drop_run_during_a_long_alter(fleet: Fleet, client: Client, shop: Shop) -> None:
    fleet.start_all()
    shop.run("CREATE TABLE old_one (id int PRIMARY KEY)")
    [alter] = await client.submit("ALTER TABLE customer ADD COLUMN z int", strategy="vitess --postpone-completion")
    await client.until(alter, lambda row: row.ready_to_complete)
    concurrent = await client.submit(
        "CREATE TABLE new_one (id int PRIMARY KEY); DROP TABLE old_one", strategy="vitess --allow-concurrent"
    )
    [waits] = await client.submit("CREATE TABLE later (id int PRIMARY KEY)", strategy="vitess")
    for uuid in concurrent:
        assert (await client.until(uuid, Status.COMPLETE)).allow_concurrent
    row = await client.row(waits)
    assert row is not None
    assert (row.migration_status, row.allow_concurrent) == (Status.QUEUED, False)
    await client.control(Command.COMPLETE, alter)
    await client.until(alter, Status.COMPLETE)
    await client.until(waits, Status.COMPLETE)


async def test_tails_overlap_and_never_two_on_one_table(fleet: Fleet, client: Client, shop: Shop) -> None:
    fleet.start_all()
    for name in ("one", "two"):
        shop.run(f"CREATE TABLE {name} (id int PRIMARY KEY)")
    first, second, again = await client.submit(
        "ALTER TABLE one ADD COLUMN a int; ALTER TABLE two ADD COLUMN a int; ALTER TABLE one ADD COLUMN b int",
        strategy=HELD,
    )
    for uuid in (first, second):
        row = await client.until(uuid, lambda row: row.ready_to_complete)
        assert (row.migration_status, row.exclusive) == (Status.RUNNING, False)
    waiting = await client.row(again)
    assert waiting is not None
    assert waiting.migration_status is Status.QUEUED
    await client.control(Command.COMPLETE, second)
    await client.until(second, Status.COMPLETE)
    await client.control(Command.COMPLETE, first)
    await client.until(first, Status.COMPLETE)
    await client.until(again, lambda row: row.ready_to_complete)
    await client.control(Command.COMPLETE, again)
    await client.until(again, Status.COMPLETE)
    assert shop.columns("one") == ["id", "a", "b"]


async def test_a_blocked_one_is_overtaken(fleet: Fleet, client: Client, shop: Shop) -> None:
    """By what was submitted later, on another table."""
    fleet.start_all(ALTERD_EXECUTOR__LOCK_WAIT_TIMEOUT="60")
    shop.run("CREATE TABLE other (id int PRIMARY KEY)")
    with shop.table_in_use():
        [running] = await client.submit("ALTER TABLE customer ADD INDEX (a)", strategy="mysql")
        await eventually(lambda: shop.waiting_alters() == 1)
        [blocked] = await client.submit("DROP TABLE customer", strategy="mysql --allow-concurrent")
        [free] = await client.submit("DROP TABLE other", strategy="mysql --allow-concurrent")
        await client.until(free, Status.COMPLETE)
        row = await client.row(blocked)
        assert row is not None
        assert row.migration_status is Status.QUEUED
    await client.until(running, Status.COMPLETE)
    await client.until(blocked, Status.COMPLETE)
