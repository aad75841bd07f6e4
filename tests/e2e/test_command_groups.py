"""Commands of a fleet over two shards, as a user types them: each with what it changes on the servers."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import ServiceUnreachable
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_contracts.names import migration_uuid, new_request_id
from alterd_contracts.requests import Answered, Command, Refusal
from alterd_contracts.states import Status
from alterd_contracts.topology import Keyspace
from alterd_runtime.provision.nats_server import NatsServer
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.e2e.test_commands import CommandLine
from tests.support.servers import keyspace_of
from tests.support.shop import Shop

SHARDS = ("-80", "80-")
SLOW = {"ALTERD_VITESS__COPY_SESSIONS": "1", "ALTERD_VITESS__CHUNK_ROWS": "5", "ALTERD_VITESS__MAX_CHUNK_ROWS": "5"}


_answers: Reader[Answered | Refusal] = Reader(Answered | Refusal)


class Shards:
    """A keyspace of two shards: two schemas."""

    def __init__(self, client: Client, shops: dict[str, Shop], alterd: CommandLine) -> None:
        self.client, self.shops, self.alterd = client, shops, alterd

    async def rows(self, uuid: str) -> dict[str, Migration]:
        found = {}
        for shard in self.shops:
            if (row := await self.client.row(uuid, shard)) is not None:
                found[shard] = row
        return found

    async def until(self, uuid: str, **wanted: Status) -> None:
        """By ``low`` and ``high``: the shards."""
        for name, status in wanted.items():
            await self.client.until(uuid, status, shard={"low": "-80", "high": "80-"}[name])

    async def until_throttled_by_somebody(self) -> None:
        """A throttler is there, and takes rules."""
        asked = Control(command=Command.UNTHROTTLE, keyspace="commerce")
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(ServiceUnreachable):
                    await self.client.bus.ask(subjects.THROTTLE_RULE, asked, _answers, timeout=2)
                    return
                await asyncio.sleep(0.1)

    def columns(self) -> dict[str, list[str]]:
        return {
            shard: [
                str(name)
                for (name,) in shop.run(
                    "SELECT column_name AS c FROM information_schema.columns"
                    f" WHERE table_schema = '{shop.schema}' AND table_name = 'customer' ORDER BY ordinal_position"
                )
            ]
            for shard, shop in self.shops.items()
        }

    def left(self) -> int:
        """Artifacts that are there."""
        return sum(
            len(
                shop.run(
                    "SELECT table_name AS t FROM information_schema.tables"
                    f" WHERE table_schema = '{shop.schema}' AND table_name LIKE '\\_alterd\\_%'"
                )
            )
            for shop in self.shops.values()
        )


@pytest.fixture
def other(shop: Shop) -> Iterator[Shop]:
    with Shop(shop.servers, shop.user, shop.password).fresh() as second:
        yield second


@pytest.fixture
async def shards(client: Client, shop: Shop, other: Shop, tmp_path: Path, nats: NatsServer) -> Shards:
    shops = dict(zip(SHARDS, (shop, other), strict=True))
    parts = [
        msgspec.structs.replace(keyspace_of(each, tmp_path / each.schema).shards[0], name=name)
        for name, each in shops.items()
    ]
    client.keyspace = Keyspace(name="commerce", default_ddl_strategy="mysql", shards=tuple(parts))
    await client.apply()
    return Shards(client, shops, CommandLine(nats))


async def test_a_launch_by_shard_and_then_of_all(fleet: Fleet, shards: Shards) -> None:
    fleet.start_all()
    [uuid] = await shards.client.submit("alter table customer add b int", strategy="mysql --postpone-launch")
    [effect] = json.loads(await shards.alterd("launch", uuid, "--shard", "80-", "-o", "json"))["effects"]
    assert (effect["shard"], effect["affected"], effect["migration_status"]) == ("80-", 1, "queued")
    await shards.until(uuid, high=Status.COMPLETE)
    assert (await shards.rows(uuid))["-80"].migration_status is Status.QUEUED
    assert {shard: "b" in names for shard, names in shards.columns().items()} == {"-80": False, "80-": True}
    shown = await shards.alterd("show", uuid)
    assert "queued 1, complete 1" in shown
    assert "waits for `alterd launch`" in shown
    answer = json.loads(await shards.alterd("launch", "all", "-k", "commerce", "-o", "json"))
    assert (answer["affected"], [each["migration_uuid"] for each in answer["effects"]]) == (1, [uuid])
    await shards.until(uuid, low=Status.COMPLETE)
    assert "its launch is not postponed" in await shards.alterd("launch", uuid, code=4)


async def test_one_failed_shard_is_told_with_what_to_do_and_retried_there(fleet: Fleet, shards: Shards) -> None:
    fleet.start_all()
    [uuid] = await shards.client.submit("alter table customer add unique key (a)", strategy="mysql --postpone-launch")
    shards.shops["80-"].run("INSERT INTO customer (a, name) VALUES (1, 'Dora')")
    await shards.alterd("launch", uuid)
    await shards.until(uuid, low=Status.COMPLETE, high=Status.FAILED)
    shown = await shards.alterd("show", uuid)
    assert "failed 1, complete 1" in shown
    shards.shops["80-"].run("DELETE FROM customer WHERE name = 'Dora'")
    [effect] = json.loads(await shards.alterd("retry", uuid, "--shard", "80-", "-o", "json"))["effects"]
    assert (effect["affected"], effect["migration_status"]) == (1, "queued")
    await shards.until(uuid, high=Status.COMPLETE)
    row = (await shards.rows(uuid))["80-"]
    assert (row.retries, row.attempt) == (1, 2)
    story = await shards.alterd("history", uuid)
    assert "retried" in story
    assert story.count("completed") == 2


async def test_a_cancel_of_all_ends_what_runs_and_what_waits(fleet: Fleet, shards: Shards) -> None:
    fleet.start_all()
    with shards.shops["-80"].table_in_use(), shards.shops["80-"].table_in_use():
        [first] = await shards.client.submit("alter table customer add b int")
        [second] = await shards.client.submit("alter table customer add c int", strategy="mysql --postpone-launch")
        await shards.until(first, low=Status.RUNNING, high=Status.RUNNING)
        answer = json.loads(await shards.alterd("cancel", "all", "-m", "wrong deploy", "-o", "json"))
        assert answer["affected"] == 4
        await shards.until(second, low=Status.CANCELLED, high=Status.CANCELLED)
        # the statements wait for the table: they are killed there, while it is still in use
        await shards.until(first, low=Status.CANCELLED, high=Status.CANCELLED)
    assert all(names == ["id", "a", "name"] for names in shards.columns().values())
    assert {row.message for row in (await shards.rows(first)).values()} == {"wrong deploy"}
    assert "there is no migration on which it has an effect" in await shards.alterd("cancel", "all", code=4)


async def test_a_held_keyspace_begins_nothing_until_it_is_released(fleet: Fleet, shards: Shards) -> None:
    services = fleet.start_all()
    await shards.alterd("hold", "-k", "commerce", "-m", "incident 7")
    [uuid] = await shards.client.submit("alter table customer add b int")
    await shards.alterd("pause", uuid, "--shard", "80-")
    services["scheduler"].kill()  # the next leader knows of it
    fleet.start("scheduler", "scheduler-again")
    [later] = await shards.client.submit("create table another (id int primary key)")
    assert "on hold" in await shards.alterd("show", later)
    for row in [*(await shards.rows(uuid)).values(), *(await shards.rows(later)).values()]:
        assert (row.migration_status, row.held, row.paused) == (Status.QUEUED, True, True)
    [effect] = json.loads(await shards.alterd("release", "-o", "json"))["effects"]
    assert (effect["shard"], effect["affected"]) == ("_", 1)
    await shards.until(uuid, low=Status.COMPLETE)
    await shards.until(later, low=Status.COMPLETE)
    assert (await shards.rows(uuid))["80-"].migration_status is Status.QUEUED
    await shards.alterd("resume", uuid)
    await shards.until(uuid, high=Status.COMPLETE)
    told = await shards.alterd("history", uuid)
    assert "hold_released" in told
    assert "paused" in told


async def test_a_paused_copy_stands_still_and_goes_on_where_it_was(fleet: Fleet, shards: Shards) -> None:
    fleet.start_all(**SLOW)
    fill(shards)
    [uuid] = await shards.client.submit("alter table customer add b int", strategy="vitess")
    await shards.client.until(uuid, lambda row: row.stage == "copy", shard="-80")
    [effect] = (await shards.client.control(Command.PAUSE, uuid, shards=("-80",))).effects
    assert (effect.affected, effect.migration_status) == (1, Status.RUNNING)
    await shards.until(uuid, high=Status.COMPLETE)
    row = json.loads(await shards.alterd("show", uuid, "--shard", "-80", "-o", "json"))[0]
    assert row["migration_status"] == "running"
    copied = row["rows_copied"]
    await asyncio.sleep(1)
    row = json.loads(await shards.alterd("show", uuid, "--shard", "-80", "-o", "json"))[0]
    assert row["rows_copied"] - copied <= 20
    assert row["reason_throttled"] == "paused"
    await shards.alterd("resume", uuid)
    await shards.until(uuid, low=Status.COMPLETE)


@pytest.mark.slow
async def test_a_throttled_copy_waits_until_its_rule_expires_by_itself(fleet: Fleet, shards: Shards) -> None:
    fleet.start_all(**SLOW)
    fill(shards)
    uuid = migration_uuid(new_request_id(), 0)
    await shards.until_throttled_by_somebody()
    throttle = ("throttle", uuid, "-k", "commerce", "--shard", "-80")
    await shards.alterd(*throttle, "--expire", "10m", "-m", "busy")
    await shards.alterd("throttle", "all", "--ratio", "0.01", "--expire", "1h")
    await shards.client.submit("alter table customer add b int", strategy="vitess", uuids=(uuid,))
    row = await shards.client.until(uuid, lambda row: bool(row.reason_throttled), shard="-80")
    assert row.reason_throttled == f"{uuid} is throttled by a user"
    await shards.until(uuid, high=Status.COMPLETE)
    [shown] = json.loads(await shards.alterd("show", uuid, "--shard", "-80", "-o", "json"))
    assert (shown["migration_status"], shown["user_throttle_ratio"]) == ("running", 1.0)
    await shards.alterd(*throttle, "--expire", "2s")
    await shards.until(uuid, low=Status.COMPLETE)
    assert uuid not in await shards.alterd("throttled")
    assert "online-ddl" in await shards.alterd("throttled", "-k", "commerce")
    await shards.alterd("unthrottle", "all")
    assert await shards.alterd("throttled") == ""
    assert "is not throttled" in await shards.alterd("unthrottle", "all", code=4)
    facts = [event["fact"] for event in json.loads(await shards.alterd("history", uuid, "-o", "json"))]
    assert "user_throttled" in facts
    assert "throttled" in facts


@pytest.mark.slow
async def test_cleanup_drops_what_was_kept_and_purge_forgets(fleet: Fleet, shards: Shards) -> None:
    fleet.start_all()
    [uuid] = await shards.client.submit("drop table customer")
    await shards.until(uuid, low=Status.COMPLETE, high=Status.COMPLETE)
    assert shards.left() == 2
    assert "has artifacts" in await shards.alterd("purge", uuid, code=4)
    answer = json.loads(await shards.alterd("cleanup", "all", "-o", "json"))
    assert (answer["affected"], {each["shard"] for each in answer["effects"]}) == (2, set(SHARDS))
    for shard in SHARDS:
        row = await shards.client.until(uuid, lambda row: row.cleanup_timestamp is not None, shard=shard)
        assert (row.artifacts, row.retain_artifacts_seconds) == ("", -1)
    assert shards.left() == 0
    assert "has left nothing behind" in await shards.alterd("cleanup", uuid, code=4)
    assert json.loads(await shards.alterd("purge", uuid, "-o", "json"))["affected"] == 2
    assert await shards.rows(uuid) == {}
    assert "there is no migration" in await shards.alterd("show", uuid, code=3)
    assert "purged" in await shards.alterd("history", uuid)


def fill(shards: Shards) -> None:
    for shop in shards.shops.values():
        shop.run(
            "INSERT INTO customer (a, name) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
            " WHERE i < 4000) SELECT /*+ SET_VAR(cte_max_recursion_depth = 10000) */ i, CONCAT('n', i) FROM n"
        )
