"""The cut-over and those who stand in its way: waited for, or ended where it is forced, and never the wrong ones."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from alterd_contracts.strategy import Wanted
from alterd_executor.protocol import AnalyzedNow, RunCompleted
from alterd_executor.task import RunTask
from alterd_runtime.mysql.connect import connect
from alterd_vitess import completing, cutover
from tests.integration.cutover_support import ALTER, completed, ready
from tests.integration.executor_support import next_attempt
from tests.integration.vitess_support import Running, altering, phases, progress
from tests.support import eventually
from tests.support.shop import Shop


@pytest.fixture
def item(shop: Shop) -> Shop:
    shop.run("CREATE TABLE item (id INT NOT NULL PRIMARY KEY, a INT)")
    shop.run("INSERT INTO item VALUES " + ",".join(f"({n}, {n})" for n in range(1, 101)))
    return shop


class Client:
    """A session of the application's, which is ended or is not."""

    def __init__(self, shop: Shop) -> None:
        host, _, port = shop.servers[0].rpartition(":")
        self.connection = connect(host, int(port), shop.user, shop.password, database=shop.schema)
        self.id = int(self.connection.thread_id())  # type: ignore[no-untyped-call]

    def run(self, *statements: str) -> None:
        with self.connection.cursor() as cursor:
            for sql in statements:
                cursor.execute(sql)
                cursor.fetchall()

    def lives(self) -> bool:
        try:
            self.run("DO 0")
        except pymysql.MySQLError:
            return False
        return True

    def close(self) -> None:
        with contextlib.suppress(pymysql.MySQLError):  # killed sessions are closed already
            self.connection.close()


@contextlib.contextmanager
def client(shop: Shop, *statements: str) -> Iterator[Client]:
    opened = Client(shop)
    try:
        opened.run(*statements)
        yield opened
    finally:
        opened.close()


