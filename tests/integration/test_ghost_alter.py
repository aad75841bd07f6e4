"""The strategy gh-ost: a change under writes, held, throttled, cancelled, taken up again."""

from __future__ import annotations

import asyncio
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alterd_contracts.strategy import Wanted
from alterd_executor.protocol import ArtifactNow, ReadyNow, RunCancelled, RunCompleted, ThrottledNow, VerdictNow
from alterd_ghost.flags import RESERVED, SWITCHES
from tests.integration.executor_support import Attempt, next_attempt
from tests.integration.ghost_support import (
    SLOW,
    altering,
    failure,
    filled,
    ghosts,
    nothing_is_left,
    secret_of,
    seen_in_proc,
    start,
    until_gone,
    whole,
)
from tests.integration.vitess_support import Running, phases, progress
from tests.support import eventually
from tests.support.ghost import Gate, get_gh_ost
from tests.support.shop import Shop

pytestmark = pytest.mark.usefixtures("gh_ost")


@contextmanager
def writing(shop: Shop) -> Iterator[list[int]]:
    """Changes, inserts and deletes rows until the block ends; how many transactions were committed."""
    stop, done = threading.Event(), [0]

    def write() -> None:
        with shop.session() as connection, connection.cursor() as cursor:
            number = 0
            while not stop.is_set():
                number += 1
                row = 1 + number * 37 % 300
                cursor.execute("BEGIN")
                cursor.execute(f"UPDATE item SET u = -{number}, b = 'written {number}' WHERE id = {row}")
                cursor.execute(f"INSERT INTO item VALUES ({100_000 + number}, {100_000 + number}, 'late')")
                cursor.execute(f"DELETE FROM item WHERE id = {100_000 + number - 3}")
                cursor.execute("COMMIT")
                done[0] += 1
                stop.wait(0.005)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield done
    finally:
        stop.set()
        thread.join(20)


def old_table(shop: Shop) -> str:
    [name] = [name for name in shop.tables() if name.endswith("_del")]
    return name


def stage(running: Running) -> str:
    return next((each.stage for each in reversed(progress(running.attempt))), "")


async def test_a_change_under_writes(shop: Shop, tmp_path: Path, throttle: Gate) -> None:
    filled(shop, 2000)
    record = altering(shop)
    with writing(shop) as done:
        running = await start(shop, throttle, record, tmp_path, postponed=True)
        await running.until_stage("ready to complete")
        assert shop.columns("item") == ["id", "u", "b"]
        assert ReadyNow(ready=True) in running.attempt.sent
    before = shop.run("SELECT id, u, b FROM item ORDER BY id")
    await running.attempt.permit()
    ending = await running.ending()
    assert isinstance(ending, RunCompleted), running.attempt.log()
    assert done[0] > 100
    assert shop.columns("item") == ["id", "u", "b", "c"]
    assert shop.run("SELECT id, u, b FROM item ORDER BY id") == before
    assert shop.run("SELECT COUNT(*) FROM item WHERE c <> 7") == [(0,)]
    assert "by_u" in shop.indexes("item")
    assert shop.run(f"SELECT COUNT(*) FROM {old_table(shop)}") == [(len(before),)]
    assert phases(running.attempt) == ["prepare", "copy", "catch-up", "cut-over"]
    told = [each.rows_copied for each in progress(running.attempt)]
    assert told == sorted(told)
    assert ending.rows_copied >= 1900
    declared = [message.name for message in running.attempt.sent if isinstance(message, ArtifactNow)]
    assert [name[-4:] for name in declared] == ["_gho", "_ghc", "_del", "_ghk"]
    nothing_is_left(shop, record, tmp_path)


async def test_with_tls_and_without(shop: Shop, tmp_path: Path, throttle: Gate, tls: str) -> None:
    filled(shop)
    record = altering(shop, options=SLOW)
    running = await start(shop, throttle, record, tmp_path)
    await running.until_copied(20)
    kinds = shop.run(
        "SELECT DISTINCT CONNECTION_TYPE FROM performance_schema.threads"
        f" WHERE PROCESSLIST_USER = '{shop.accounts(record.migration_uuid)[0]}'"
    )
    assert kinds == [("SSL/TLS" if tls == "required" else "TCP/IP",)]
    await running.attempt.cancel()
    assert await running.ending() == RunCancelled()


