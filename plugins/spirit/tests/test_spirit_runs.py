"""The plugin's handling from end to end, on a real MySQL, in attempts of the real executor's machinery.

The program is the stand-in beside this file: these tests show what the plugin does, and nothing about spirit.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alterd_contracts.errors import ErrorInfo
from alterd_contracts.migration import Migration
from alterd_contracts.statement import StatementKind
from alterd_contracts.states import Status
from alterd_executor.protocol import ArtifactNow, Ending, ReadyNow, RunCancelled, RunCompleted, RunFailed
from alterd_runtime.mysql.grants import for_accounts, needs
from alterd_runtime.mysql.sidecar import ensure
from tests.integration import executor_support
from tests.integration.executor_support import Attempt, next_attempt, record_of, session
from tests.integration.grants_support import account
from tests.integration.vitess_support import Running, phases, progress
from tests.support import eventually
from tests.support.shop import Shop

from alterd_spirit.obstacles import account_obstacles
from alterd_spirit.program import VARIABLE
from alterd_spirit.strategy import Spirit
from alterd_spirit.tables import SENTINEL, identity
from programs import running, stand_in

ALTER = "ALTER TABLE item ADD COLUMN c INT NOT NULL DEFAULT 7, MODIFY u BIGINT, ADD INDEX by_u (u)"
ROWS = 400
SLOW = "--target-chunk-size=5120"
"""A hundred rows in a second."""
NAMES = ("_item_new", "_item_old", "_item_chkpnt", SENTINEL)


@pytest.fixture(autouse=True)
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    path = stand_in(folder)
    monkeypatch.setenv(VARIABLE, str(path))
    monkeypatch.setitem(executor_support.STRATEGIES, "spirit", Spirit())
    return path


@pytest.fixture(autouse=True)
def _rows(shop: Shop) -> None:
    shop.run("CREATE TABLE item (id INT NOT NULL PRIMARY KEY, u INT, b VARCHAR(30))")
    shop.run(f"INSERT INTO item VALUES {','.join(f'({n}, {n}, {n})' for n in range(1, ROWS + 1))}")


def altering(shop: Shop, sql: str = ALTER, **fields: Any) -> Migration:
    return record_of(shop, StatementKind.ALTER_TABLE, "item", sql, strategy="spirit", **fields)


async def start(shop: Shop, record: Migration, tmp_path: Path, **options: Any) -> Running:
    workdir = tmp_path / f"run{record.attempt}"
    await asyncio.to_thread(workdir.mkdir)
    return await Running.start(shop, record, workdir, **options)


async def ended(run: Running, status: Status) -> Ending:
    """The ending, with the last writes of a migration that is over."""
    ending = await asyncio.wait_for(run.task, 60)
    await run.attempt.task.finish(status)
    return ending


def failure(ending: Ending) -> ErrorInfo:
    assert isinstance(ending, RunFailed), ending
    return ending.error


def nothing_is_left(shop: Shop, record: Migration) -> None:
    """No account, no program; no table but those that are on the list, and no name of spirit's on it."""
    assert shop.accounts(record.migration_uuid) == []
    assert running(record.mysql_schema) == []
    listed = {
        str(name)
        for (name,) in shop.run(
            f"SELECT name FROM _alterd.artifacts WHERE table_schema = '{shop.schema}' AND collected_at IS NULL"
        )
    }
    assert {name for name in shop.tables() if name.startswith("_")} == listed
    assert not listed & set(NAMES)


def seen_of(pid: int) -> str:
    """What others on this machine may see of a process."""
    return "".join(Path(f"/proc/{pid}/{what}").read_text() for what in ("cmdline", "environ"))


def secret_of(file: Path) -> str:
    """The password in the file that spirit reads, which nobody else may."""
    assert file.stat().st_mode & 0o077 == 0
    return file.read_text().rpartition("password=")[2].strip()


def rows(shop: Shop) -> list[tuple[Any, ...]]:
    return shop.run("SELECT id, u, b FROM item ORDER BY id")


