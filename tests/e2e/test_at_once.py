"""What MySQL does at once, from the flag to the columns."""

from __future__ import annotations

import json

from alterd_contracts.requests import Command, Refusal
from alterd_contracts.states import Status
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.support.shop import Shop


async def test_an_instant_change_is_immediate_and_leaves_nothing_behind(
    fleet: Fleet, client: Client, shop: Shop
) -> None:
    fleet.start_all()
    flags = "--prefer-instant-ddl --postpone-completion --allow-concurrent"
    instant, copied = await client.submit(
        "ALTER TABLE customer ADD COLUMN z int; CREATE TABLE later (id int PRIMARY KEY)", strategy=f"vitess {flags}"
    )
    row = await client.until(instant, Status.QUEUED)
    assert json.loads(row.special_plan) == {"operation": "instant-ddl"}
    assert (row.is_immediate_operation, row.ready_to_complete) == (True, True)
    assert (await client.until(copied, Status.QUEUED)).special_plan == ""
    await client.control(Command.COMPLETE, instant)
    row = await client.until(instant, Status.COMPLETE)
    assert (row.artifacts, row.message) == ("", "done at once by MySQL: ALGORITHM=INSTANT")
    assert json.loads(row.special_plan) == {"operation": "instant-ddl"}
    assert shop.columns() == ["id", "a", "name", "z"]
    assert shop.tables() == ["customer"]
    await client.story(instant)

    [copied] = await client.submit("ALTER TABLE customer ADD INDEX (z)", strategy="vitess --prefer-instant-ddl")
    row = await client.until(copied, Status.COMPLETE)
    assert (row.special_plan, row.is_immediate_operation) == ("", False)
    assert row.artifacts

    refused = await client.ask("ALTER TABLE customer DROP COLUMN z", strategy="direct --prefer-instant-ddl")
    assert isinstance(refused, Refusal)
    assert refused.errors[0].message == "invalid flags for direct strategy: --prefer-instant-ddl"
    assert refused.errors[0].hint.startswith("--prefer-instant-ddl is for the strategies mysql and vitess; it has:")