async def test_completion_is_taken_back_while_it_waits(shop: Shop, tmp_path: Path, throttle: Gate) -> None:
    """A table in use keeps the cut-over from coming to its end; once it is taken back, it does not come after that."""
    filled(shop)
    record = altering(shop)
    running = await start(shop, throttle, record, tmp_path, postponed=True)
    await running.until_stage("ready to complete")
    with shop.table_in_use("item"):
        await running.attempt.permit()
        await eventually(lambda: shop.waiting_alters() == 1)
        running.attempt.permitted = 0
        await running.attempt.task.hear(Wanted(may_complete=False))
        await eventually(lambda: shop.waiting_alters() == 0, 3)
    await running.until_stage("ready to complete")
    assert (tmp_path / "postpone").exists()
    assert "c" not in shop.columns("item")
    await running.attempt.permit()
    assert isinstance(await running.ending(), RunCompleted)
    assert "c" in shop.columns("item")
    nothing_is_left(shop, record, tmp_path)


async def test_it_waits_for_the_throttler_and_goes_on(shop: Shop, tmp_path: Path, throttle: Gate) -> None:
    filled(shop, 200)
    record = altering(shop, options=SLOW)
    running = await start(shop, throttle, record, tmp_path)
    await running.until_copied(10)
    throttle.go = False
    running.attempt.task.throttle.hear(VerdictNow(go=False, reason="lag 7 s", valid_seconds=60))
    await running.until_stage("throttled")
    await eventually(lambda: ThrottledNow(app="gh-ost", reason="lag 7 s") in running.attempt.sent)
    copied, asked = progress(running.attempt)[-1].rows_copied, throttle.asked
    await eventually(lambda: throttle.asked > asked + 20)
    assert progress(running.attempt)[-1].rows_copied == copied < 200
    throttle.go = True
    running.attempt.task.throttle.hear(VerdictNow(go=True, reason="", valid_seconds=60))
    await running.until_copied(copied + 1)
    assert isinstance(await running.ending(), RunCompleted)
    assert shop.run("SELECT COUNT(*), SUM(c) FROM item") == [(200, 1400)]


async def test_it_does_not_begin_before_the_throttler_says_go(shop: Shop, tmp_path: Path, throttle: Gate) -> None:
    filled(shop)
    record = altering(shop)
    attempt = await Attempt.claim(shop, record, tmp_path, throttle_url=throttle.url)
    attempt.task.throttle.hear(VerdictNow(go=False, reason="lag 7 s", valid_seconds=60))
    running = Running(attempt)
    await eventually(lambda: ThrottledNow(app="gh-ost", reason="lag 7 s") in attempt.sent)
    assert ghosts(record) == []
    attempt.task.throttle.hear(VerdictNow(go=True, reason="", valid_seconds=60))
    await eventually(lambda: len(ghosts(record)) == 1)
    await attempt.cancel()
    assert await running.ending() == RunCancelled()


async def test_cancel_in_the_copy(shop: Shop, tmp_path: Path, throttle: Gate) -> None:
    filled(shop, 6000)
    record = altering(shop, options=SLOW)
    running = await start(shop, throttle, record, tmp_path)
    await running.until_copied(50)
    assert len(shop.accounts(record.migration_uuid)) == 1
    [pid] = ghosts(record)
    secret = secret_of(tmp_path)
    assert secret
    assert secret not in seen_in_proc(pid) + running.attempt.log()
    await running.attempt.cancel()
    assert await running.ending() == RunCancelled()
    assert "found panic-file" in running.attempt.log(), "in order, not by a signal"
    assert shop.columns("item") == ["id", "u", "b"]
    assert shop.run("SELECT COUNT(*) FROM item") == [(6000,)]
    assert [name[-4:] for name in shop.tables() if name.startswith("_alterd")] == ["_gho"]
    nothing_is_left(shop, record, tmp_path)


