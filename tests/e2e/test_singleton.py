"""Singletons: refused at once, with the pending migration's name. And what is complete in its context runs once."""

from __future__ import annotations

from alterd_contracts.requests import Refusal
from alterd_contracts.states import Status
from tests.e2e.commerce import Commerce

CREATE = "create table two (id int primary key)"


async def refused(commerce: Commerce, flag: str, text: str, context: str = "") -> str:
    """What the caller is told at once."""
    script = f"set @@migration_context='{context}', @@ddl_strategy='vitess --{flag}'; {text}"
    told = await commerce.sql(script, code=4)
    assert "[singleton_pending]" in told
    return told


async def pending(commerce: Commerce, *, context: str = "deploy-1") -> str:
    """A migration that waits on one shard alone: singletons are decided over all shards of the keyspace."""
    first, *rest = commerce.shards
    out = await commerce.sql(
        f"set @@migration_context='{context}', @@ddl_strategy='vitess --postpone-launch';"
        " create table one (id int primary key)"
    )
    uuid = out.splitlines()[3].strip("| ")
    await commerce.alterd("launch", uuid, *[part for shard in rest for part in ("--shard", shard)])
    await commerce.until(uuid, Status.COMPLETE, *rest)
    assert (await commerce.column(uuid, "migration_status"))[first] == "queued"
    return uuid


async def ended(commerce: Commerce, uuid: str) -> None:
    await commerce.alterd("cancel", uuid)
    await commerce.until(uuid, lambda row: row.migration_status.terminal)


async def test_a_singleton_is_refused_while_anything_is_pending(commerce: Commerce) -> None:
    """Requests without the flag are not. After its end, and after completion, the next one is taken."""
    uuid = await pending(commerce)
    assert f"singleton migration rejected: found pending migrations [sample: {uuid}]" in await refused(
        commerce, "singleton", CREATE
    )
    free = await commerce.ddl("vitess --postpone-launch", CREATE)
    assert "[sample: " in await refused(commerce, "singleton", "drop table another_table")
    await ended(commerce, uuid)
    assert f"[sample: {free}]" in await refused(commerce, "singleton", "drop table another_table")
    await ended(commerce, free)
    taken = await commerce.ddl("vitess --singleton", "drop table another_table")
    await commerce.until(taken, Status.COMPLETE)
    taken = await commerce.ddl("vitess --singleton", CREATE)
    await commerce.until(taken, Status.COMPLETE)
    told = [each for each in await commerce.client.refusals() if each.errors[0].code == "singleton_pending"]
    assert [each.keyspace for each in told].count(commerce.name) == 3


async def test_a_singleton_context_lets_its_own_context_in(commerce: Commerce) -> None:
    uuid = await pending(commerce)
    told = await refused(commerce, "singleton-context", CREATE, "deploy-2")
    assert f"found pending migration: {uuid} in different context: deploy-1" in told
    out = await commerce.sql(
        f"set @@migration_context='deploy-1', @@ddl_strategy='vitess --singleton-context'; {CREATE}"
    )
    await commerce.until(out.splitlines()[3].strip("| "), Status.COMPLETE)
    await ended(commerce, uuid)
    out = await commerce.sql(
        "set @@migration_context='deploy-2', @@ddl_strategy='vitess --singleton-context'; drop table two"
    )
    await commerce.until(out.splitlines()[3].strip("| "), Status.COMPLETE)


async def test_a_singleton_table_is_refused_for_its_table_alone(commerce: Commerce) -> None:
    uuid = await pending(commerce)
    told = await refused(commerce, "singleton-table", "drop table if exists one")
    assert f"found pending migration: {uuid} for the same table: one" in told
    taken = await commerce.ddl("vitess --singleton-table", CREATE)
    await commerce.until(taken, Status.COMPLETE)


async def test_both_singletons_at_once_make_no_sense_and_the_stricter_one_holds(commerce: Commerce) -> None:
    uuid = await pending(commerce)
    told = await refused(commerce, "singleton --singleton-context", CREATE, "deploy-1")
    assert f"[sample: {uuid}]" in told


async def test_a_statement_that_is_complete_in_its_context_does_not_run_again(commerce: Commerce) -> None:
    text = "set @@migration_context='deploy-1', @@ddl_strategy='mysql'; alter table customer add index (a)"
    first = (await commerce.sql(text)).splitlines()[3].strip("| ")
    await commerce.until(first, Status.COMPLETE)
    again = (await commerce.sql(text)).splitlines()[3].strip("| ")
    for shard, row in (await commerce.until(again, Status.COMPLETE)).items():
        assert row.message == f"duplicate DDL as {first} for migration context deploy-1", shard
    assert commerce.each(lambda shop: shop.indexes()) == [["PRIMARY", "a"]] * len(commerce.shards)


async def test_a_script_that_is_run_twice_is_complete_twice_and_runs_once(commerce: Commerce) -> None:
    """Also while its first run is pending; under another context it is tried, and refused."""
    script = "create table item (id int primary key); alter table item add column price int"
    client = commerce.client
    first = await client.submit(script, strategy="vitess", migration_context="deploy-1")
    pending = await client.submit(script, strategy="vitess --postpone-launch", migration_context="deploy-1")
    for uuid in first:
        await commerce.until(uuid, Status.COMPLETE)
    again = await client.submit(script, strategy="vitess", migration_context="deploy-1")
    await commerce.alterd("launch", "all", "-k", commerce.name)
    for uuids in (pending, again):
        for uuid, done in zip(uuids, first, strict=True):
            for shard, row in (await commerce.until(uuid, Status.COMPLETE)).items():
                assert row.message == f"duplicate DDL as {done} for migration context deploy-1", shard
    assert commerce.columns("item") == ["id", "price"]
    refused = await client.ask(script, migration_context="deploy-2")
    assert isinstance(refused, Refusal)
    assert ["1050" in refused.errors[0].message, "1060" in refused.errors[1].message] == [True, True]


async def test_the_same_uuid_in_a_new_request_runs_again_where_it_failed_alone(commerce: Commerce) -> None:
    client, sql = commerce.client, "alter table customer add column b int"
    *others, last = commerce.shards
    [uuid] = await client.submit(sql, strategy="mysql --postpone-launch", migration_context="deploy-1")
    commerce.shops[last].run("ALTER TABLE customer ADD COLUMN b int")
    await commerce.alterd("launch", uuid)
    await commerce.until(uuid, Status.FAILED, last)
    await commerce.until(uuid, Status.COMPLETE, *others)
    commerce.shops[last].run("ALTER TABLE customer DROP COLUMN b")

    refused = await client.ask(sql, migration_context="deploy-2", uuids=(uuid,))
    assert isinstance(refused, Refusal)
    assert [error.code for error in refused.errors] == ["uuid_taken"]
    assert await client.submit(sql, migration_context="deploy-1", uuids=(uuid,)) == [uuid]
    await commerce.until(uuid, Status.COMPLETE, last)
    assert await client.submit(sql, migration_context="deploy-1", uuids=(uuid,)) == [uuid]  # complete: nothing to do
    for shard, row in (await commerce.until(uuid, Status.COMPLETE)).items():
        assert (row.attempt, row.retries) == ((2, 1) if shard == last else (1, 0)), shard
    assert commerce.columns("customer")[-1] == "b"