@contextmanager
def writing(shop: Shop) -> Iterator[None]:
    """Changes, inserts and deletes rows until the block ends; the same in a second table without an ALTER."""
    stop = threading.Event()

    def write() -> None:
        with shop.session() as connection, connection.cursor() as cursor:
            number = 0
            while not stop.is_set():
                number += 1
                cursor.execute("BEGIN")
                for table in ("item", "twin"):
                    cursor.execute(f"UPDATE {table} SET u = -{number} WHERE id = {1 + number * 37 % ROWS}")
                    cursor.execute(
                        f"INSERT INTO {table} VALUES ({ROWS + number}, {number}, 'late')".replace(
                            "VALUES", "(id, u, b) VALUES"
                        )
                    )
                    cursor.execute(f"DELETE FROM {table} WHERE id = {ROWS + number - 3}")
                cursor.execute("COMMIT")
                stop.wait(0.02)

    shop.run("CREATE TABLE twin AS SELECT id, u, b FROM item")
    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)


async def test_a_table_is_changed_under_writes(shop: Shop, tmp_path: Path) -> None:
    record = altering(shop, options="--target-chunk-size=40960")
    with writing(shop):
        run = await start(shop, record, tmp_path)
        await eventually(lambda: bool(running(shop.schema)), 30)
        [pid] = running(shop.schema)
        seen, password = seen_of(pid), secret_of(tmp_path / "run1" / "spirit.cnf")
        ending = await ended(run, Status.COMPLETE)
    assert isinstance(ending, RunCompleted), ending
    assert shop.columns("item") == ["id", "u", "b", "c"]
    assert rows(shop) == shop.run("SELECT id, u, b FROM twin ORDER BY id")
    assert password not in seen + run.attempt.log()
    assert phases(run.attempt) == ["prepare", "copy", "cut-over"]
    copied = [each.rows_copied for each in progress(run.attempt)]
    assert copied == sorted(copied)
    assert ending.rows_copied >= ROWS - 3
    declared = [each.name for each in run.attempt.sent if isinstance(each, ArtifactNow)]
    assert set(NAMES) < set(declared)
    nothing_is_left(shop, record)

    shop.run("ALTER TABLE item DROP COLUMN b, FORCE")  # as if the report was lost, and the table is used on
    again = await start(shop, next_attempt(record), tmp_path)
    assert failure(await ended(again, Status.FAILED)).code == "ambiguous"


async def test_a_completed_change_is_not_made_twice(shop: Shop, tmp_path: Path) -> None:
    record = altering(shop)
    first = await start(shop, record, tmp_path)
    assert isinstance(await first.ending(), RunCompleted)
    second = await start(shop, next_attempt(record), tmp_path)
    ending = await ended(second, Status.COMPLETE)
    assert isinstance(ending, RunCompleted)
    assert "found cut over" in ending.message
    nothing_is_left(shop, record)


async def test_a_table_is_changed_by_the_least_account(shop: Shop, tmp_path: Path) -> None:
    """What the README says alterd's own account needs."""
    async with session(shop) as opened:
        await ensure(opened)
    record = altering(shop)
    with account(shop, [*needs(strategy="gh-ost"), *for_accounts("gh-ost")]) as least:
        shop.run(f"GRANT RELOAD ON *.* TO '{least.user}'@'%'")
        async with session(least) as opened:
            assert await account_obstacles(opened) == []
        run = await start(least, record, tmp_path)
        assert isinstance(await ended(run, Status.COMPLETE), RunCompleted)
        shop.run(f"REVOKE RELOAD ON *.* FROM '{least.user}'@'%'")
        async with session(least) as opened:
            [obstacle] = await account_obstacles(opened)
            assert "RELOAD" in obstacle.message
    nothing_is_left(shop, record)


async def test_it_is_held_and_released(shop: Shop, tmp_path: Path) -> None:
    record = altering(shop)
    run = await start(shop, record, tmp_path, postponed=True)
    await run.until_stage("ready to complete")
    assert ReadyNow(ready=True) in run.attempt.sent
    assert {"_item_new", "_item_chkpnt", SENTINEL} <= set(shop.tables())
    assert shop.columns("item") == ["id", "u", "b"]
    await run.attempt.permit()
    ending = await ended(run, Status.COMPLETE)
    assert isinstance(ending, RunCompleted), ending
    assert ending.rows_copied == ROWS
    assert shop.columns("item") == ["id", "u", "b", "c"]
    nothing_is_left(shop, record)


async def test_it_is_cancelled_in_mid_copy(shop: Shop, tmp_path: Path) -> None:
    record = altering(shop, options=SLOW)
    run = await start(shop, record, tmp_path)
    await run.until_copied(20)
    before = rows(shop)
    await run.attempt.cancel()
    assert isinstance(await ended(run, Status.CANCELLED), RunCancelled)
    assert shop.columns("item") == ["id", "u", "b"]
    assert rows(shop) == before
    nothing_is_left(shop, record)
    [aside] = [name for name in shop.tables() if name.startswith("_alterd_shd_")]
    assert shop.columns(aside) == ["id", "u", "b", "c"]  # the collector's


