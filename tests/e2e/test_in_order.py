"""In-order completion: what depends on another one comes after it, or fails with it."""

from __future__ import annotations

from alterd_contracts.requests import Command
from alterd_contracts.states import Status
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.support.shop import Shop

STRATEGY = "vitess --allow-concurrent --in-order-completion"


async def test_a_view_waits_for_the_column_that_it_selects(fleet: Fleet, client: Client, shop: Shop) -> None:
    fleet.start_all()
    column, view = await client.submit(
        "ALTER TABLE customer ADD COLUMN note int; CREATE VIEW notes AS SELECT id, note FROM customer",
        strategy=f"{STRATEGY} --postpone-completion",
    )
    await client.until(column, lambda row: row.ready_to_complete)
    await client.control(Command.COMPLETE, view)
    row = await client.until(view, lambda row: not row.postpone_completion)
    assert (row.migration_status, row.in_order_completion_pending_count) == (Status.QUEUED, 1)
    await client.control(Command.COMPLETE, column)
    await client.until(view, Status.COMPLETE)
    done = [await client.until(uuid, Status.COMPLETE) for uuid in (column, view)]
    times = [row.completed_timestamp for row in done]
    assert times == sorted(times, key=str)
    assert shop.columns("notes") == ["id", "note"]


async def test_a_run_that_is_ready_waits_for_those_before_it(fleet: Fleet, client: Client, shop: Shop) -> None:
    fleet.start_all()
    shop.run("CREATE TABLE other (id int PRIMARY KEY)")
    [first] = await client.submit(
        "ALTER TABLE customer ADD COLUMN x int", strategy="vitess --allow-concurrent --postpone-completion"
    )
    [second] = await client.submit("ALTER TABLE other ADD COLUMN x int", strategy=STRATEGY)
    row = await client.until(second, lambda row: row.ready_to_complete)
    assert (row.migration_status, row.in_order_completion_pending_count) == (Status.RUNNING, 1)
    await client.until(first, lambda row: row.ready_to_complete)
    await client.control(Command.COMPLETE, first)
    await client.until(second, Status.COMPLETE)


async def test_a_failure_fails_those_after_it_in_its_context(fleet: Fleet, client: Client, shop: Shop) -> None:
    fleet.start_all()
    shop.run("CREATE TABLE other (id int PRIMARY KEY)")
    [first] = await client.submit(
        "ALTER TABLE customer ADD COLUMN x int",
        strategy="vitess --allow-concurrent --postpone-completion",
        migration_context="deploy",
    )
    [second] = await client.submit("ALTER TABLE other ADD COLUMN x int", strategy=STRATEGY, migration_context="deploy")
    await client.until(second, lambda row: row.ready_to_complete)
    await client.control(Command.CANCEL, first)
    row = await client.until(second, Status.FAILED)
    assert f"prior migration {first} in same context was cancelled" in row.message
    assert shop.columns("other") == ["id"]
    [third] = await client.submit(
        "CREATE TABLE late (id int PRIMARY KEY)", strategy=STRATEGY, migration_context="deploy"
    )
    assert f"prior migration {first}" in (await client.until(third, Status.FAILED)).message
