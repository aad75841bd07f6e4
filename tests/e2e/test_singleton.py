"""Singletons: refused at once, with the pending migration's name. And what is complete in its context runs once."""

from __future__ import annotations

from alterd_contracts.requests import Accepted, Refusal
from alterd_contracts.states import Status
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.support.shop import Shop


async def refusal(client: Client, sql: str, flag: str, context: str = "") -> str:
    answer = await client.ask(sql, strategy=f"vitess --{flag}", migration_context=context)
    assert isinstance(answer, Refusal), answer
    assert answer.errors[0].code == "singleton_pending"
    return answer.errors[0].message


async def test_singletons(fleet: Fleet, client: Client, shop: Shop) -> None:  # noqa: ARG001 - the schema
    fleet.start_all()
    [uuid] = await client.submit(
        "CREATE TABLE one (id int PRIMARY KEY)", strategy="vitess --postpone-launch", migration_context="deploy-1"
    )
    create = "CREATE TABLE two (id int PRIMARY KEY)"
    assert f"[sample: {uuid}]" in await refusal(client, create, "singleton")
    told = await refusal(client, create, "singleton-context", "deploy-2")
    assert f"found pending migration: {uuid} in different context: deploy-1" in told
    same = await client.ask(create, strategy="vitess --singleton-context", migration_context="deploy-1")
    assert isinstance(same, Accepted)
    told = await refusal(client, "DROP TABLE IF EXISTS one", "singleton-table")
    assert f"found pending migration: {uuid} for the same table: one" in told
    kept = [each for each in await client.refusals() if each.errors[0].code == "singleton_pending"]
    assert len(kept) == 3


async def test_a_statement_that_is_complete_in_its_context_does_not_run_again(
    fleet: Fleet, client: Client, shop: Shop
) -> None:
    fleet.start_all()
    sql = "ALTER TABLE customer ADD INDEX (a)"
    [first] = await client.submit(sql, strategy="mysql", migration_context="deploy-1")
    await client.until(first, Status.COMPLETE)
    [again] = await client.submit(sql, strategy="mysql", migration_context="deploy-1")
    row = await client.until(again, Status.COMPLETE)
    assert row.message == f"duplicate DDL as {first} for migration context deploy-1"
    assert shop.indexes() == ["PRIMARY", "a"]
    await client.story(again)