async def test_a_dead_attempt_s_work_is_taken_up(shop: Shop, tmp_path: Path) -> None:
    record = altering(shop, options=SLOW)
    first = await start(shop, record, tmp_path)
    await first.until_copied(100)
    await first.vanish()
    await eventually(lambda: not running(shop.schema))
    assert {"_item_new", "_item_chkpnt"} <= set(shop.tables())
    second = await start(shop, next_attempt(record), tmp_path)
    assert isinstance(await ended(second, Status.COMPLETE), RunCompleted)
    assert "left: Resume" in second.attempt.log()
    assert "resuming from checkpoint" in second.attempt.log()
    assert [int(n) for n, *_ in rows(shop)] == list(range(1, ROWS + 1))
    nothing_is_left(shop, record)


async def test_another_spirit_begins_anew(shop: Shop, tmp_path: Path, program: Path) -> None:
    """By its own word it may misread the checkpoint of another version."""
    record = altering(shop, options=SLOW)
    first = await start(shop, record, tmp_path)
    await first.until_copied(20)
    await first.vanish()
    await eventually(lambda: not running(shop.schema))
    stand_in(program.parent, "0.16.1")
    second = await start(shop, next_attempt(record), tmp_path)
    await second.until_copied(10)
    assert "left: StartOver" in second.attempt.log()
    assert "resuming from checkpoint" not in second.attempt.log()
    await second.attempt.cancel()
    assert isinstance(await ended(second, Status.CANCELLED), RunCancelled)
    nothing_is_left(shop, record)


async def test_a_run_that_died_in_its_cut_over_is_found_out_by_the_table_s_number(shop: Shop, tmp_path: Path) -> None:
    record = altering(shop)
    run = await start(shop, record, tmp_path, postponed=True)
    await run.until_stage("ready to complete")
    with shop.session() as holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLES item WRITE")  # the cut-over waits
        await run.attempt.permit()
        await eventually(lambda: SENTINEL not in shop.tables(), 20)
        await run.vanish()
        cursor.execute("UNLOCK TABLES")
    await eventually(lambda: not running(shop.schema))
    assert shop.columns("item") == ["id", "u", "b"]
    second = await start(shop, next_attempt(record), tmp_path)
    assert isinstance(await ended(second, Status.COMPLETE), RunCompleted)
    assert "left: Resume" in second.attempt.log()
    assert [int(n) for n, *_ in rows(shop)] == list(range(1, ROWS + 1))
    nothing_is_left(shop, record)


async def test_the_numbers_of_another_server_are_not_compared(shop: Shop, tmp_path: Path) -> None:
    """As a promoted replica finds the notes: with the RENAME applied, and without it; its own numbers are any."""
    record = altering(shop)
    run = await start(shop, record, tmp_path, postponed=True)
    await run.until_stage("ready to complete")
    await run.vanish()
    await eventually(lambda: not running(shop.schema))
    async with session(shop) as opened:
        old = sorted(await identity(opened, shop.schema, "item"))
    [notes] = [name for name in shop.tables() if name.endswith("_mem")]
    noted_elsewhere = f"UPDATE {notes} SET server = 'another', table_ids = '[1]', new_ids = "
    shop.run(f"{noted_elsewhere} '{old}'")  # there the new table had the number that the old one has here
    second = await start(shop, next_attempt(record), tmp_path)
    assert isinstance(await ended(second, Status.COMPLETE), RunCompleted)
    assert "left: StartOver" in second.attempt.log()  # the checkpoint names a place in another's binary log
    assert shop.columns("item") == ["id", "u", "b", "c"]

    shop.run(f"{noted_elsewhere} '[2]'")
    third = await start(shop, next_attempt(next_attempt(record)), tmp_path)
    ending = await ended(third, Status.COMPLETE)
    assert isinstance(ending, RunCompleted)
    assert "found cut over" in ending.message
    assert [int(n) for n, *_ in rows(shop)] == list(range(1, ROWS + 1))
    nothing_is_left(shop, record)


