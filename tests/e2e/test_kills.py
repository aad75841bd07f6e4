"""kill -9 of every service at every durable border: the migration ends as it should, once."""

from __future__ import annotations

import asyncio

import pytest

from alterd_contracts.envelope import Reader
from alterd_contracts.errors import ServiceUnreachable
from alterd_contracts.events import Fact
from alterd_contracts.requests import Command, Refusal, ThrottleCheck, Verdict
from alterd_contracts.states import Status
from alterd_contracts.subjects import THROTTLE_CHECK
from alterd_runtime.failpoints import FAILPOINTS
from alterd_runtime.provision.nats_server import NatsServer
from tests.e2e.client import Client
from tests.e2e.fleet import TTL, Fleet
from tests.support import eventually
from tests.support.shop import Shop

BY_SERVICE = {
    "intake": "intake",
    "scheduler": "scheduler",
    "executor": "executor",
    "run": "executor",
    "statement": "executor",
}
ELSEWHERE = ("scheduler.reopened", "scheduler.gate_row_written", "statement.view_made")
"""Fail points that the script below does not come by; they have tests of their own."""
POINTS = [name for name in FAILPOINTS if name.split(".")[0] in BY_SERVICE and name not in ELSEWHERE]
ALWAYS = {
    *("intake.submitted", "scheduler.record_written", "scheduler.event_published", "scheduler.done_written"),
    *("executor.granted", "executor.run_ended", "run.begun", "statement.executed"),
}
"""Killed there in every test run; at the others in the slow ones."""
SCRIPT = "ALTER TABLE customer ADD INDEX (a); DROP TABLE IF EXISTS customer"
"""An index that could be made twice, and a statement that declares an artifact."""


@pytest.mark.parametrize(
    "point", [pytest.param(name, marks=() if name in ALWAYS else pytest.mark.slow) for name in POINTS]
)
async def test_a_service_killed_at_a_fail_point(fleet: Fleet, client: Client, shop: Shop, point: str) -> None:
    kind = BY_SERVICE[point.split(".", maxsplit=1)[0]]
    services = {name: fleet.start(name) for name in ("scheduler", "intake", "executor") if name != kind}
    services[kind] = fleet.start(kind, f"{kind}-a", ALTERD_FAILPOINT=f"{point}:crash")
    submitting = asyncio.create_task(client.submit(SCRIPT))
    await eventually(fleet.marker(point).exists, timeout=30)
    if point.split(".", maxsplit=1)[0] == kind:  # a fail point of a run kills the run's process alone
        services[kind].wait_dead()
        fleet.start(kind, f"{kind}-a")
    await ended_as_it_should(await submitting, client, shop)


async def ended_as_it_should(uuids: list[str], client: Client, shop: Shop) -> None:
    """One index, one held table with every row, one story."""
    for uuid in uuids:
        await client.until(uuid, Status.COMPLETE)
        await client.story(uuid)
    [held] = shop.tables()
    assert shop.indexes(held) == ["PRIMARY", "a"]
    assert shop.run(f"SELECT count(*) FROM {held}") == [(3,)]


