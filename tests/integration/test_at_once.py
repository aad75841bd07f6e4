"""What MySQL does at once: INSTANT changes and the rotation of RANGE partitions, in both managed strategies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alterd_contracts.migration import Migration
from alterd_contracts.requests import CheckRequest
from alterd_executor.protocol import PhaseNow, ProgressNow, RunCancelled, RunCompleted
from tests.integration.executor_support import Attempt, alter, next_attempt, run
from tests.integration.test_executor_checks import ALTER, Desk, desk  # noqa: F401 - a fixture
from tests.integration.vitess_support import Running
from tests.support.shop import Shop

INSTANT: dict[str, Any] = {
    "options": "--prefer-instant-ddl",
    "special_plan": '{"operation":"instant-ddl"}',
    "is_immediate_operation": True,
    "ready_to_complete": True,
    "exclusive": True,
    "exclusive_phases": ("copy", "running"),
}
BOTH = pytest.mark.parametrize("strategy", ["vitess", "mysql"])


@pytest.fixture
def item(shop: Shop) -> Shop:
    shop.run("CREATE TABLE item (id INT NOT NULL PRIMARY KEY, a INT)")
    shop.run("INSERT INTO item VALUES (1, 1), (2, 2), (3, 3)")
    return shop


def parted(shop: Shop) -> None:
    parts = "PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20)"
    shop.run(f"CREATE TABLE item (id INT NOT NULL PRIMARY KEY, a INT) PARTITION BY RANGE (id) ({parts})")
    shop.run("INSERT INTO item VALUES (1, 1), (11, 2)")


def changing(shop: Shop, sql: str, strategy: str, **fields: Any) -> Migration:
    return alter(shop, sql, "item", strategy=strategy, **fields)


def plan_of(ending: object) -> str:
    assert isinstance(ending, RunCompleted)
    text = str(ending.columns.get("special_plan", ""))
    return str(json.loads(text)["operation"]) if text else ""


@BOTH
async def test_an_instant_change_makes_no_second_table(item: Shop, tmp_path: Path, strategy: str) -> None:
    sql = "ADD COLUMN b INT NOT NULL DEFAULT 7, ALGORITHM=COPY, RENAME COLUMN a TO c"
    attempt = await Attempt.claim(item, changing(item, sql, strategy, **INSTANT), tmp_path)
    ending = await attempt.run()
    assert plan_of(ending) == "instant-ddl"
    assert item.run("SELECT * FROM item ORDER BY id") == [(1, 1, 7), (2, 2, 7), (3, 3, 7)]
    assert item.columns("item") == ["id", "c", "b"]
    assert item.tables() == ["customer", "item"]
    [phase] = {message.phase for message in attempt.sent if isinstance(message, PhaseNow)}
    assert phase == "prepare", "no place among those who copy is asked for"


@BOTH
async def test_what_mysql_refuses_when_it_comes_to_it_is_made_in_the_usual_way(
    item: Shop, tmp_path: Path, strategy: str
) -> None:
    record = changing(item, "MODIFY a BIGINT", strategy, **INSTANT)
    attempt = await Attempt.claim(item, record, tmp_path)
    ending = await attempt.run()
    assert plan_of(ending) == ""
    assert isinstance(ending, RunCompleted)
    assert ending.columns["special_plan"] == ""
    assert "MySQL does not do it at once" in attempt.log()
    assert item.run(
        "SELECT DATA_TYPE FROM information_schema.COLUMNS WHERE COLUMN_NAME = 'a' AND TABLE_NAME = 'item'"
        f" AND TABLE_SCHEMA = '{item.schema}'"
    ) == [("bigint",)]


@BOTH
async def test_it_waits_for_the_table_a_moment_at_a_time_and_is_cancelled_meanwhile(
    item: Shop, tmp_path: Path, strategy: str
) -> None:
    record = changing(item, "ADD COLUMN b INT", strategy, **INSTANT)
    with item.table_in_use("item"):
        waiting = await Running.start(item, record, tmp_path)
        await waiting.until_message("item is in use")
        assert any(isinstance(each, ProgressNow) and each.cutover_attempts == 1 for each in waiting.attempt.sent)
        await waiting.attempt.cancel()
        assert isinstance(await waiting.ending(), RunCancelled)
    assert item.columns("item") == ["id", "a"]
    assert plan_of(await run(item, next_attempt(record).evolve(first_attempt=2), tmp_path)) == "instant-ddl"


async def test_a_forced_one_ends_who_holds_the_table(item: Shop, tmp_path: Path) -> None:
    options = "--prefer-instant-ddl --force-cut-over-after=1h"
    record = changing(item, "ADD COLUMN b INT", "vitess", **{**INSTANT, "options": options})
    with item.session() as holder, holder.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SELECT * FROM item")
        assert plan_of(await run(item, record, tmp_path)) == "instant-ddl"
        with pytest.raises(Exception, match=r"Lost connection|gone away|killed"):
            cursor.execute("SELECT 1")


@BOTH
async def test_an_attempt_that_died_after_it_finds_it_done(item: Shop, tmp_path: Path, strategy: str) -> None:
    record = changing(item, "ADD COLUMN b INT", strategy, **INSTANT)
    await (await Attempt.claim(item, record, tmp_path)).run()
    ending = await run(item, next_attempt(record), tmp_path)
    assert isinstance(ending, RunCompleted)
    assert "found done" in ending.message
    assert item.columns("item") == ["id", "a", "b"]


@BOTH
async def test_partitions_are_rotated_without_a_copy(shop: Shop, tmp_path: Path, strategy: str) -> None:
    parted(shop)
    ending = await run(shop, changing(shop, "ADD PARTITION (PARTITION p2 VALUES LESS THAN (30))", strategy), tmp_path)
    assert plan_of(ending) == "range-partition"
    ending = await run(shop, changing(shop, "DROP PARTITION p0", strategy), tmp_path)
    assert plan_of(ending) == "range-partition"
    assert shop.run("SELECT id FROM item") == [(11,)]
    assert [name for name in shop.tables() if name.startswith("_alterd")] == []


async def test_the_check_tells_the_plan_and_asks_nothing_that_only_a_copy_needs(desk: Desk) -> None:  # noqa: F811
    shop = desk.shop
    shop.run("CREATE TABLE no_key (a INT, b ENUM('x'))")
    shop.run("CREATE TABLE parts (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION p VALUES LESS THAN (9))")
    lists = "PARTITION p VALUES IN (1, 2), PARTITION q VALUES IN (3)"
    shop.run(f"CREATE TABLE listed (id INT PRIMARY KEY) PARTITION BY LIST (id) ({lists})")

    async def plans(table: str, sql: str, options: str, strategy: str) -> tuple[str, bool]:
        request = desk.request((ALTER, table, f"ALTER TABLE {table} {sql}"), strategy=strategy)
        reply = await desk.checker.check(_with(request, options))
        plan = reply.special_plans[0] if reply.special_plans else ""
        return (json.loads(plan)["operation"] if plan else ""), bool(reply.errors)

    prefer = "--prefer-instant-ddl"
    for strategy in ("vitess", "mysql"):
        for sql in ("ADD COLUMN c INT", "DROP COLUMN a", "MODIFY b ENUM('x', 'y')", "ALTER a SET DEFAULT 4"):
            assert await plans("no_key", sql, prefer, strategy) == ("instant-ddl", False), sql
        assert (await plans("no_key", "ADD INDEX (a)", prefer, strategy))[0] == ""
        assert (await plans("no_key", "MODIFY a BIGINT", prefer, strategy))[0] == ""
        assert (await plans("no_key", "ADD COLUMN c INT", "", strategy))[0] == ""
        assert await plans("no_key", "ADD COLUMN a INT", prefer, strategy) == ("", True)
        added = "ADD PARTITION (PARTITION p2 VALUES LESS THAN (30))"
        assert await plans("parts", added, "", strategy) == ("range-partition", False)
        two = "ADD PARTITION (PARTITION p2 VALUES LESS THAN (30), PARTITION p3 VALUES LESS THAN (40))"
        assert (await plans("parts", two, "", strategy))[0] == ""
        assert (await plans("listed", "DROP PARTITION q", prefer, strategy))[0] == ""
    assert await plans("listed", "DROP PARTITION q", "", "vitess") == ("", True), "a copy cannot do it"


def _with(request: CheckRequest, options: str) -> CheckRequest:
    return msgspec.structs.replace(request, options=options)