async def test_what_mysql_does_in_place_is_found_done(shop: Shop, tmp_path: Path) -> None:
    sql = "ALTER TABLE item ADD COLUMN c INT"
    record = altering(shop, sql, special_plan='{"operation":"instant-ddl"}')
    run = await start(shop, record, tmp_path)
    ending = await run.ending()
    assert isinstance(ending, RunCompleted)
    assert "in place" in ending.message
    second = await start(shop, next_attempt(record), tmp_path)
    assert isinstance(await ended(second, Status.COMPLETE), RunCompleted)
    assert shop.columns("item") == ["id", "u", "b", "c"]
    nothing_is_left(shop, record)


async def test_a_duplicate_on_a_new_unique_key_fails_and_loses_no_row(shop: Shop, tmp_path: Path) -> None:
    shop.run("UPDATE item SET u = 1 WHERE id IN (2, 3)")
    before = rows(shop)
    record = altering(shop, "ALTER TABLE item ADD UNIQUE KEY only_u (u), FORCE")
    run = await start(shop, record, tmp_path)
    assert failure(await ended(run, Status.FAILED)).code == "duplicate_rows"
    assert rows(shop) == before
    nothing_is_left(shop, record)


async def test_a_failing_alter_and_an_unknown_flag_leave_the_table(shop: Shop, tmp_path: Path) -> None:
    for sql, options, words in (
        ("ALTER TABLE item DROP COLUMN nope, FORCE", "", "nope"),
        (ALTER, "--no-such=1", "unrecognized"),
    ):
        record = altering(shop, sql, options=options)
        folder = tmp_path / record.migration_uuid
        folder.mkdir()
        run = await start(shop, record, folder)
        assert words in failure(await ended(run, Status.FAILED)).message
        assert shop.columns("item") == ["id", "u", "b"]
        nothing_is_left(shop, record)


async def test_a_missing_or_old_program_leaves_the_table(
    shop: Shop, tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(program.parent, "0.14.0")
    record = altering(shop)
    run = await start(shop, record, tmp_path)
    assert failure(await ended(run, Status.FAILED)).code == "spirit_version"
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nowhere"))
    run = await start(shop, next_attempt(record), tmp_path)
    assert failure(await ended(run, Status.FAILED)).code == "spirit_missing"
    nothing_is_left(shop, record)


async def test_a_user_s_own_table_of_such_a_name_is_not_touched(shop: Shop, tmp_path: Path) -> None:
    shop.run("CREATE TABLE _item_old (id int)")
    record = altering(shop)
    run = await start(shop, record, tmp_path)
    assert "_item_old is there already" in failure(await ended(run, Status.FAILED)).message
    assert "_item_old" in shop.tables()
    shop.run("DROP TABLE _item_old")
    nothing_is_left(shop, record)


async def test_a_table_is_known_by_its_numbers_whatever_its_name(shop: Shop) -> None:
    shop.run("CREATE TABLE `it-em $1` (id int) PARTITION BY HASH (id) PARTITIONS 3")
    shop.run("CREATE TABLE `it-em $12` (id int)")
    async with session(shop) as opened:
        before = await identity(opened, shop.schema, "it-em $1")
        assert len(before) == 3
        shop.run("RENAME TABLE `it-em $1` TO `Item#p#`, item TO `it-em $1`")
        assert await identity(opened, shop.schema, "Item#p#") == before
        assert len(await identity(opened, shop.schema, "it-em $1")) == 1
        assert await identity(opened, shop.schema, "item") == frozenset()


async def test_an_attempt_begins_where_nothing_was_written_down(shop: Shop, tmp_path: Path) -> None:
    record = altering(shop)
    attempt = await Attempt.claim(shop, record, tmp_path)
    await attempt.task.foreign_artifacts(NAMES)
    await attempt.die()
    second = await start(shop, next_attempt(record), tmp_path)
    assert isinstance(await ended(second, Status.COMPLETE), RunCompleted)
    nothing_is_left(shop, record)


async def test_what_somebody_made_under_a_name_meanwhile_is_set_aside(shop: Shop, tmp_path: Path) -> None:
    """The migration ended without its clean-up, and is retried later."""
    record = altering(shop)
    attempt = await Attempt.claim(shop, record, tmp_path)
    await attempt.task.foreign_artifacts(NAMES)
    await attempt.die()
    for name in NAMES:
        shop.run(f"CREATE TABLE {name} (mine int)")
    retried = next_attempt(record).evolve(first_attempt=2)
    run = await start(shop, retried, tmp_path)
    assert isinstance(await ended(run, Status.COMPLETE), RunCompleted)
    nothing_is_left(shop, record)
    kept = [name for name in shop.tables() if name.startswith("_alterd_") and shop.columns(name) == ["mine"]]
    assert len(kept) == len(NAMES)
