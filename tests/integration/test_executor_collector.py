"""What migrations left behind goes once its time is over, and nothing else does."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pymysql
import pytest

from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.inputs import Collected
from alterd_contracts.migration import Migration
from alterd_contracts.names import Artifact, ArtifactKind
from alterd_contracts.requests import ThrottleCheck, Verdict
from alterd_contracts.states import Status
from alterd_executor import accounts
from alterd_executor.collector import Collector
from alterd_executor.identity import Identity
from alterd_executor.nursery import Nursery
from alterd_executor.throttling import Throttling
from alterd_executor.watching import Following
from alterd_executor.world import World
from alterd_runtime.bus import Bus, NatsSettings
from alterd_runtime.mysql import artifacts
from alterd_runtime.mysql.connect import connect
from alterd_runtime.mysql.fence import Fence
from alterd_runtime.mysql.grants import Part, for_accounts, needs
from alterd_runtime.mysql.sidecar import ensure
from alterd_runtime.plugins import Strategies
from alterd_runtime.provision.nats_server import NatsServer
from alterd_runtime.settings import ExecutorSettings
from tests.integration.executor_support import address, alter, session
from tests.integration.grants_support import account
from tests.support import eventually
from tests.support.servers import keyspace_of
from tests.support.shop import Shop

_reports: Reader[Collected] = Reader(Collected)


class Yard:
    """A collector with a throttler that says what the test wants."""

    def __init__(self, shop: Shop, world: World) -> None:
        self.shop, self.world = shop, world
        self.collector = Collector(world)
        self.go = True
        self.asked: list[ThrottleCheck] = []

    async def verdict(self, question: ThrottleCheck) -> Verdict:
        self.asked.append(question)
        return Verdict(
            keyspace=question.keyspace,
            shard=question.shard,
            go=self.go,
            reason="" if self.go else "lag 7.3 > 5.0",
            metrics={},
            valid_seconds=5,
            throttler="test",
        )

    async def artifact(self, record: Migration, *, age: float | None, make: bool = True) -> str:
        """A held table of `record`, due since `age` seconds; None: without a time."""
        fence = Fence(
            keyspace="commerce",
            shard="0",
            migration_uuid=record.migration_uuid,
            attempt=record.attempt,
            executor="e1",
        )
        async with session(self.shop) as opened:
            await ensure(opened)
            await fence.claim(opened)
            artifact = await artifacts.declare(opened, fence, self.shop.schema, ArtifactKind.HELD)
            if make:
                await opened.execute(f"CREATE TABLE {self.shop.schema}.{artifact.name} (id int)")
            if age is not None:
                await artifacts.collect_after(opened, self.shop.schema, artifact.name, -age)
        return artifact.name

    async def reports(self) -> list[Collected]:
        found: list[Collected] = []
        async for message in self.world.bus.tail(subjects.INPUT):
            if message is None:
                break
            found.append(_reports.read(message.data))
        return found

    def listed(self, name: str) -> bool:
        [(left,)] = self.shop.run(
            "SELECT collected_at IS NULL FROM _alterd.artifacts"
            f" WHERE name = '{name}' AND table_schema = '{self.shop.schema}'"
        )
        return bool(left)


@pytest.fixture
async def yard(nats: NatsServer, shop: Shop, tmp_path: Path) -> AsyncIterator[Yard]:
    async with Bus.open(NatsSettings(servers=(nats.url,)), "test", "yard") as bus:
        await bus.ensure()
        keyspace = keyspace_of(shop, tmp_path / "keyspace")
        await bus.bucket(subjects.TOPOLOGY).put(keyspace.name, msgspec.json.encode(keyspace))
        throttling = Throttling(bus)
        world = World(
            bus=bus,
            identity=Identity.new("e1"),
            settings=ExecutorSettings(),
            strategies=Strategies(),
            records=bus.bucket(subjects.STATE),
            following=Following(bus.bucket(subjects.STATE)),
            topology=bus.bucket(subjects.TOPOLOGY),
            progress=bus.bucket(subjects.PROGRESS),
            nursery=Nursery(),
            throttling=throttling,
            http_url="",
            stopping=asyncio.Event(),
        )
        yard = Yard(shop, world)
        reader: Reader[ThrottleCheck] = Reader(ThrottleCheck)
        stop = await bus.serve(subjects.THROTTLE_CHECK, reader, yard.verdict)
        try:
            yield yard
        finally:
            await stop()
            await throttling.close()
            if shop.run("SELECT 1 FROM information_schema.schemata WHERE schema_name = '_alterd'"):
                shop.run(f"DELETE FROM _alterd.artifacts WHERE table_schema = '{shop.schema}'")


async def test_what_is_due_goes_and_is_reported(yard: Yard, shop: Shop) -> None:
    record = alter(shop, "FORCE")
    due, early, nameless = (
        await yard.artifact(record, age=5),
        await yard.artifact(record, age=-3600),
        await yard.artifact(record, age=5, make=False),
    )
    assert await yard.collector.round() == 2
    assert shop.tables() == [early, "customer"]
    assert [yard.listed(name) for name in (due, early, nameless)] == [False, True, False]
    assert sorted(name for report in await yard.reports() for name in report.names) == sorted((due, nameless))
    assert {question.app for question in yard.asked} == {"tablegc"}
    assert await yard.collector.round() == 0


async def test_a_view_goes_as_a_view_also_a_broken_one(yard: Yard, shop: Shop) -> None:
    shop.run("CREATE TABLE gone (id int)")
    held = [await yard.artifact(alter(shop, "FORCE"), age=5, make=False) for _ in range(2)]
    for name, source in zip(held, ("customer", "gone"), strict=True):
        shop.run(f"CREATE VIEW `{name}` AS SELECT id FROM {source}")
    shop.run("DROP TABLE gone")
    assert await yard.collector.round() == 2
    assert shop.tables() == ["customer"]


async def test_what_a_later_attempt_works_with_is_none_of_a_cleanups_affair(yard: Yard, shop: Shop) -> None:
    """The collector was paused after it had read the record, and the migration was retried meanwhile."""
    first = alter(shop, "FORCE", attempt=1)
    again = first.evolve(attempt=2)
    old, live = await yard.artifact(first, age=None), await yard.artifact(again, age=None)
    kept = await yard.artifact(again, age=-3600)
    assert await yard.collector.collect(first) == 0
    assert shop.tables() == sorted([live, kept, "customer"])
    assert [yard.listed(name) for name in (old, live, kept)] == [False, True, True]
    assert await yard.collector.collect(again) == 0
    assert shop.tables() == ["customer"]


async def test_a_name_that_is_no_artifact_is_never_dropped(yard: Yard, shop: Shop) -> None:
    record = alter(shop, "FORCE")
    name = await yard.artifact(record, age=5)
    shop.run(f"UPDATE _alterd.artifacts SET name = 'customer' WHERE name = '{name}'")
    assert await yard.collector.round() == 0
    assert "customer" in shop.tables()


async def test_an_artifact_that_is_not_listed_is_left_alone(yard: Yard, shop: Shop) -> None:
    await yard.artifact(alter(shop, "FORCE"), age=-3600)
    parsed = Artifact.parse("_alterd_hld_9e8a9249397611ed94420a43f95f28a3_200101000000")
    assert parsed is not None
    shop.run(f"CREATE TABLE {parsed.name} (id int)")
    await yard.collector.round()
    assert parsed.name in shop.tables()


async def test_the_throttlers_wait_is_obeyed(yard: Yard, shop: Shop) -> None:
    due = await yard.artifact(alter(shop, "FORCE"), age=5)
    yard.go = False
    collecting = asyncio.create_task(yard.collector.round())
    await eventually(lambda: len(yard.asked) >= 2)
    assert due in shop.tables()
    yard.go = True
    assert await collecting == 1
    assert due not in shop.tables()


async def test_a_collector_that_dies_between_drop_and_list_is_followed_by_one_that_ends_it(
    yard: Yard, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    due = await yard.artifact(alter(shop, "FORCE"), age=5)
    monkeypatch.setenv("ALTERD_FAILPOINT", "collector.dropped:error")
    assert await yard.collector.round() == 0
    assert due not in shop.tables()
    assert yard.listed(due)
    monkeypatch.delenv("ALTERD_FAILPOINT")
    assert await yard.collector.round() == 1
    assert [report.names for report in await yard.reports()] == [(due,)]


async def test_one_collector_works_on_a_shard(yard: Yard, shop: Shop) -> None:
    due = await yard.artifact(alter(shop, "FORCE"), age=5)
    yard.go = False
    first = asyncio.create_task(yard.collector.round())
    await eventually(lambda: bool(yard.asked))
    began = time.monotonic()
    assert await Collector(yard.world).round() == 0
    assert time.monotonic() - began < 5
    yard.go = True
    assert await first == 1
    assert due not in shop.tables()


@pytest.mark.parametrize(("status", "adopted"), [(Status.FAILED, True), (Status.RUNNING, False), (None, False)])
async def test_what_a_migration_left_that_ended_without_its_run_gets_a_time(
    yard: Yard, shop: Shop, status: Status | None, adopted: bool
) -> None:
    record = alter(shop, "FORCE", migration_status=status or Status.RUNNING, retain_artifacts_seconds=-1)
    left = await yard.artifact(record, age=None)
    if status is not None:
        key = record.done_key if status.terminal else record.open_key
        await yard.world.records.put(key, msgspec.json.encode(record))
    assert await yard.collector.round() == int(adopted)
    assert (left in shop.tables()) == (not adopted)


async def test_accounts_of_migrations_that_have_ended_go(yard: Yard, shop: Shop) -> None:
    """Their last executor died with them. Of a migration that is open its attempts end them."""
    await yard.artifact(alter(shop, "FORCE"), age=-3600)  # the sidecar is there
    ended, goes_on, elsewhere = (alter(shop, "FORCE") for _ in range(3))
    key = subjects.open_key("commerce", "0", goes_on.migration_uuid)
    await yard.world.records.put(key, msgspec.json.encode(goes_on))
    fences = [
        Fence(keyspace=keyspace, shard="0", migration_uuid=record.migration_uuid, attempt=1, executor="gone")
        for record, keyspace in ((ended, "commerce"), (goes_on, "commerce"), (elsewhere, "another"))
    ]
    async with session(shop) as opened:
        made = [await accounts.create(opened, fence, [f"SELECT, TRIGGER ON `{shop.schema}`.*"]) for fence in fences]
    users = [account.user for account in made]
    shop.run("CREATE USER 'alterd_abc_1'@'%'")
    shop.run(f"CREATE DEFINER = '{users[0]}'@'%' TRIGGER left_over AFTER INSERT ON customer FOR EACH ROW SET @a = 1")
    signed_in = connect(address(shop).host, address(shop).port, users[0], made[0].password, database=shop.schema)
    try:
        await yard.collector.round()
        left = {user for (user,) in shop.run("SELECT user FROM mysql.user")} & {*users, "alterd_abc_1"}
        assert left == {*users[1:], "alterd_abc_1"}
        assert not shop.run(f"SELECT 1 FROM performance_schema.threads WHERE processlist_user = '{users[0]}'")
        shop.run("INSERT INTO customer (id) VALUES (77)")  # the trigger is gone with its definer
    finally:
        with contextlib.suppress(pymysql.Error):
            signed_in.close()
        for user in (*users, "alterd_abc_1"):
            shop.run(f"DROP USER IF EXISTS '{user}'@'%'")


async def test_a_table_of_a_tool_s_own_name_is_dropped_while_it_is_the_same_migration_s(yard: Yard, shop: Shop) -> None:
    ended, next_one = alter(shop, "FORCE"), alter(shop, "FORCE")
    async with session(shop) as opened:
        await ensure(opened)
        for record, names in ((ended, ["_customer_new", "_customer_old"]), (next_one, ["_customer_old"])):
            fence = Fence(
                keyspace="commerce", shard="0", migration_uuid=record.migration_uuid, attempt=1, executor="e1"
            )
            await fence.claim(opened)
            await artifacts.declare_foreign(opened, fence, shop.schema, names)
            for name in names:
                await artifacts.collect_after(opened, shop.schema, name, -1)
        due = await artifacts.due(opened, 10)
        shop.run("CREATE TABLE _customer_new (id int)")
        shop.run("CREATE TABLE _customer_old (id int)")
        stale = [msgspec.structs.replace(each, migration_uuid=ended.migration_uuid) for each in due]
        assert [await artifacts.is_left(opened, each) for each in sorted(stale, key=lambda each: each.name)] == [
            True,
            False,
        ]
    assert await yard.collector.round() == 2
    assert shop.tables() == ["customer"]


async def test_a_name_that_another_migration_has_taken_meanwhile_stays_on_the_list(yard: Yard, shop: Shop) -> None:
    first, second = alter(shop, "FORCE"), alter(shop, "FORCE")
    fences = [
        Fence(keyspace="commerce", shard="0", migration_uuid=record.migration_uuid, attempt=1, executor="e1")
        for record in (first, second)
    ]
    async with session(shop) as opened:
        await ensure(opened)
        for fence in fences:
            await fence.claim(opened)
        await artifacts.declare_foreign(opened, fences[0], shop.schema, ["_customer_new"])
        await artifacts.collect_after(opened, shop.schema, "_customer_new", -1)
        [due] = [each for each in await artifacts.due(opened, 10) if each.name == "_customer_new"]
        await artifacts.declare_foreign(opened, fences[1], shop.schema, ["_customer_new"])  # after the collector's DROP
        await artifacts.mark_dropped(opened, due)
        assert yard.listed("_customer_new")
        await artifacts.collect_after(opened, shop.schema, "_customer_new", -1)
        [due] = [each for each in await artifacts.due(opened, 10) if each.name == "_customer_new"]
        await artifacts.mark_dropped(opened, due)
        assert not yard.listed("_customer_new")


async def test_accounts_are_found_with_the_documented_privileges(shop: Shop) -> None:
    record = alter(shop, "FORCE")
    fence = Fence(keyspace="commerce", shard="0", migration_uuid=record.migration_uuid, attempt=1, executor="gone")
    with account(shop, [*needs(part=Part.EXECUTOR), *for_accounts("gh-ost")]) as least:
        async with session(least) as opened:
            made = await accounts.create(opened, fence, [])
            try:
                assert [found.user for found in await accounts.left(opened)] == [made.user]
            finally:
                await accounts.sweep(opened, fence)
            assert await accounts.left(opened) == []
