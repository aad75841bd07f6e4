"""How an online change ends when it cannot, must not or shall not go on: with the table as it was, and a reason."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from alterd_contracts.errors import ErrorInfo
from alterd_executor.protocol import Ending, RunCancelled, RunCompleted, RunFailed, ThrottledNow, VerdictNow
from tests.integration.executor_support import run
from tests.integration.vitess_support import Running, altering, phases, progress
from tests.support import eventually
from tests.support.shop import Shop


def failure(ending: Ending) -> ErrorInfo:
    assert isinstance(ending, RunFailed), ending
    return ending.error


def filled(shop: Shop, rows: int = 400) -> None:
    """A table whose values of `u` are unique, though no key says so."""
    shop.run("CREATE TABLE item (id INT NOT NULL PRIMARY KEY, u INT, b VARCHAR(30))")
    values = ",".join(f"({n}, {n}, 'row {n}')" for n in range(1, rows + 1))
    shop.run(f"INSERT INTO item VALUES {values}")


def as_it_was(shop: Shop, rows: int = 400) -> None:
    assert shop.columns("item") == ["id", "u", "b"]
    assert shop.run("SELECT COUNT(*) FROM item") == [(rows,)]
    undeclared = shop.run(
        f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{shop.schema}'"
        " AND table_name LIKE '\\_alterd\\_%' AND table_name NOT IN"
        f" (SELECT name FROM _alterd.artifacts WHERE table_schema = '{shop.schema}')"
    )
    assert undeclared == []


@pytest.fixture
def slow_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"CHUNK_ROWS": "5", "MAX_CHUNK_ROWS": "5", "COPY_SESSIONS": "1"}.items():
        monkeypatch.setenv(f"ALTERD_VITESS__{name}", value)


async def test_two_rows_with_one_value_fail_a_new_unique_key_and_are_named(shop: Shop, tmp_path: Path) -> None:
    filled(shop)
    shop.run("UPDATE item SET u = 7 WHERE id = 300")
    error = failure(await run(shop, altering(shop, "ALTER TABLE item ADD UNIQUE KEY u (u)"), tmp_path))
    assert error.code == "duplicate_rows"
    assert "id=7" in error.message
    assert "id=300" in error.message
    as_it_was(shop)


async def test_a_duplicate_that_is_written_after_the_copy_fails_too(shop: Shop, tmp_path: Path) -> None:
    filled(shop)
    record = altering(shop, "ALTER TABLE item ADD UNIQUE KEY u (u)")
    running = await Running.start(shop, record, tmp_path, postponed=True)
    await running.until_stage("ready to complete")
    shop.run("UPDATE item SET u = 7 WHERE id = 300")
    error = failure(await running.ending())
    assert error.code == "duplicate_rows"
    assert {"id=7", "id=300"} <= set(error.message.replace(",", " ").split())
    as_it_was(shop)


async def test_values_that_change_places_are_no_duplicates(shop: Shop, tmp_path: Path) -> None:
    filled(shop)
    record = altering(shop, "ALTER TABLE item ADD UNIQUE KEY u (u)")
    running = await Running.start(shop, record, tmp_path, postponed=True)
    await running.until_stage("ready to complete")
    with shop.session() as connection, connection.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        cursor.execute("UPDATE item SET u = u % 400 + 1")  # a ring through all rows
        cursor.execute("COMMIT")
    await running.until_stage("ready to complete")
    await running.attempt.permit()
    assert isinstance(await running.ending(), RunCompleted)
    assert shop.run("SELECT COUNT(*), SUM(u = id % 400 + 1) FROM item") == [(400, 400)]


async def test_a_row_that_does_not_fit_is_told_and_nothing_changes(shop: Shop, tmp_path: Path) -> None:
    filled(shop)
    error = failure(await run(shop, altering(shop, "ALTER TABLE item MODIFY b VARCHAR(5)"), tmp_path))
    assert error.code == "statement_failed"
    assert "for column 'b'" in error.message
    assert "id=" in error.where["row"]
    as_it_was(shop)


@pytest.mark.usefixtures("slow_chunks")
async def test_cancel_in_the_copy_leaves_declared_artifacts_only(shop: Shop, tmp_path: Path) -> None:
    filled(shop, 4000)
    running = await Running.start(shop, altering(shop, "ALTER TABLE item ADD c INT"), tmp_path)
    await running.until_copied(50)
    await running.attempt.cancel()
    assert await running.ending() == RunCancelled()
    as_it_was(shop, 4000)
    assert shop.run(f"SELECT COUNT(*) FROM _alterd.copy_state WHERE migration_uuid = '{running.uuid}'") == [(0,)]


@pytest.mark.parametrize(
    "statement",
    ["ALTER TABLE item ADD x INT", "TRUNCATE item", "RENAME TABLE item TO other, other TO item", "DROP TABLE item"],
)
async def test_ddl_by_others_ends_the_run(shop: Shop, tmp_path: Path, statement: str) -> None:
    filled(shop)
    running = await Running.start(shop, altering(shop, "ALTER TABLE item ADD c INT"), tmp_path, postponed=True)
    await running.until_stage("ready to complete")
    shop.run(statement)
    error = failure(await running.ending())
    assert error.code == "unsafe_change"
    assert error.hint
    assert "c" not in shop.columns("item")


async def test_who_holds_the_table_is_named_and_waited_for(shop: Shop, tmp_path: Path) -> None:
    filled(shop)
    with shop.table_in_use("item"):
        running = await Running.start(shop, altering(shop, "ALTER TABLE item ADD c INT"), tmp_path)
        await running.until_message("has used item in a transaction")
        assert "cut-over" not in phases(running.attempt), "nothing is locked while somebody is in the way"
    assert isinstance(await running.ending(), RunCompleted)
    assert "c" in shop.columns("item")


async def test_an_old_snapshot_is_waited_for(shop: Shop, tmp_path: Path) -> None:
    """It would read a part of the new table."""
    filled(shop)
    with shop.session() as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION transaction_isolation = 'REPEATABLE-READ'")
        cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT")
        running = await Running.start(shop, altering(shop, "ALTER TABLE item ADD c INT"), tmp_path)
        await running.until_message("snapshot")
        cursor.execute("SELECT COUNT(*) AS n FROM item")
        assert [tuple(row) for row in cursor.fetchall()] == [(400,)]
        cursor.execute("COMMIT")
    assert isinstance(await running.ending(), RunCompleted)


async def test_a_statement_with_rare_characters_does_not_disturb_the_look(shop: Shop, tmp_path: Path) -> None:
    """INNODB_TRX of 9.7 cannot be read while one runs."""
    filled(shop)

    def slow() -> None:
        shop.run("UPDATE item SET b = '\N{FOX FACE}' WHERE id = 1 AND SLEEP(1.5) = 0")

    running = await Running.start(shop, altering(shop, "ALTER TABLE item ADD c INT"), tmp_path, postponed=True)
    await running.until_stage("ready to complete")
    writing = asyncio.create_task(asyncio.to_thread(slow))
    await eventually(lambda: bool(shop.run("SELECT 1 FROM performance_schema.processlist WHERE state = 'User sleep'")))
    await running.attempt.permit()
    assert isinstance(await running.ending(), RunCompleted)
    await writing


async def test_a_backup_lock_is_waited_for(shop: Shop, tmp_path: Path) -> None:
    filled(shop)
    running = await Running.start(shop, altering(shop, "ALTER TABLE item ADD c INT"), tmp_path, postponed=True)
    await running.until_stage("ready to complete")
    with shop.session() as connection, connection.cursor() as cursor:
        cursor.execute("LOCK INSTANCE FOR BACKUP")
        await running.attempt.permit()
        await running.until_message("backup lock")
        cursor.execute("UNLOCK INSTANCE")
    assert isinstance(await running.ending(), RunCompleted)


@pytest.mark.usefixtures("slow_chunks")
async def test_the_copy_waits_for_the_throttler_and_the_apply_does_not_stop(shop: Shop, tmp_path: Path) -> None:
    filled(shop, 4000)
    running = await Running.start(shop, altering(shop, "ALTER TABLE item ADD c INT NOT NULL DEFAULT 3"), tmp_path)
    await running.until_copied(50)
    running.attempt.task.throttle.hear(VerdictNow(go=False, reason="lag 7 s", valid_seconds=60))
    await eventually(lambda: ThrottledNow(app="vcopier", reason="lag 7 s") in running.attempt.sent)
    shadow = next(name for name in shop.tables() if name.startswith("_alterd_shd"))
    await eventually(lambda: shop.run(f"SELECT COUNT(*) FROM {shadow} WHERE id = 1") == [(1,)])
    shop.run("UPDATE item SET b = 'new' WHERE id = 1")
    await eventually(lambda: shop.run(f"SELECT b FROM {shadow} WHERE id = 1") == [("new",)])
    assert not running.task.done()
    copied = progress(running.attempt)[-1].rows_copied
    assert copied < 4000
    running.attempt.task.throttle.hear(VerdictNow(go=True, reason="", valid_seconds=60))
    assert isinstance(await running.ending(), RunCompleted)
    assert shop.run("SELECT COUNT(*), SUM(c) FROM item") == [(4000, 12000)]


async def test_postponed_until_it_is_permitted(shop: Shop, tmp_path: Path) -> None:
    filled(shop)
    running = await Running.start(shop, altering(shop, "ALTER TABLE item ADD c INT"), tmp_path, postponed=True)
    await running.until_stage("ready to complete")
    shop.run("INSERT INTO item VALUES (401, 401, 'late')")
    assert "c" not in shop.columns("item")
    await running.attempt.permit()
    assert isinstance(await running.ending(), RunCompleted)
    assert shop.run("SELECT COUNT(*) FROM item") == [(401,)]
    assert shop.columns("item") == ["id", "u", "b", "c"]


async def test_a_change_that_was_answered_before_the_rename_is_obeyed(shop: Shop, tmp_path: Path) -> None:
    """The fresh question under the lock says no: everything is as before, and the writers go on."""
    filled(shop)
    running = await Running.start(shop, altering(shop, "ALTER TABLE item ADD c INT"), tmp_path, postponed=True)
    await running.until_stage("ready to complete")
    await running.attempt.permit(times=1)
    await eventually(lambda: any("postponed" in each.message for each in progress(running.attempt)))
    shop.run("INSERT INTO item VALUES (401, 401, 'late')")
    assert "c" not in shop.columns("item")
    await running.attempt.permit()
    assert isinstance(await running.ending(), RunCompleted)
    assert shop.run("SELECT COUNT(*) FROM item") == [(401,)]