@pytest.mark.parametrize("point", ["statement.view_made", "statement.remembered", "statement.executed"])
async def test_an_executor_killed_while_it_replaces_a_view(
    fleet: Fleet, client: Client, shop: Shop, point: str
) -> None:
    """The view is exchanged once: the old one is held, the new one stands."""
    shop.run("CREATE SQL SECURITY INVOKER VIEW v AS SELECT id FROM customer")
    fleet.start_all(ALTERD_FAILPOINT=f"{point}:crash")
    uuids = await client.submit("ALTER VIEW v AS SELECT name FROM customer", strategy="vitess")
    await eventually(fleet.marker(point).exists, timeout=30)
    for uuid in uuids:
        await client.until(uuid, Status.COMPLETE)
        await client.story(uuid)
    assert shop.columns("v") == ["name"]
    held = [name for name in shop.tables() if name.startswith("_alterd_hld_")]
    assert [shop.columns(name) for name in held].count(["id"]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
async def test_nats_killed_while_a_service_stands_at_a_fail_point(
    nats: NatsServer, fleet: Fleet, client: Client, shop: Shop, point: str
) -> None:
    kind = BY_SERVICE[point.split(".", maxsplit=1)[0]]
    for name in ("scheduler", "intake", "executor"):
        stalled = {"ALTERD_FAILPOINT": f"{point}:sleep=1.5"} if name == kind else {}
        fleet.start(name, **stalled)
    submitting = asyncio.create_task(client.submit(SCRIPT))
    await eventually(fleet.marker(point).exists, timeout=30)
    nats.kill()
    await asyncio.sleep(0.5)
    nats.start()
    await ended_as_it_should(await submitting, client, shop)


async def test_a_scheduler_killed_in_the_middle_of_a_retry(fleet: Fleet, client: Client, shop: Shop) -> None:
    """The open row is written again, the done one still stands: the retry holds."""
    for name in ("intake", "executor"):
        fleet.start(name)
    scheduler = fleet.start("scheduler", "scheduler-a", ALTERD_FAILPOINT="scheduler.reopened:crash")
    shop.run("INSERT INTO customer (a) VALUES (1)")
    [uuid] = await client.submit("ALTER TABLE customer ADD UNIQUE KEY (a)")
    await client.until(uuid, Status.FAILED)
    shop.run("DELETE FROM customer WHERE name IS NULL")
    retrying = asyncio.create_task(client.control(Command.RETRY, uuid))
    await eventually(lambda: not scheduler.running)
    fleet.start("scheduler", "scheduler-a")
    assert (await retrying).migration_uuid == uuid
    row = await client.until(uuid, Status.COMPLETE)
    assert row.retries == 1
    facts = [event.fact for event in await client.events(uuid)]
    assert facts.count(Fact.RETRIED) == 1
    assert shop.indexes() == ["PRIMARY", "a"]


@pytest.mark.parametrize("point", ["scheduler.record_written", "scheduler.done_written", "scheduler.event_published"])
async def test_a_scheduler_killed_while_it_cancels_a_chain(
    fleet: Fleet, client: Client, shop: Shop, point: str
) -> None:
    """What follows in order fails with it, and nothing of it ever runs; what does not goes on."""
    for name in ("intake", "executor"):
        fleet.start(name)
    scheduler = fleet.start("scheduler", "scheduler-a")
    chain = {"migration_context": "chain"}
    [first] = await client.submit("DROP TABLE customer", strategy="mysql --postpone-launch", **chain)
    followers = await client.submit(
        "CREATE TABLE one (id int PRIMARY KEY); CREATE TABLE two (id int PRIMARY KEY)",
        strategy="mysql --in-order-completion --allow-concurrent",
        **chain,
    )
    [other] = await client.submit(
        "CREATE TABLE three (id int PRIMARY KEY)", strategy="mysql --in-order-completion --allow-concurrent"
    )
    for uuid in (first, *followers, other):
        await client.until(uuid, Status.QUEUED)
    scheduler.kill()
    scheduler = fleet.start("scheduler", "scheduler-a", ALTERD_FAILPOINT=f"{point}:crash")
    cancelling = asyncio.create_task(client.control(Command.CANCEL, first))
    await eventually(lambda: not scheduler.running, timeout=30)
    fleet.start("scheduler", "scheduler-a")
    assert (await cancelling).migration_uuid == first
    await client.until(first, Status.CANCELLED)
    for uuid in followers:
        row = await client.until(uuid, Status.FAILED)
        assert (row.error_code, row.attempt) == ("prior_failed", 0)
    await client.until(other, Status.COMPLETE)
    assert shop.tables() == ["customer", "three"]
    for uuid in (first, *followers, other):
        await client.story(uuid)


@pytest.mark.slow
async def test_a_collector_killed_after_it_dropped_an_artifact(fleet: Fleet, client: Client, shop: Shop) -> None:
    """The next one finds it gone, and says so once."""
    quick = {"ALTERD_EXECUTOR__RETAIN_ARTIFACTS": "1", "ALTERD_EXECUTOR__COLLECT_INTERVAL": "1"}
    for name in ("intake", "scheduler", "throttler"):
        fleet.start(name)
    executor = fleet.start("executor", "executor-a", ALTERD_FAILPOINT="collector.dropped:crash", **quick)
    [uuid] = await client.submit("DROP TABLE customer")
    executor.wait_dead(40)
    fleet.start("executor", "executor-a", **quick)
    row = await client.until(uuid, lambda row: row.cleanup_timestamp is not None)
    assert (row.migration_status, row.artifacts) == (Status.COMPLETE, "")
    assert shop.tables() == []


async def test_a_killed_throttler_is_followed_by_the_next_within_its_ttl(fleet: Fleet, client: Client) -> None:
    first = fleet.start("throttler", ALTERD_FAILPOINT="throttler.measured:crash")
    ask = ThrottleCheck(keyspace="commerce", shard="0", app="test")

    async def go() -> bool:
        try:
            answer = await client.bus.ask(THROTTLE_CHECK, ask, Reader[Verdict | Refusal](Verdict | Refusal), timeout=3)
        except ServiceUnreachable:
            return False
        return isinstance(answer, Verdict) and answer.go

    async def dead() -> bool:
        return await go() or not first.running

    await eventually(dead, timeout=30)
    assert not first.running
    fleet.start("throttler")
    await eventually(go, timeout=30)


async def test_an_executor_killed_in_the_middle_of_an_alter(fleet: Fleet, client: Client, shop: Shop) -> None:
    """Its statement goes on on the server; the next attempt ends it and decides by facts."""
    services = fleet.start_all(ALTERD_EXECUTOR__LOCK_WAIT_TIMEOUT="60")
    with shop.table_in_use():
        [uuid] = await client.submit("ALTER TABLE customer ADD INDEX (a)")
        await eventually(lambda: shop.waiting_alters() == 1)
        services["executor"].kill()
        fleet.start("executor", ALTERD_EXECUTOR__LOCK_WAIT_TIMEOUT="60")
        await client.until(uuid, lambda row: row.attempt == 2 and row.migration_status is Status.RUNNING)
        await eventually(lambda: shop.waiting_alters() == 1)
    row = await client.until(uuid, Status.COMPLETE)
    assert row.attempt == 2
    assert shop.indexes() == ["PRIMARY", "a"]
    await client.story(uuid)


async def test_an_executor_stopped_by_a_deploy_gives_its_work_back(fleet: Fleet, client: Client, shop: Shop) -> None:
    services = fleet.start_all(ALTERD_EXECUTOR__LOCK_WAIT_TIMEOUT="60")
    with shop.table_in_use():
        [uuid] = await client.submit("ALTER TABLE customer ADD INDEX (a)")
        await eventually(lambda: shop.waiting_alters() == 1)
        assert services["executor"].stop(timeout=10) == 0
        assert shop.waiting_alters() == 0
        row = await client.until(uuid, lambda row: row.attempt == 2)
        assert row.migration_status is Status.READY
    fleet.start("executor")
    await client.until(uuid, Status.COMPLETE)
    assert "released" in [event.fact for event in await client.events(uuid)]


async def test_a_paused_leader_writes_nothing_when_it_wakes(fleet: Fleet, client: Client) -> None:
    first = fleet.start("scheduler")
    fleet.start("intake")
    fleet.start("executor")
    await client.submit("CREATE TABLE one (id int PRIMARY KEY)")
    with first.paused():
        second = fleet.start("scheduler")
        [uuid] = await client.submit("CREATE TABLE two (id int PRIMARY KEY)")
        await client.until(uuid, Status.COMPLETE)
        await asyncio.sleep(3 * TTL)
    await eventually(lambda: "term.ended" in first.log.read_text(), timeout=15)
    [uuid] = await client.submit("CREATE TABLE three (id int PRIMARY KEY)")
    await client.until(uuid, Status.COMPLETE)
    assert (await client.epoch()).leader == second.name
    assert "three" not in first.log.read_text()
    for uuid in await client.events_by_uuid():
        await client.story(uuid)


async def test_a_paused_executor_does_nothing_when_it_wakes(fleet: Fleet, client: Client, shop: Shop) -> None:
    patience = {"ALTERD_EXECUTOR__LOCK_WAIT_TIMEOUT": "60"}
    services = fleet.start_all(**patience)
    with shop.table_in_use():
        [uuid] = await client.submit("ALTER TABLE customer ADD INDEX (a)")
        await eventually(lambda: shop.waiting_alters() == 1)
        with services["executor"].paused():
            second = fleet.start("executor", **patience)
            await client.until(uuid, lambda row: row.attempt == 2 and row.tablet == second.name)
            await eventually(lambda: shop.waiting_alters() == 1)
            await asyncio.sleep(3 * TTL)
    row = await client.until(uuid, Status.COMPLETE)
    assert (row.attempt, row.tablet) == (2, second.name)
    [again] = await client.submit("ALTER TABLE customer ADD COLUMN b int")
    await client.until(again, Status.COMPLETE)
    assert shop.indexes() == ["PRIMARY", "a"]
    await client.story(uuid)


async def outage(nats: NatsServer, fleet: Fleet, client: Client, shop: Shop, seconds: float) -> None:
    fleet.start_all(ALTERD_EXECUTOR__LOCK_WAIT_TIMEOUT="200")
    with shop.table_in_use():
        [uuid] = await client.submit("ALTER TABLE customer ADD INDEX (a)")
        await eventually(lambda: shop.waiting_alters() == 1)
        nats.kill()
        await asyncio.sleep(seconds)
        nats.start()
        await asyncio.sleep(2 * TTL)
        row = await client.until(uuid, Status.RUNNING)
        assert row.attempt == 1
        assert shop.waiting_alters() == 1
    row = await client.until(uuid, Status.COMPLETE)
    assert row.attempt == 1
    assert shop.indexes() == ["PRIMARY", "a"]
    await client.story(uuid)


@pytest.mark.slow
async def test_nats_away_for_three_ttls_hands_no_run_over(
    nats: NatsServer, fleet: Fleet, client: Client, shop: Shop
) -> None:
    await outage(nats, fleet, client, shop, 3 * TTL)


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_nats_away_for_a_minute_hands_no_run_over(
    nats: NatsServer, fleet: Fleet, client: Client, shop: Shop
) -> None:
    await outage(nats, fleet, client, shop, 60)


async def test_a_statement_that_ends_while_nats_is_away_is_reported_later(
    nats: NatsServer, fleet: Fleet, client: Client, shop: Shop
) -> None:
    fleet.start_all(ALTERD_EXECUTOR__LOCK_WAIT_TIMEOUT="60")
    with shop.table_in_use():
        [uuid] = await client.submit("ALTER TABLE customer ADD INDEX (a)")
        await eventually(lambda: shop.waiting_alters() == 1)
        nats.kill()
    await eventually(lambda: shop.indexes() == ["PRIMARY", "a"])
    await asyncio.sleep(TTL)
    nats.start()
    row = await client.until(uuid, Status.COMPLETE)
    assert row.attempt == 1
    await client.story(uuid)
