"""kill -9 of the process that runs are forked from, while one of them works."""

from __future__ import annotations

import os
import signal

from alterd_contracts.states import Status
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.support import eventually
from tests.support.processes import templates_of
from tests.support.shop import Shop


async def test_an_alter_whose_template_is_killed_is_made_once(fleet: Fleet, client: Client, shop: Shop) -> None:
    executor = fleet.start_all(ALTERD_EXECUTOR__LOCK_WAIT_TIMEOUT="60")["executor"]
    with shop.table_in_use():
        [uuid] = await client.submit("ALTER TABLE customer ADD INDEX (a)")
        await eventually(lambda: shop.waiting_alters() == 1)
        [template] = templates_of(executor.pid)
        os.kill(template, signal.SIGKILL)
        await client.until(uuid, lambda row: row.attempt == 2)
    row = await client.until(uuid, Status.COMPLETE)
    assert (row.attempt, row.tablet) == (2, executor.name)
    assert templates_of(executor.pid) not in ([], [template])
    assert shop.indexes() == ["PRIMARY", "a"]
