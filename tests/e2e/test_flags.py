"""ddl-strategy-flags.txt: what each flag does to a migration that runs, on two shards and on four.

The flags of concurrency, postponement, order and singletons have files of their own.
"""

from __future__ import annotations

import contextlib

import pytest

from alterd_contracts.states import Status
from tests.e2e.commerce import Commerce


async def test_allow_zero_in_date_takes_what_a_strict_server_refuses(commerce: Commerce) -> None:
    zero = "alter table demo add column my_datetime datetime not null default '0000-00-00 00:00:00'"
    told = await commerce.sql(f"set @@ddl_strategy='vitess'; {zero}", code=4)
    assert "Invalid default value for 'my_datetime'" in told
    uuid = await commerce.ddl("vitess --allow-zero-in-date", zero)
    await commerce.until(uuid, Status.COMPLETE)
    seen = commerce.each(
        lambda shop: shop.run("SELECT COUNT(*) FROM demo WHERE CAST(my_datetime AS char) LIKE '0000%'")
    )
    assert seen == [[(2,)]] * len(commerce.shards)


async def test_analyze_table_looks_at_the_table_before_the_copy(commerce: Commerce) -> None:
    counted = (
        "SELECT COALESCE(SUM(count_star), 0) FROM performance_schema.events_statements_summary_by_digest"
        " WHERE schema_name = DATABASE() AND digest_text LIKE 'ANALYZE NO_WRITE_TO_BINLOG TABLE `demo`%'"
    )
    # what the server has no room to count is counted under no name
    commerce.each(lambda shop: shop.run("TRUNCATE TABLE performance_schema.events_statements_summary_by_digest"))
    plain = await commerce.ddl("vitess", "alter table demo add column a int")
    await commerce.until(plain, Status.COMPLETE)
    assert [int(rows[0][0]) for rows in commerce.each(lambda shop: shop.run(counted))] == [0] * len(commerce.shards)
    uuid = await commerce.ddl("vitess --analyze-table", "alter table demo add column b int")
    await commerce.until(uuid, Status.COMPLETE)
    assert [int(rows[0][0]) for rows in commerce.each(lambda shop: shop.run(counted))] == [1] * len(commerce.shards)


async def test_the_cut_over_threshold_is_from_5_to_30_seconds(commerce: Commerce) -> None:
    for text in ("4s", "31s", "1m", "soon"):
        told = await commerce.sql(f"set @@ddl_strategy='vitess --cut-over-threshold={text}'", code=2)
        assert "cut-over-threshold" in told
    uuid = await commerce.ddl(
        'vitess --cut-over-threshold="20s" --postpone-completion', "alter table demo add column a int"
    )
    assert set((await commerce.column(uuid, "cutover_threshold_seconds")).values()) == {20}
    await commerce.ready(uuid)
    assert await commerce.affected(f"alter vitess_migration '{uuid}' cutover_threshold '15s'") == len(commerce.shards)
    await commerce.until(uuid, lambda row: row.cutover_threshold_seconds == 15)
    await commerce.sql(f"alter vitess_migration '{uuid}' cutover_threshold '31s'", code=2)
    await commerce.sql(f"alter vitess_migration '{uuid}' complete")
    await commerce.until(uuid, Status.COMPLETE)


async def test_force_cut_over_after_ends_who_holds_the_table(commerce: Commerce) -> None:
    """Counted from the first attempt: `1ms` is at once. Without it, the change waits for them."""
    with contextlib.ExitStack() as stack:
        holders = {}
        for shard, shop in commerce.shops.items():
            connection = stack.enter_context(shop.session())
            cursor = stack.enter_context(connection.cursor())
            cursor.execute("START TRANSACTION")
            cursor.execute("SELECT * FROM demo")
            holders[shard] = connection.thread_id()
        uuid = await commerce.ddl("vitess --force-cut-over-after=1ms", "alter table demo add column a int")
        rows = await commerce.until(uuid, Status.COMPLETE)
        # the shards are schemas of one server: the first may have ended who was in the way of the others
        assert any("in its way were killed" in row.message for row in rows.values())
        for shard, shop in commerce.shops.items():
            there = shop.run(f"SELECT COUNT(*) FROM performance_schema.threads WHERE processlist_id = {holders[shard]}")
            assert there == [(0,)]
    assert commerce.columns("demo") == ["id", "status", "a"]


async def test_retain_artifacts_says_how_long_they_are_kept(commerce: Commerce) -> None:
    uuid = await commerce.ddl("vitess --retain-artifacts=2h", "drop table demo")
    await commerce.until(uuid, Status.COMPLETE)
    assert set((await commerce.column(uuid, "retain_artifacts_seconds")).values()) == {7200}
    kept = (
        "SELECT TIMESTAMPDIFF(MINUTE, created_at, collect_after) BETWEEN 119 AND 125 FROM _alterd.artifacts"
        f" WHERE migration_uuid = '{uuid}' AND table_schema = DATABASE()"
    )
    assert commerce.each(lambda shop: shop.run(kept)) == [[(1,)]] * len(commerce.shards)


async def test_fast_range_rotation_is_taken_and_has_no_effect(commerce: Commerce) -> None:
    commerce.run(
        "CREATE TABLE part (id int PRIMARY KEY) PARTITION BY RANGE (id)"
        " (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20))"
    )
    commerce.run("INSERT INTO part VALUES (1), (11)")
    uuid = await commerce.ddl(
        "vitess --fast-range-rotation", "alter table part add partition (partition p2 values less than (30))"
    )
    await commerce.until(uuid, Status.COMPLETE)
    seen = commerce.each(lambda shop: shop.run("SELECT COUNT(*) FROM part"))
    assert seen == [[(2,)]] * len(commerce.shards)


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("--declarative", "declarative"),
        ("--vreplication-test-suite", "vreplication-test-suite"),
        ("--max-load=Threads_running=200", "max-load"),
    ],
)
async def test_a_flag_that_is_not_there_is_refused_before_anything_is_queued(
    commerce: Commerce, flag: str, words: str
) -> None:
    told = await commerce.sql(f"set @@ddl_strategy='vitess {flag}'; alter table demo add column a int", code=2)
    assert "[invalid_strategy]" in told
    assert words in told
    submit = ("submit", "-k", commerce.name, "--ddl-strategy", f"vitess {flag}", "alter table demo add column a int")
    assert words in await commerce.alterd(*submit, code=2)
    assert await commerce.rows("show vitess_migrations") == []