async def test_an_attempt_that_died_is_begun_anew(shop: Shop, tmp_path: Path, throttle: Gate) -> None:
    """There is no checkpoint yet."""
    filled(shop, 6000)
    record = altering(shop, options=SLOW)
    running = await start(shop, throttle, record, tmp_path / "one")
    await running.until_copied(50)
    await running.vanish()
    second = next_attempt(record).evolve(options="")
    attempt, ending = await whole(shop, throttle, second, tmp_path / "two")
    assert isinstance(ending, RunCompleted), attempt.log()
    assert "attempt 1 left: StartOver" in attempt.log()
    assert shop.run("SELECT COUNT(*), SUM(c) FROM item") == [(6000, 42000)]
    assert len([name for name in shop.tables() if name.startswith("_alterd")]) == 1, "only the old table"
    await until_gone(record)
    nothing_is_left(shop, second, tmp_path)


async def test_an_orphan_elsewhere_is_ended_by_its_account(shop: Shop, tmp_path: Path, throttle: Gate) -> None:
    """The first attempt's program and run go on, as they would on another host that hears nothing."""
    filled(shop, 6000)
    record = altering(shop, options=SLOW)
    first = await start(shop, throttle, record, tmp_path / "one")
    await first.until_copied(50)
    second = next_attempt(record).evolve(options="")
    running = await start(shop, throttle, second, tmp_path / "two")
    ending = await running.ending()
    assert isinstance(ending, RunCompleted), running.attempt.log()
    await asyncio.wait({first.task}, timeout=60)
    assert "c" in shop.columns("item")
    assert shop.run("SELECT COUNT(*), SUM(c) FROM item") == [(6000, 42000)]
    await until_gone(record)
    nothing_is_left(shop, second, tmp_path)


@pytest.mark.slow
async def test_an_attempt_that_died_is_taken_up_at_a_checkpoint(shop: Shop, tmp_path: Path, throttle: Gate) -> None:
    filled(shop, 6000)
    record = altering(shop, options="--nice-ratio=80 --chunk-size=10")  # not over before three checkpoints
    with writing(shop):
        running = await start(shop, throttle, record, tmp_path / "one")
        await running.until_copied(50)

        def checkpoints() -> bool:
            names = [name for name in shop.tables() if name.endswith("_ghk")]
            return bool(names) and shop.run(f"SELECT COUNT(*) >= 3 FROM {names[0]}") == [(1,)]

        await eventually(checkpoints, 90)
        copied = progress(running.attempt)[-1].rows_copied
        await running.vanish()
        second = next_attempt(record).evolve(options="")
        running = await start(shop, throttle, second, tmp_path / "two", postponed=True)
        await running.until_stage("ready to complete")
    before = shop.run("SELECT id, u, b FROM item ORDER BY id")
    await running.attempt.permit()
    assert isinstance(await running.ending(), RunCompleted), running.attempt.log()
    assert "attempt 1 left: Resume" in running.attempt.log()
    assert "goes on with" in running.attempt.log()
    assert "dry run" not in running.attempt.log()
    assert progress(running.attempt)[0].rows_copied > copied // 4
    assert shop.run("SELECT id, u, b FROM item ORDER BY id") == before
    assert shop.run("SELECT COUNT(*) FROM item WHERE c <> 7") == [(0,)]
    await until_gone(record)
    nothing_is_left(shop, second, tmp_path)


async def test_a_swap_that_nobody_told_of_is_found(shop: Shop, tmp_path: Path, throttle: Gate) -> None:
    filled(shop)
    record = altering(shop)
    running = await start(shop, throttle, record, tmp_path / "one", postponed=True)
    await running.until_stage("ready to complete")
    await running.attempt.permit()
    await eventually(lambda: "c" in shop.columns("item"))
    await running.vanish()
    second = next_attempt(record)
    attempt, ending = await whole(shop, throttle, second, tmp_path / "two")
    assert isinstance(ending, RunCompleted), attempt.log()
    assert "found cut over" in ending.message
    assert shop.columns("item").count("c") == 1
    await until_gone(record)
    nothing_is_left(shop, second, tmp_path)