@contextlib.contextmanager
def beside(work: Callable[[], None]) -> Iterator[list[BaseException]]:
    """Runs `work` in a thread; what it raised."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield raised
    finally:
        thread.join()


IN_THE_WAY = {
    "an open transaction that read": ("START TRANSACTION", "SELECT * FROM item"),
    "an open transaction that wrote": ("START TRANSACTION", "UPDATE item SET a = 0 WHERE id = 7"),
    "autocommit off": ("SET autocommit = 0", "SELECT * FROM item LIMIT 1"),
    "a table lock": ("LOCK TABLES item READ",),
    "a handler": ("HANDLER item OPEN",),
    "an active XA transaction": ("XA START 'cutover'", "UPDATE item SET a = 0 WHERE id = 7"),
}


@pytest.mark.parametrize("statements", IN_THE_WAY.values(), ids=IN_THE_WAY)
async def test_a_forced_cut_over_ends_sessions_that_hold_the_table(
    item: Shop, tmp_path: Path, statements: tuple[str, ...]
) -> None:
    running = await ready(item, tmp_path)
    with client(item, *statements) as blocking, client(item, "START TRANSACTION", "SELECT * FROM customer") as other:
        await running.attempt.want()
        await running.until_stage("blocked")
        assert blocking.lives()
        await running.attempt.want(force_cutover=True)
        ending = await completed(running, item)
        assert not blocking.lives()
        assert other.lives(), "who has nothing to do with the table is left alone"
    assert f"connection {blocking.id} " in running.attempt.log()
    assert "1 in its way were killed" in ending.message
    assert item.run("SELECT a FROM item WHERE id = 7") == [(7,)], "the killed transaction was rolled back"


async def test_a_forced_cut_over_ends_a_statement_and_leaves_its_session(item: Shop, tmp_path: Path) -> None:
    running = await ready(item, tmp_path)
    with client(item) as blocking, beside(lambda: blocking.run("SELECT SLEEP(60) FROM item LIMIT 1")) as raised:
        await eventually(
            lambda: bool(item.run("SELECT 1 FROM performance_schema.processlist WHERE state='User sleep'"))
        )
        await running.attempt.want(force_cutover=True)
        await completed(running, item)
    assert not raised or "1317" in str(raised[0])
    assert "killed the statement" in running.attempt.log()


async def test_a_snapshot_that_would_see_half_a_table_is_ended_when_forced(item: Shop, tmp_path: Path) -> None:
    with client(
        item, "SET transaction_isolation = 'REPEATABLE-READ'", "START TRANSACTION", "SELECT * FROM customer"
    ) as c:
        running = await ready(item, tmp_path)
        await running.attempt.want()
        await running.until_message("snapshot")
        assert c.lives()
        await running.attempt.want(force_cutover=True)
        await completed(running, item)
        assert not c.lives()


SPARED = {
    "backup lock": (("LOCK INSTANCE FOR BACKUP",), "UNLOCK INSTANCE"),
    "global read lock": (("FLUSH TABLES WITH READ LOCK",), "UNLOCK TABLES"),
    "used item": (("FLUSH TABLES item WITH READ LOCK",), "UNLOCK TABLES"),
}


@pytest.mark.parametrize("words", SPARED)
async def test_a_backup_is_never_ended_and_nobody_else_for_nothing(item: Shop, tmp_path: Path, words: str) -> None:
    hold, release = SPARED[words]
    running = await ready(item, tmp_path)
    with client(item, "START TRANSACTION", "SELECT * FROM item") as reader, client(item, *hold) as backup:
        await running.attempt.want(force_cutover=True)
        await running.until_message(words)
        await running.until_message("is forced, and waits all the same")
        await asyncio.sleep(1.2)  # two more looks
        assert backup.lives()
        assert reader.lives(), "to end others would help nobody while the backup goes on"
        assert "cut-over" not in phases(running.attempt)
        backup.run(release)
        await completed(running, item)
        assert not reader.lives()
        assert backup.lives()


async def test_a_prepared_transaction_is_never_ended(item: Shop, tmp_path: Path) -> None:
    """Whatever becomes of it is for its coordinator to say: the run waits, or ends with the table as it was."""
    running = await ready(item, tmp_path)
    statements = ("XA START 'held'", "UPDATE item SET a = 0 WHERE id = 7", "XA END 'held'", "XA PREPARE 'held'")
    with client(item, "SET SESSION xa_detach_on_prepare = OFF", *statements) as blocking:
        await running.attempt.want(force_cutover=True)
        if not await _over(running):
            await running.until_message("prepared XA transaction")
        assert blocking.lives()
        blocking.run("XA ROLLBACK 'held'")
        await asyncio.wait_for(asyncio.gather(running.task, return_exceptions=True), 60)
    await running.attempt.task.finish(None)


async def _over(running: Running) -> bool:
    """Whether the run ends instead of naming the transaction."""
    while not running.task.done():
        if any("prepared XA" in each.message for each in progress(running.attempt)[-1:]):
            return False
        await asyncio.sleep(0.05)
    return True


async def test_young_transactions_that_hold_up_the_lock_are_ended_too(
    item: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is seen before the lock, as with transactions that begin one after the other."""

    async def nobody(*_: object, **__: object) -> bool:
        return False

    monkeypatch.setattr(completing.Completing, "_blocked", nobody)
    running = await ready(item, tmp_path)
    with client(item, "START TRANSACTION", "SELECT * FROM item") as young:
        await running.attempt.want(force_cutover=True)
        await completed(running, item)
        assert not young.lives()


