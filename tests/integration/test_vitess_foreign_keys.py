"""Online changes of tables that take part in foreign keys: after the swap the keys point at the right tables."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pymysql
import pytest

from alterd_executor.protocol import RunCompleted, RunFailed
from alterd_executor.trial import Trial
from alterd_runtime.mysql.scratch import scratch_schema
from alterd_vitess.cutover import CutOver, NotNow
from alterd_vitess.relations import Relations
from alterd_vitess.vitess import Vitess
from tests.integration.executor_support import next_attempt, run, session
from tests.integration.vitess_support import Running, altering
from tests.support import eventually
from tests.support.shop import Shop

FLAG = "--unsafe-allow-foreign-keys"
ALTER = "ALTER TABLE item ADD COLUMN c INT NOT NULL DEFAULT 7"


@pytest.fixture
def related(shop: Shop) -> Shop:
    """`item` has a parent `maker`, a child `part` and itself."""
    shop.run("CREATE TABLE maker (id INT PRIMARY KEY)")
    shop.run(
        "CREATE TABLE item (id INT PRIMARY KEY, maker INT, next INT, INDEX by_maker (maker),"
        " CONSTRAINT made_by FOREIGN KEY (maker) REFERENCES maker (id) ON DELETE CASCADE ON UPDATE SET NULL,"
        " CONSTRAINT item_ibfk_1 FOREIGN KEY (next) REFERENCES item (id) ON DELETE RESTRICT)"
    )
    shop.run(
        "CREATE TABLE part (id INT PRIMARY KEY, item INT, spare INT,"
        " CONSTRAINT of_item FOREIGN KEY (item) REFERENCES item (id) ON DELETE CASCADE,"
        " FOREIGN KEY (spare) REFERENCES item (id))"
    )
    for table, rows in (
        ("maker", [f"({n})" for n in range(1, 11)]),
        ("item", [f"({n}, {n % 10 + 1}, NULL)" for n in range(1, 201)]),
        ("part", [f"({n}, {n}, {n})" for n in range(1, 101)]),
    ):
        shop.run(f"INSERT INTO {table} VALUES {','.join(rows)}")
    return shop


def keys(shop: Shop) -> set[tuple[str, ...]]:
    """Child, name without digits, parent, rules."""
    return {
        (str(row[0]), str(row[1])[:-26] if len(str(row[1])) > 26 else str(row[1]), *map(str, row[2:]))
        for row in shop.run(
            "SELECT table_name, constraint_name, referenced_table_name, delete_rule, update_rule"
            f" FROM information_schema.referential_constraints WHERE constraint_schema = '{shop.schema}'"
        )
    }


AFTER = {
    ("item", "made_by", "maker", "CASCADE", "SET NULL"),
    ("item", "ibfk_1", "item", "RESTRICT", "NO ACTION"),
    ("part", "of_item", "item", "CASCADE", "NO ACTION"),
    ("part", "ibfk_1", "item", "NO ACTION", "NO ACTION"),
}


def indexes(shop: Shop) -> list[list[str]]:
    return [shop.indexes(table) for table in ("item", "part")]


def in_order(shop: Shop, items: int = 200) -> None:
    """The keys are what they were, point at the new table, and are obeyed."""
    assert keys(shop) == AFTER
    assert shop.columns("item") == ["id", "maker", "next", "c"]
    assert shop.run("SELECT COUNT(*), SUM(c) FROM item") == [(items, items * 7)]
    shop.run("INSERT INTO part VALUES (902, NULL, 150)")
    for sql, errno in (
        ("INSERT INTO part VALUES (900, 999, NULL)", 1452),
        ("INSERT INTO item VALUES (900, 99, NULL, 1)", 1452),
        ("INSERT INTO item VALUES (900, 1, 999, 1)", 1452),
        ("DELETE FROM item WHERE id = 150", 1451),  # a spare part restricts it
    ):
        with pytest.raises(pymysql.IntegrityError) as caught:
            shop.run(sql)
        assert caught.value.args[0] == errno
    shop.run("INSERT INTO item VALUES (901, 1, 150, 1)")
    shop.run("INSERT INTO part VALUES (901, 901, NULL)")
    shop.run("DELETE FROM item WHERE id = 901")
    assert shop.run("SELECT COUNT(*) FROM part WHERE id = 901") == [(0,)]


async def test_without_the_flag_it_is_refused_with_a_way_out(related: Shop, tmp_path: Path) -> None:
    ending = await run(related, altering(related, ALTER), tmp_path)
    assert isinstance(ending, RunFailed)
    assert "takes part in foreign keys" in ending.error.message
    assert FLAG in ending.error.hint


async def test_a_table_with_parents_children_and_itself(related: Shop, tmp_path: Path) -> None:
    before = indexes(related)
    running = await Running.start(related, altering(related, ALTER, options=FLAG), tmp_path, postponed=True)
    await running.until_stage("ready to complete")
    related.run("DELETE FROM part WHERE id % 10 = 1")
    related.run("DELETE FROM maker WHERE id = 2")  # takes the items with it: 1, 11, 21 …
    related.run("UPDATE item SET next = 150 WHERE id = 2")
    await running.attempt.permit()
    assert isinstance(await running.ending(), RunCompleted)
    in_order(related, 180)
    assert indexes(related) == before
    assert related.run("SELECT next FROM item WHERE id = 2") == [(150,)]


async def test_the_keys_are_taken_back_when_there_is_no_rename(
    related: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, keys_before, failed = indexes(related), keys(related), 0

    async def rename(self: Any, session: Any) -> None:
        nonlocal failed
        failed += 1
        if failed == 1:
            raise NotNow("not this time")
        await really(self, session)

    really = CutOver._rename
    monkeypatch.setattr(CutOver, "_rename", rename)
    running = await Running.start(related, altering(related, ALTER, options=FLAG), tmp_path)
    await running.until_message("not this time")
    assert keys(related) == keys_before
    assert indexes(related) == before
    related.run("INSERT INTO item VALUES (201, 3, NULL)")
    related.run("INSERT INTO part VALUES (201, 201, NULL)")  # nothing asks the new table yet
    assert isinstance(await running.ending(), RunCompleted)
    in_order(related, 201)


@pytest.mark.parametrize("where", ["before the RENAME", "after the RENAME"])
async def test_an_attempt_that_dies_in_the_middle(
    related: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    before = indexes(related)
    there = asyncio.Event()

    async def never(*_: object) -> None:
        there.set()
        await asyncio.Event().wait()

    kind, name = (CutOver, "_rename") if where.startswith("before") else (Relations, "after")
    with monkeypatch.context() as patch:
        patch.setattr(kind, name, never)
        record = altering(related, ALTER, options=FLAG)
        running = await Running.start(related, record, tmp_path)
        await asyncio.wait_for(there.wait(), 30)
        running.task.cancel()
        # its sessions are gone with it: nothing is tidied up
        patch.setattr(Relations, "undo", never)
        await running.attempt.die()
        await asyncio.gather(running.task, return_exceptions=True)
    assert len(keys(related)) > len(AFTER)
    running = await Running.start(related, next_attempt(record), tmp_path)
    assert isinstance(await running.ending(), RunCompleted)
    in_order(related)
    assert indexes(related) == before


async def test_a_cancelled_change_leaves_no_key_behind(
    related: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys_before = keys(related)

    async def rename(*_: object) -> None:
        raise NotNow("not this time")

    async def nothing(*_: object) -> None:
        return None

    monkeypatch.setattr(CutOver, "_rename", rename)
    monkeypatch.setattr(Relations, "undo", nothing)
    running = await Running.start(related, altering(related, ALTER, options=FLAG), tmp_path)
    await running.until_message("not this time")
    assert keys(related) != keys_before
    await running.attempt.cancel()
    await running.ending()
    assert keys(related) == keys_before


async def test_a_key_that_comes_while_the_change_runs_ends_it(shop: Shop, tmp_path: Path) -> None:
    shop.run("CREATE TABLE item (id INT PRIMARY KEY)")
    running = await Running.start(shop, altering(shop, ALTER), tmp_path, postponed=True)
    await running.until_stage("ready to complete")
    shop.run("CREATE TABLE part (id INT PRIMARY KEY, item INT, FOREIGN KEY (item) REFERENCES item (id))")
    await running.attempt.permit()
    ending = await running.ending()
    assert isinstance(ending, RunFailed)
    assert ending.error.code in {"table_changed", "unsafe_change"}
    assert shop.columns("item") == ["id"]


async def test_the_other_tables_are_looked_at_too(related: Shop, tmp_path: Path) -> None:
    with related.table_in_use("part"):
        running = await Running.start(related, altering(related, ALTER, options=FLAG), tmp_path)
        await running.until_message("has used part in a transaction")
    assert isinstance(await running.ending(), RunCompleted)
    await eventually(lambda: keys(related) == AFTER)


@pytest.mark.parametrize(
    ("sql", "options", "refusal"),
    [
        (ALTER, FLAG, ""),
        (ALTER, "", "takes part in foreign keys"),
        ("ALTER TABLE item MODIFY id BIGINT", FLAG, "could not be made again"),
        ("ALTER TABLE item CHANGE maker made INT", FLAG, "could not be made again"),
        ("ALTER TABLE item DROP FOREIGN KEY made_by", FLAG, "is not dropped online"),
        ("ALTER TABLE item DROP CONSTRAINT made_by", FLAG, "is not dropped online"),
        ("ALTER TABLE item ADD FOREIGN KEY (maker) REFERENCES part (id)", FLAG, "nobody would check the rows"),
        ("ALTER TABLE customer ADD FOREIGN KEY (a) REFERENCES maker (id)", "", "nobody would check the rows"),
    ],
)
async def test_what_is_told_when_the_change_is_submitted(related: Shop, sql: str, options: str, refusal: str) -> None:
    record = altering(related, sql, table=sql.split()[2], options=options)
    async with session(related) as opened, scratch_schema(opened, related.schema) as scratch:
        trial = Trial(opened, scratch, keyspace="commerce", shard="0", schema=related.schema)
        await trial.copy((record.mysql_table,))
        found = await Vitess().check(record, trial)
        left = await opened.query(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = %s", (scratch,)
        )
    if refusal:
        assert any(refusal in error.message for error in found), found
        assert all(error.hint for error in found)
    else:
        assert found == []
    assert {row["TABLE_NAME"] for row in left} == {"alterd_scratch_stamp", record.mysql_table}
