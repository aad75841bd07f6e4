"""In-order completion: what depends on another one comes after it, or fails with it. On two shards and on four."""

from __future__ import annotations

from alterd_contracts.states import Status
from tests.e2e.commerce import Commerce

IN_ORDER = "vitess --allow-concurrent --in-order-completion"


async def uuids_of(commerce: Commerce, script: str) -> list[str]:
    out = await commerce.sql(script)
    return [line.strip("| ") for line in out.splitlines() if line[:3] not in ("+--", "| u")]


async def test_two_views_of_which_one_reads_the_other_are_made_in_order(commerce: Commerce) -> None:
    first, second = await uuids_of(
        commerce,
        f"set @@ddl_strategy='{IN_ORDER}'; create view demos as select id, status from demo;"
        " create view paid as select id from demos where status = 'paid'",
    )
    for uuid in (first, second):
        await commerce.until(uuid, Status.COMPLETE)
    before, after = [await commerce.column(uuid, "completed_timestamp") for uuid in (first, second)]
    assert all(before[shard] <= after[shard] for shard in commerce.shards)
    assert commerce.each(lambda shop: shop.run("SELECT id FROM paid")) == [[(2,)]] * len(commerce.shards)


async def test_a_view_waits_for_the_column_that_it_selects(commerce: Commerce) -> None:
    column, view = await uuids_of(
        commerce,
        f"set @@ddl_strategy='{IN_ORDER} --postpone-completion'; alter table demo add column note int;"
        " create view notes as select id, note from demo",
    )
    await commerce.ready(column)
    assert await commerce.affected(f"alter vitess_migration '{view}' complete") == len(commerce.shards)
    told = await commerce.column(view, "migration_status", "postpone_completion", "in_order_completion_pending_count")
    assert set(told.values()) == {("queued", 0, 1)}
    assert await commerce.affected(f"alter vitess_migration '{column}' complete") == len(commerce.shards)
    await commerce.until(view, Status.COMPLETE)
    assert commerce.columns("notes") == ["id", "note"]


async def test_they_run_at_once_and_complete_in_order(commerce: Commerce) -> None:
    first = await commerce.ddl("vitess --allow-concurrent --postpone-completion", "alter table demo add column x int;")
    second = await commerce.ddl(IN_ORDER, "alter table another_table add column x int;")
    await commerce.ready(second)
    told = await commerce.column(second, "migration_status", "ready_to_complete", "in_order_completion_pending_count")
    assert set(told.values()) == {("running", 1, 1)}
    await commerce.ready(first)
    await commerce.sql(f"alter vitess_migration '{first}' complete")
    await commerce.until(second, Status.COMPLETE)
    before, after = [await commerce.column(uuid, "completed_timestamp") for uuid in (first, second)]
    assert all(before[shard] <= after[shard] for shard in commerce.shards)


async def test_a_failure_fails_those_after_it_in_its_context(commerce: Commerce) -> None:
    """On its own shard alone: the others go on."""
    here, there = commerce.shards[0], commerce.shards[1:]
    context = "set @@migration_context='deploy'; set @@ddl_strategy="
    [first] = await uuids_of(
        commerce,
        f"{context}'vitess --allow-concurrent --postpone-completion'; alter table demo add column x int",
    )
    [second] = await uuids_of(commerce, f"{context}'{IN_ORDER}'; alter table another_table add column x int")
    await commerce.ready(second)
    await commerce.ready(first)
    await commerce.alterd("cancel", first, "--shard", here)
    [row] = (await commerce.until(second, Status.FAILED, here)).values()
    assert f"prior migration {first} in same context was cancelled" in row.message
    await commerce.sql(f"alter vitess_migration '{first}' complete")
    await commerce.until(second, Status.COMPLETE, *there)
    [late] = await uuids_of(commerce, f"{context}'{IN_ORDER}'; create table late (id int primary key)")
    [row] = (await commerce.until(late, Status.FAILED, here)).values()
    assert f"prior migration {first}" in row.message
    await commerce.until(late, Status.COMPLETE, *there)
    seen = commerce.each(lambda shop: (shop.columns("another_table"), "late" in shop.tables()))
    assert seen == [(["id"], False), *[(["id", "x"], True)] * len(there)]


async def test_an_alter_that_mysql_runs_cannot_keep_the_order(commerce: Commerce) -> None:
    """Refused, as a promise; CREATE and DROP of that strategy keep it."""
    told = await commerce.sql(
        "set @@ddl_strategy='mysql --in-order-completion'; alter table demo add index (status)", code=2
    )
    assert "in-order-completion" in told
    uuid = await commerce.ddl("mysql --in-order-completion", "drop table another_table")
    await commerce.until(uuid, Status.COMPLETE)