async def test_without_force_the_lock_is_given_up_and_tried_again(
    item: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nobody(*_: object, **__: object) -> bool:
        return False

    monkeypatch.setattr(completing.Completing, "_blocked", nobody)
    running = await ready(item, tmp_path)
    with client(item, "START TRANSACTION", "SELECT * FROM item") as young:
        await running.attempt.permit()
        await running.until_message("the locks were not had within 0.3 s; again in 1 s")
        assert young.lives()
        item.run("INSERT INTO item VALUES (101, 101)")  # nobody waits behind the attempt any more
        young.run("COMMIT")
        await completed(running, item)
    assert item.run("SELECT COUNT(*) FROM item") == [(101,)]


async def test_where_transactions_are_never_over_in_time_the_lock_is_waited_for_longer(
    item: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too young to be looked at as in the way, and each lasts longer than the first attempts wait."""
    really, waited = cutover.CutOver._lock, []

    @contextlib.asynccontextmanager
    async def busy(self: Any, *about: Any) -> AsyncIterator[None]:
        with client(item, "START TRANSACTION", "UPDATE item SET a = a + 1 WHERE id = 1") as young:
            ending = threading.Timer(0.9, young.run, ["COMMIT"])
            ending.start()
            began = time.monotonic()
            try:
                async with really(self, *about):
                    waited.append(time.monotonic() - began)
                    yield
            except cutover.NotNow:
                waited.append(time.monotonic() - began)
                raise
            finally:
                await asyncio.to_thread(ending.join)

    monkeypatch.setattr(cutover.CutOver, "_lock", busy)
    monkeypatch.setattr(completing, "FIRST_BACK_OFF", 0.05)
    running = await ready(item, tmp_path)
    await running.attempt.permit()
    await completed(running, item)
    assert len(waited) == 3
    assert waited[0] < 0.6 < waited[2] < 1.2
    assert item.run("SELECT a FROM item WHERE id = 1") == [(4,)]


async def test_the_threshold_bounds_what_is_done_under_the_lock(
    item: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    thresholds: list[float] = []
    slow = True

    async def drain(self: Any, session: Any, keys: Any) -> None:
        if slow:
            await session.execute("DO SLEEP(30)")
        await whole(self, session, keys)

    async def locked(self: Any, session: Any, relations: Any, threshold: float, forcing: Any) -> Any:
        thresholds.append(threshold)
        return await really(self, session, relations, threshold / 20, forcing)

    whole, really = cutover.CutOver._drain, cutover.CutOver._locked
    monkeypatch.setattr(cutover.CutOver, "_drain", drain)
    monkeypatch.setattr(cutover.CutOver, "_locked", locked)
    running = await ready(item, tmp_path)
    await running.attempt.want(cutover_threshold_seconds=6)
    await running.until_message("locked for the cut-over threshold of 0.3 s")
    item.run("UPDATE item SET a = -1 WHERE id = 1")
    slow = False
    await running.attempt.want(cutover_threshold_seconds=20)  # also ends the pause
    await completed(running, item)
    assert (thresholds[0], thresholds[-1]) == (6, 20)
    assert item.run("SELECT a FROM item WHERE id = 1") == [(-1,)]


@pytest.mark.parametrize("slowly", [True, False])
async def test_a_hold_that_is_put_on_during_the_drain_is_obeyed(
    item: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slowly: bool
) -> None:
    """By a fresh word where the drain took long, else by what was heard meanwhile; a quick one asks once alone."""
    asked, drains, answered = [], 0, asyncio.Event()

    async def drain(self: Any, session: Any, keys: Any) -> None:
        nonlocal drains
        drains += 1
        if drains == 1:
            if slowly:
                await session.execute("DO SLEEP(0.2)")
                running.attempt.permitted = 0  # only a fresh question tells
            else:
                await answered.wait()  # with yes, at the beginning of the lock
                await running.attempt.task.hear(Wanted(may_complete=False))
        await whole(self, session, keys)

    async def may_complete(self: RunTask) -> bool:
        asked.append(drains)
        answered.clear()
        answer = await really(self)
        answered.set()
        return answer

    whole, really = cutover.CutOver._drain, RunTask.may_complete
    monkeypatch.setattr(cutover.CutOver, "_drain", drain)
    monkeypatch.setattr(RunTask, "may_complete", may_complete)
    running = await ready(item, tmp_path)
    await running.attempt.permit()
    await running.until_message("completion was postponed or cancelled meanwhile")
    assert item.columns("item") == ["id", "a"]
    assert asked.count(1) == slowly
    asked.clear()
    await running.attempt.want(force_cutover=True)  # also ends the pause
    await completed(running, item)
    assert asked == [1, 1]  # before the lock, and at its beginning


async def test_force_cut_over_after_counts_from_the_first_time_it_was_due_over_dead_attempts(
    item: Shop, tmp_path: Path
) -> None:
    record = altering(item, ALTER, options="--force-cut-over-after=1h")
    with client(item, "START TRANSACTION", "SELECT * FROM item") as blocking:
        running = await Running.start(item, record, tmp_path)
        await running.until_stage("blocked")
        await running.vanish()
        mine = f"migration_uuid = '{record.migration_uuid}'"
        [(first,)] = item.run(f"SELECT first_due_at FROM _alterd.cutovers WHERE {mine}")
        record = next_attempt(record)
        running = await Running.start(item, record, tmp_path)
        await running.until_stage("blocked")
        assert item.run(f"SELECT first_due_at FROM _alterd.cutovers WHERE {mine}") == [(first,)]
        await running.vanish()
        assert blocking.lives()
        item.run(f"UPDATE _alterd.cutovers SET first_due_at = first_due_at - INTERVAL 3595 SECOND WHERE {mine}")
        running = await Running.start(item, next_attempt(record), tmp_path)
        await completed(running, item)
        assert not blocking.lives()
    assert item.run(f"SELECT COUNT(*) FROM _alterd.cutovers WHERE {mine}") == [(0,)]


async def test_force_cut_over_after_1ms_forces_the_first_attempt(item: Shop, tmp_path: Path) -> None:
    with client(item, "START TRANSACTION", "SELECT * FROM item") as blocking:
        running = await Running.start(item, altering(item, ALTER, options="--force-cut-over-after=1ms"), tmp_path)
        await completed(running, item)
        assert not blocking.lives()


async def test_the_new_table_is_analyzed_once_before_the_first_attempt(item: Shop, tmp_path: Path) -> None:
    running = await ready(item, tmp_path)
    shadow = next(name for name in item.tables() if name.startswith("_alterd_shd"))
    statistics = f"SELECT n_rows FROM mysql.innodb_table_stats WHERE database_name = '{item.schema}'"
    assert item.run(f"{statistics} AND table_name = '{shadow}'") == [(100,)]
    await running.attempt.permit()
    await completed(running, item)
    assert running.attempt.sent.count(AnalyzedNow()) == 1
    assert item.run(f"{statistics} AND table_name = 'item'") == [(100,)]


async def test_the_table_is_analyzed_before_the_copy_when_asked_for(item: Shop, tmp_path: Path) -> None:
    item.run("ALTER TABLE item STATS_AUTO_RECALC = 0")
    item.run("DELETE FROM item WHERE id > 40")
    running = await ready(item, tmp_path, "--analyze-table")
    assert item.run(
        f"SELECT n_rows FROM mysql.innodb_table_stats WHERE database_name='{item.schema}' AND table_name='item'"
    ) == [(40,)]
    await running.attempt.permit()
    await completed(running, item)


async def test_zero_dates_are_allowed_when_asked_for(item: Shop, tmp_path: Path) -> None:
    alter = "ALTER TABLE item ADD COLUMN d DATE NOT NULL DEFAULT '0000-00-00'"
    refused = await Running.start(item, altering(item, alter), tmp_path)
    assert not isinstance(await refused.ending(), RunCompleted)
    running = await Running.start(item, altering(item, alter, options="--allow-zero-in-date"), tmp_path)
    assert isinstance(await running.ending(), RunCompleted)
    assert item.run("SELECT COUNT(*) FROM item WHERE d = 0") == [(100,)]
