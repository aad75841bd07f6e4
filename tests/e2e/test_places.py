"""Who has a place on a shard, with real runs of the native engine: copies one after the other, tails side by side."""

from __future__ import annotations

import asyncio
import contextlib

from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import ServiceUnreachable
from alterd_contracts.events import Fact
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Answered, Command, Refusal
from alterd_contracts.states import Status
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.e2e.online import SMALL
from tests.support import eventually
from tests.support.shop import Shop

ROWS = 300
HELD = "vitess --allow-concurrent --postpone-completion"
_answers: Reader[Answered | Refusal] = Reader(Answered | Refusal)


def filled(shop: Shop, *tables: str) -> None:
    for table in tables:
        shop.run(f"CREATE TABLE {table} (id int PRIMARY KEY, a int)")
        shop.run(f"INSERT INTO {table} VALUES " + ",".join(f"({n}, {n})" for n in range(ROWS)))


def committed(shop: Shop, uuid: str) -> int:
    if not shop.run("SELECT 1 FROM information_schema.tables WHERE table_schema='_alterd' AND table_name='copy_state'"):
        return 0
    [(rows,)] = shop.run(
        f"SELECT COALESCE(SUM(rows_copied), 0) FROM _alterd.copy_state WHERE migration_uuid = '{uuid}'"
    )
    return int(rows)


async def rule(client: Client, command: Command, uuid: str = "") -> None:
    """What users throttle, from now on."""
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(ServiceUnreachable):
                control = Control(command=command, keyspace="commerce", migration_uuid=uuid)
                answer = await client.bus.ask(subjects.THROTTLE_RULE, control, _answers, timeout=3)
                if isinstance(answer, Answered):
                    return
            await asyncio.sleep(0.1)


async def now(client: Client, uuid: str) -> Migration:
    row = await client.row(uuid)
    assert row is not None
    return row


async def test_one_copies_while_tails_overlap_and_who_has_left_the_place_waits_for_it(
    fleet: Fleet, client: Client, shop: Shop
) -> None:
    fleet.start_all(**SMALL)
    filled(shop, "one", "two")
    await rule(client, Command.THROTTLE)  # every copy stands still
    first, second = await client.submit(
        "ALTER TABLE one ADD COLUMN b int; ALTER TABLE two ADD COLUMN b int", strategy=HELD
    )
    row = await client.until(first, lambda row: row.stage == "copy")
    assert row.exclusive
    assert (await now(client, second)).migration_status is Status.QUEUED, "one place for all copies"
    await rule(client, Command.UNTHROTTLE)
    await rule(client, Command.THROTTLE, second)
    await client.until(first, lambda row: row.ready_to_complete)
    row = await client.until(second, lambda row: row.stage == "copy")
    assert (row.exclusive, (await now(client, first)).exclusive) == (True, False), "a tail beside a copy"

    [executor] = [each for each in fleet.services if each.name.startswith("executor")]
    executor.kill()
    shop.run(f"DELETE FROM _alterd.checkpoints WHERE migration_uuid = '{first}'")  # so it has to begin anew
    fleet.start("executor", **SMALL)
    row = await client.until(first, lambda row: row.exclusive_wanted and row.stage == "copy", timeout=60)
    assert (row.attempt, row.exclusive) == (2, False)
    row = await client.until(second, lambda row: row.attempt == 2 and row.migration_status is Status.RUNNING)
    assert row.exclusive, "it keeps its place over its attempts"
    assert committed(shop, first) == 0, "its run waits in `phase`"
    await rule(client, Command.UNTHROTTLE, second)
    for uuid in (second, first):
        await client.until(uuid, lambda row: row.ready_to_complete, timeout=60)
    rows = [await now(client, uuid) for uuid in (first, second)]
    assert [(row.migration_status, row.exclusive) for row in rows] == [(Status.RUNNING, False)] * 2
    facts = [event.fact for event in await client.events(first)]
    assert facts.count(Fact.PERMITTED) == 1
    for uuid in (second, first):
        await client.control(Command.COMPLETE, uuid)
        await client.until(uuid, Status.COMPLETE)
        await client.story(uuid)
    for table in ("one", "two"):
        assert shop.columns(table) == ["id", "a", "b"]
        assert shop.run(f"SELECT count(*) FROM {table}") == [(ROWS,)]


async def test_a_paused_run_writes_nothing_and_lets_others_pass(fleet: Fleet, client: Client, shop: Shop) -> None:
    fleet.start_all(**SMALL)
    filled(shop, "one", "two")
    await rule(client, Command.THROTTLE)
    [first] = await client.submit("ALTER TABLE one ADD COLUMN b int", strategy="vitess")
    [second] = await client.submit("ALTER TABLE two ADD COLUMN b int", strategy="vitess")
    await client.until(first, lambda row: row.stage == "copy")
    [effect] = (await client.control(Command.PAUSE, first)).effects
    assert effect.message == "its run waits from the next border on, until `alterd resume`"
    await rule(client, Command.UNTHROTTLE)
    await client.until(second, Status.COMPLETE)
    shop.run("UPDATE one SET a = a + 1")
    before = committed(shop, first)
    row = await now(client, first)
    assert (row.migration_status, row.paused, row.parked, row.exclusive) == (Status.RUNNING, True, True, False)

    held = [name for name in shop.tables() if name.startswith("_alterd_shd_")]
    await client.control(Command.POSTPONE_COMPLETE, first)
    await client.control(Command.RESUME, first)
    row = await client.until(first, lambda row: row.ready_to_complete)
    assert (row.paused, row.parked) == (False, False)
    assert committed(shop, first) == ROWS > before
    await client.control(Command.PAUSE, first)
    shop.run("UPDATE one SET a = -1")
    await asyncio.sleep(2.5)  # the apply would have its turn each second
    [shadow] = [name for name in shop.tables() if name in held]
    assert shop.run(f"SELECT count(*) FROM {shadow} WHERE a = -1") == [(0,)]
    await client.control(Command.RESUME, first)
    await eventually(lambda: shop.run(f"SELECT count(*) FROM {shadow} WHERE a = -1") == [(ROWS,)])
    await client.control(Command.COMPLETE, first)
    await client.until(first, Status.COMPLETE)
    await client.story(first)


async def test_a_statement_that_mysql_carries_out_alone_cannot_be_paused(
    fleet: Fleet, client: Client, shop: Shop
) -> None:
    fleet.start_all(ALTERD_EXECUTOR__LOCK_WAIT_TIMEOUT="60")
    with shop.table_in_use():
        [uuid] = await client.submit("ALTER TABLE customer ADD INDEX (a)", strategy="mysql")
        await eventually(lambda: shop.waiting_alters() == 1)
        [effect] = (await client.control(Command.PAUSE, uuid)).effects
        assert effect.affected == 0
        assert "ALTER by the strategy mysql cannot be paused once it runs; `alterd cancel` ends it" in effect.message
        await client.control(Command.CANCEL, uuid)
        await client.until(uuid, Status.CANCELLED)
    assert shop.indexes() == ["PRIMARY"]
