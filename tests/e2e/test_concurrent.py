"""concurrent-migrations.txt, scenario by scenario, on two shards and on four."""

from __future__ import annotations

import contextlib

import pytest

from alterd_contracts.states import Status
from tests.e2e.commerce import Commerce
from tests.support import eventually

UUID = "3091ef2a_4b87_11ec_a827_0a43f95f28a3"
SLOW, QUICK = "alter vitess_migration throttle all expire '10m'", "alter vitess_migration unthrottle all"
"""Every copy of the keyspace stands still, and goes on."""


async def queued(commerce: Commerce, uuid: str) -> bool:
    """On all shards."""
    return set((await commerce.column(uuid, "migration_status")).values()) == {"queued"}


async def test_allow_concurrent_is_a_column_of_what_is_eligible(commerce: Commerce) -> None:
    """Any CREATE and DROP, and an ALTER by vitess; by mysql none, and nothing without the flag."""
    for strategy, text, eligible in (
        ("vitess --allow-concurrent", "create table sample_table(id int primary key);", 1),
        ("vitess --allow-concurrent", "drop table another_table;", 1),
        ("vitess --allow-concurrent", "alter table demo add column a int;", 1),
        ("mysql --allow-concurrent", "drop table sample_table;", 1),
        ("mysql --allow-concurrent", "alter table customer add index (a);", 0),
        ("vitess", "create table other_table(id int primary key);", 0),
    ):
        uuid = await commerce.ddl(strategy, text)
        assert set((await commerce.column(uuid, "allow_concurrent")).values()) == {eligible}, (strategy, text)
        await commerce.until(uuid, Status.COMPLETE)


async def test_create_and_drop_run_during_a_long_alter(commerce: Commerce) -> None:
    """At its copy. What is not concurrent waits for it."""
    await commerce.sql(SLOW)
    alter = await commerce.ddl("vitess", "alter table demo add column z int;")
    await commerce.until(alter, Status.RUNNING)
    concurrent = [
        await commerce.ddl("vitess --allow-concurrent", text)
        for text in ("create table sample_table(id int primary key);", "drop table another_table;")
    ]
    waits = await commerce.ddl("vitess", "create table later (id int primary key);")
    for uuid in concurrent:
        await commerce.until(uuid, Status.COMPLETE)
    assert await queued(commerce, waits)
    assert set((await commerce.column(alter, "migration_status")).values()) == {"running"}
    await commerce.sql(QUICK)
    await commerce.until(waits, Status.COMPLETE)
    ended, begun = (
        await commerce.column(alter, "completed_timestamp"),
        await commerce.column(waits, "started_timestamp"),
    )
    assert all(ended[shard] <= begun[shard] for shard in commerce.shards)


async def test_a_revert_during_an_alter_is_refused_until_there(commerce: Commerce) -> None:
    told = await commerce.sql(
        f"set @@ddl_strategy='vitess --allow-concurrent'; revert vitess_migration '{UUID}'", code=2
    )
    assert "[unsupported_statement]" in told
    submit = ("submit", "-k", commerce.name, "--ddl-strategy", "vitess --allow-concurrent")
    await commerce.alterd(*submit, f"REVERT VITESS_MIGRATION '{UUID}'", code=2)
    assert await commerce.rows("show vitess_migrations") == []


async def test_one_copies_at_a_time_and_many_tails_go_on(commerce: Commerce) -> None:
    """Postponed completions: each waits with its tail, and the next one copies."""
    held = "vitess --allow-concurrent --postpone-completion"
    tails = [await commerce.ddl(held, f"alter table {table} add column a1 int;") for table in ("demo", "another_table")]
    for uuid in tails:
        for row in (await commerce.ready(uuid)).values():
            assert (row.migration_status, row.exclusive) == (Status.RUNNING, False)
    await commerce.sql(SLOW)
    commerce.run("CREATE TABLE third (id int PRIMARY KEY)")
    copies = await commerce.ddl(held, "alter table customer add column a1 int;")
    waits = await commerce.ddl(held, "alter table third add column a1 int;")
    for row in (await commerce.until(copies, Status.RUNNING)).values():
        assert row.exclusive
    assert await queued(commerce, waits)
    await commerce.sql(QUICK)
    await commerce.ready(waits)
    running = await commerce.rows("show vitess_migrations where migration_status = 'running' and ready_to_complete")
    assert len(running) == 4 * len(commerce.shards)
    assert await commerce.affected("alter vitess_migration complete all") == 4 * len(commerce.shards)
    for uuid in (*tails, copies, waits):
        await commerce.until(uuid, Status.COMPLETE)


async def test_never_two_on_one_table(commerce: Commerce) -> None:
    held = "vitess --allow-concurrent --postpone-completion"
    first = await commerce.ddl(held, "alter table demo add column a int;")
    again = await commerce.ddl(held, "alter table demo add column b int;")
    await commerce.ready(first)
    assert await queued(commerce, again)
    assert await commerce.affected(f"alter vitess_migration '{first}' complete") == len(commerce.shards)
    await commerce.ready(again)
    assert await commerce.affected(f"alter vitess_migration '{again}' complete") == len(commerce.shards)
    await commerce.until(again, Status.COMPLETE)
    assert commerce.columns("demo") == ["id", "status", "a", "b"]


@pytest.mark.slow
async def test_one_that_is_not_concurrent_and_any_number_of_concurrent_ones(commerce: Commerce) -> None:
    held = "vitess --postpone-completion"
    regular = await commerce.ddl(held, "alter table demo add column a int;")
    await commerce.ready(regular)
    concurrent = [
        await commerce.ddl(f"{held} --allow-concurrent", f"alter table {table} add column b int;")
        for table in ("another_table", "customer")
    ]
    second = await commerce.ddl("vitess", "create table later (id int primary key);")
    for uuid in concurrent:
        await commerce.ready(uuid)
    assert await queued(commerce, second)
    counted = "select shard, count(*) as n, sum(allow_concurrent) as c from _vt.schema_migrations"
    rows = await commerce.rows(f"{counted} where migration_status = 'running' group by shard")
    assert [(row["n"], row["c"]) for row in rows] == [(3, 2)] * len(commerce.shards)
    await commerce.sql("alter vitess_migration complete all")
    for uuid in (regular, *concurrent, second):
        await commerce.until(uuid, Status.COMPLETE)


async def test_a_blocked_one_is_overtaken_by_what_was_submitted_later(commerce: Commerce) -> None:
    with contextlib.ExitStack() as stack:
        for shop in commerce.shops.values():
            stack.enter_context(shop.table_in_use("demo"))
        running = await commerce.ddl("mysql", "alter table demo add index (status);")
        for shop in commerce.shops.values():
            await eventually(lambda shop=shop: shop.waiting_alters() == 1)  # type: ignore[misc]
        blocked = await commerce.ddl("mysql --allow-concurrent", "drop table demo;")
        free = await commerce.ddl("mysql --allow-concurrent", "drop table another_table;")
        await commerce.until(free, Status.COMPLETE)
        assert await queued(commerce, blocked)
    await commerce.until(running, Status.COMPLETE)
    await commerce.until(blocked, Status.COMPLETE)
