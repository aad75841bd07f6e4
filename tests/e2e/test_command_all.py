"""Commands to all migrations of a keyspace, and which of them begins first: over two shards, as a user types them."""

from __future__ import annotations

import json

import pytest

from alterd_contracts.states import Status
from tests.e2e.fleet import Fleet
from tests.e2e.test_command_groups import Shards, other, shards  # noqa: F401 - fixtures


@pytest.mark.slow
async def test_a_retry_of_all_queues_what_failed_and_what_was_cancelled(
    fleet: Fleet,
    shards: Shards,  # noqa: F811
) -> None:
    services = fleet.start_all()
    strategy = "mysql --postpone-launch"
    [failing] = await shards.client.submit(
        "alter table customer add unique key (a)", strategy=strategy, migration_context="deploy"
    )
    [cancelled] = await shards.client.submit("create table later (id int primary key)", strategy=strategy)
    shards.shops["80-"].run("INSERT INTO customer (a, name) VALUES (1, 'Dora')")
    await shards.alterd("launch", failing)
    await shards.alterd("cancel", cancelled)
    await shards.until(failing, low=Status.COMPLETE, high=Status.FAILED)
    shown = await shards.alterd("show", "failed")
    assert "1 of 2 shards" in shown

    shards.shops["80-"].run("DELETE FROM customer WHERE name = 'Dora'")
    retry = ("retry", "all", "-k", "commerce", "-o", "json")
    answer = json.loads(await shards.alterd(*retry, "-c", "deploy"))
    assert [(each["migration_uuid"], each["shard"]) for each in answer["effects"]] == [(failing, "80-")]
    await shards.until(failing, high=Status.COMPLETE)
    assert {row.migration_status for row in (await shards.rows(cancelled)).values()} == {Status.CANCELLED}

    with services["scheduler"].paused():
        answer = json.loads(await shards.alterd(*retry))
        assert (answer["decided"], answer["undecided"], answer["effects"]) == (False, [cancelled], [])
    for shard in shards.shops:
        row = await shards.client.until(cancelled, Status.QUEUED, shard=shard)
        assert (row.retries, row.postpone_launch) == (1, True)
    await shards.alterd("launch", "all")
    await shards.until(cancelled, low=Status.COMPLETE, high=Status.COMPLETE)
    assert "there is no migration on which it has an effect" in await shards.alterd("retry", "all", code=4)


@pytest.mark.slow
async def test_of_what_waits_the_one_with_the_higher_priority_begins_first(
    fleet: Fleet,
    shards: Shards,  # noqa: F811
) -> None:
    for shop in shards.shops.values():
        for table in ("second", "third"):
            shop.run(f"CREATE TABLE {table} (id INT PRIMARY KEY)")
    fleet.start_all()
    with shards.shops["-80"].table_in_use(), shards.shops["80-"].table_in_use():
        [first] = await shards.client.submit("alter table customer add b int")
        await shards.until(first, low=Status.RUNNING, high=Status.RUNNING)
        [second] = await shards.client.submit("alter table second add b int")
        [third] = await shards.client.submit("alter table third add b int")
        answer = json.loads(await shards.alterd("priority", third, "10", "-m", "it is late", "-o", "json"))
        assert {(each["shard"], each["migration_status"]) for each in answer["effects"]} == {
            ("-80", "queued"),
            ("80-", "queued"),
        }
        await shards.alterd("priority", third, "0", "--shard", "80-")
    for uuid in (first, second, third):
        await shards.until(uuid, low=Status.COMPLETE, high=Status.COMPLETE)
    begun = {
        shard: [
            (row.started_timestamp, uuid)
            for uuid in (second, third)
            if (row := await shards.client.row(uuid, shard)) is not None and row.started_timestamp is not None
        ]
        for shard in shards.shops
    }
    assert [uuid for _, uuid in sorted(begun["-80"])] == [third, second]
    assert [uuid for _, uuid in sorted(begun["80-"])] == [second, third]
    assert "it is late" in await shards.alterd("history", third)