async def test_a_duplicate_of_a_new_unique_key_fails(shop: Shop, tmp_path: Path, throttle: Gate) -> None:
    filled(shop)
    shop.run("UPDATE item SET u = 7 WHERE id = 300")
    record = altering(shop, "ALTER TABLE item ADD UNIQUE KEY u (u)")
    attempt, ending = await whole(shop, throttle, record, tmp_path)
    error = failure(ending)
    assert error.code == "duplicate_rows", attempt.log()
    assert "'7'" in error.message
    assert shop.run("SELECT COUNT(*) FROM item") == [(400,)]
    assert shop.indexes("item") == ["PRIMARY"]
    nothing_is_left(shop, record, tmp_path)


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO item VALUES (401, 7, 'late')",
        pytest.param("UPDATE item SET u = 7 WHERE id = 300", marks=pytest.mark.slow),
        pytest.param("UPDATE item SET id = 402, u = 7 WHERE id = 300", marks=pytest.mark.slow),
    ],
)
async def test_a_duplicate_that_is_written_after_the_copy_fails(
    shop: Shop, tmp_path: Path, throttle: Gate, statement: str
) -> None:
    filled(shop)
    record = altering(shop, "ALTER TABLE item ADD UNIQUE KEY u (u)", options="--default-retries=3")
    running = await start(shop, throttle, record, tmp_path, postponed=True)
    await running.until_stage("ready to complete")
    shop.run(statement)
    count = shop.run("SELECT COUNT(*) FROM item")
    error = failure(await running.ending())
    assert error.code == "duplicate_rows", running.attempt.log()
    assert shop.run("SELECT COUNT(*) FROM item") == count
    assert shop.indexes("item") == ["PRIMARY"]
    nothing_is_left(shop, record, tmp_path)


async def test_what_fails_in_its_dry_run_is_told_in_its_last_words(shop: Shop, tmp_path: Path, throttle: Gate) -> None:
    filled(shop)
    record = altering(shop, options=f"--max-load='Threads_running=$(touch {tmp_path}/made) --execute'")
    attempt, ending = await whole(shop, throttle, record, tmp_path)
    error = failure(ending)
    assert error.code == "tool_failed"
    assert "$(touch" in error.message, attempt.log()
    assert error.message.startswith("the dry run failed: ")
    assert not (tmp_path / "made").exists()
    nothing_is_left(shop, record, tmp_path)


async def test_a_table_with_triggers_is_refused(shop: Shop, tmp_path: Path, throttle: Gate) -> None:
    """Also when they were made after the change was queued."""
    filled(shop)
    shop.run("CREATE TRIGGER counting BEFORE INSERT ON item FOR EACH ROW SET @counted = @counted + 1")
    record = altering(shop)
    _, ending = await whole(shop, throttle, record, tmp_path)
    error = failure(ending)
    assert (error.code, "has triggers (counting)" in error.message) == ("statement_refused", True)
    shop.run("DROP TRIGGER counting")
    nothing_is_left(shop, record, tmp_path)


def test_it_knows_which_flags_take_no_value() -> None:
    """Else the word behind one would be taken for its value."""
    said = subprocess.run([get_gh_ost(), "--help"], check=False, capture_output=True, text=True)
    flags = dict(re.findall(r"^  -([a-z-]+)(?: (\w+))?$", said.stdout + said.stderr, re.MULTILINE))
    switches = {name for name, value in flags.items() if not value}
    assert len(flags) > 80
    assert switches - SWITCHES <= {*RESERVED, "allow-zero-in-date"}
    assert switches >= SWITCHES


async def test_a_value_that_does_not_fit_fails(shop: Shop, tmp_path: Path, throttle: Gate) -> None:
    filled(shop)
    shop.run("UPDATE item SET b = NULL WHERE id = 333")
    record = altering(shop, "ALTER TABLE item MODIFY b VARCHAR(30) NOT NULL")
    _, ending = await whole(shop, throttle, record, tmp_path)
    error = failure(ending)
    assert error.code == "tool_failed"
    assert "Column 'b' cannot be null" in error.message
    assert shop.run("SELECT COUNT(*) FROM item WHERE b IS NULL") == [(1,)]
    nothing_is_left(shop, record, tmp_path)
