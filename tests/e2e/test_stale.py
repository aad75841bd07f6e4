"""A run that shows no sign of life: a warning, then its end; a retry is another attempt."""

from __future__ import annotations

import os
import signal

import pytest

from alterd_contracts.events import Fact
from alterd_contracts.requests import Command
from alterd_contracts.states import Status
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.support import eventually
from tests.support.shop import Shop

QUICK = {
    "ALTERD_EXECUTOR__STALE_WARN": "2",
    "ALTERD_EXECUTOR__STALE_FAIL": "5",
    "ALTERD_EXECUTOR__LOCK_WAIT_TIMEOUT": "60",
}


async def test_a_silent_run_is_warned_of_then_fails_and_its_attempts_are_kept(
    fleet: Fleet, client: Client, shop: Shop
) -> None:
    executor = fleet.start_all(**QUICK)["executor"]
    with shop.table_in_use():
        [uuid] = await client.submit("ALTER TABLE customer ADD COLUMN b int", strategy="mysql")
        [follower] = await client.submit(
            "CREATE TABLE later (id int PRIMARY KEY)", strategy="mysql --in-order-completion", migration_context="x"
        )
        await eventually(lambda: shop.waiting_alters() == 1)
        [run] = executor.children()
        os.kill(run, signal.SIGSTOP)
        row = await client.until(uuid, lambda row: "no sign of life" in row.message)
        assert (row.migration_status, row.attempt) == (Status.RUNNING, 1)
        row = await client.until(uuid, Status.FAILED)
        assert row.error_code == "stale_run"
        assert shop.waiting_alters() == 0, "nothing of it works on"
    assert shop.columns() == ["id", "a", "name"]
    await client.until(follower, Status.COMPLETE)  # of another context: it only waited
    await client.control(Command.RETRY, uuid)
    row = await client.until(uuid, Status.COMPLETE)
    assert (row.attempt, row.retries, row.tablet_failure) == (2, 1, False)
    told = [(event.fact, event.attempt) for event in await client.events(uuid)]
    assert [each for each in told if each[0] in (Fact.STALE, Fact.FAILED, Fact.COMPLETED)] == [
        (Fact.STALE, 1),
        (Fact.FAILED, 1),
        (Fact.COMPLETED, 2),
    ]


@pytest.mark.slow
async def test_a_throttled_run_is_alive(fleet: Fleet, client: Client, shop: Shop) -> None:
    """However long it waits."""
    for name in ("scheduler", "intake", "executor"):  # no throttler: every copy waits
        fleet.start(name, **(QUICK | {"ALTERD_EXECUTOR__STALE_FAIL": "3"}))
    shop.run("INSERT INTO customer (a) VALUES (1)")
    [uuid] = await client.submit("ALTER TABLE customer ADD COLUMN b int", strategy="vitess")
    await client.until(uuid, lambda row: row.stage == "copy")
    await client.until(uuid, lambda row: row.reason_throttled != "", timeout=60)
    fleet.start("throttler")
    await client.until(uuid, Status.COMPLETE)
    assert Fact.STALE not in [event.fact for event in await client.events(uuid)]
