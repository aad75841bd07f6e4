"""An executor and its attempts, with a scheduler played by the test, on real servers."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.events import Fact
from alterd_contracts.inputs import (
    ArtifactDeclared,
    CancelledReport,
    Completed,
    Failed,
    PhaseEntered,
    ReleasedReport,
    Stale,
    Started,
)
from alterd_contracts.migration import Migration
from alterd_contracts.statement import StatementKind
from alterd_contracts.states import Status
from alterd_contracts.work import DeadLetter, LogLine, Progress
from alterd_executor import display
from alterd_runtime.provision.nats_server import NatsServer
from tests.integration.executor_support import Running, Scheduler, alter, executor, next_attempt, record_of
from tests.support import eventually
from tests.support.shop import Shop


@pytest.fixture
async def running(nats: NatsServer, shop: Shop, tmp_path: Path) -> AsyncIterator[Running]:
    async with executor(nats.url, shop, tmp_path, lock_wait_timeout=60) as started:
        yield started


def fences(shop: Shop, uuid: str) -> list[int]:
    """Attempts that were claimed; none where the sidecar is not there yet."""
    if not shop.run("SELECT 1 FROM information_schema.tables WHERE table_schema='_alterd' AND table_name='fence'"):
        return []
    return [int(row[0]) for row in shop.run(f"SELECT attempt FROM _alterd.fence WHERE migration_uuid = '{uuid}'")]


async def test_nothing_happens_on_the_shard_before_the_grant(running: Running, shop: Shop) -> None:
    scheduler = running.scheduler
    record = await scheduler.dispatch(alter(shop, "ADD COLUMN b int"))
    started = await scheduler.report(Started, record)
    assert started.executor == running.context.instance
    assert fences(shop, record.migration_uuid) == []
    await scheduler.grant(record)
    await scheduler.report(Completed, record)
    assert fences(shop, record.migration_uuid) == [1]
    assert shop.columns() == ["id", "a", "name", "b"]
    await scheduler.report(PhaseEntered, record)
    assert scheduler.of(record) == ["Started", "PhaseEntered", "Completed"]


@pytest.mark.parametrize("decided", ["cancelled", "granted to another", "next attempt"])
async def test_what_was_decided_otherwise_is_dropped_in_silence(running: Running, shop: Shop, decided: str) -> None:
    scheduler = running.scheduler
    record = await scheduler.dispatch(alter(shop, "ADD COLUMN b int"))
    await scheduler.report(Started, record)
    if decided == "cancelled":
        await scheduler.records.delete(record.open_key)
    elif decided == "next attempt":
        await scheduler.write(record.evolve(attempt=2))
    else:
        await scheduler.write(record.evolve(migration_status=Status.RUNNING, tablet="other", incarnation="x"))
    await eventually(lambda: idle(running))
    assert scheduler.of(record) == ["Started"]
    assert fences(shop, record.migration_uuid) == []


async def idle(running: Running) -> bool:
    info = await running.info()
    return info is not None and info.running == 0


async def test_the_executor_says_what_it_offers(running: Running) -> None:
    info = await running.info()
    assert info is not None
    assert {declared.strategy for declared in info.strategies} >= {"statement", "mysql", "direct"}
    assert (info.slots, info.lease_ttl, info.pid) == (8, 2, os.getpid())
    store = running.context.bus.bucket(subjects.EXECUTORS)
    first = await store.get(running.context.instance)
    assert first is not None

    async def renewed() -> bool:
        entry = await store.get(running.context.instance)
        assert entry is not None, "the lease ended"
        assert first is not None
        return entry.revision >= first.revision + 4  # after more than its time to live

    await eventually(renewed)


async def test_work_that_cannot_be_read_is_kept_with_the_reason(running: Running, shop: Shop) -> None:
    record = alter(shop, "ADD COLUMN b int")
    subject = subjects.work("mysql", "commerce", "0")
    letter = DeadLetter(stream="x", subject="y", sequence=1, reason="z", payload="")
    await running.scheduler.bus.publish(subject, letter, id=record.migration_uuid)
    reader: Reader[DeadLetter] = Reader(DeadLetter)

    async def buried() -> bool:
        message = await running.scheduler.bus.last(subjects.DEAD, subjects.dead(subjects.WORK.name))
        return message is not None and "no work" in reader.read(message.data).reason

    await eventually(buried)


async def test_a_cancel_ends_the_statement_and_is_reported(running: Running, shop: Shop) -> None:
    scheduler = running.scheduler
    with shop.table_in_use():
        record = await scheduler.grant(await scheduler.dispatch(alter(shop, "ADD COLUMN b int")))
        await eventually(lambda: shop.waiting_alters() == 1)
        await scheduler.write(record.evolve(cancel_requested=True))
        await scheduler.report(CancelledReport, record)
        assert shop.waiting_alters() == 0
    assert shop.columns() == ["id", "a", "name"]


async def test_progress_is_shown_while_it_runs_and_gone_afterwards(
    running: Running, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(display, "LAST_TTL", 1)
    scheduler = running.scheduler
    key = subjects.progress_key("commerce", "0", (record := alter(shop, "ADD COLUMN b int")).migration_uuid)
    store = running.context.bus.bucket(subjects.PROGRESS)

    async def shown() -> bool:
        entry = await store.get(key)
        if entry is None or entry.value is None:
            return False
        progress = msgspec.json.decode(entry.value, type=Progress)
        return progress.phase == "running" and progress.stage == "Waiting for table metadata lock"

    with shop.table_in_use():
        await scheduler.grant(await scheduler.dispatch(record))
        await eventually(shown)
    await scheduler.report(Completed, record)

    async def gone() -> bool:
        return await store.get(key) is None

    await eventually(gone)


async def test_a_held_table_is_declared_before_it_exists(running: Running, shop: Shop) -> None:
    scheduler = running.scheduler
    drop = record_of(shop, StatementKind.DROP_TABLE, "customer", "DROP TABLE customer")
    with shop.table_in_use():
        record = await scheduler.grant(await scheduler.dispatch(drop))
        declared = await scheduler.report(ArtifactDeclared, record)
        assert shop.tables() == ["customer"]
    await scheduler.report(Completed, record)
    assert shop.tables() == [declared.name]


async def test_a_dead_run_is_given_back_and_nothing_of_it_works_on(running: Running, shop: Shop) -> None:
    scheduler = running.scheduler
    with shop.table_in_use():
        record = await scheduler.grant(await scheduler.dispatch(alter(shop, "ADD INDEX (a)")))
        await eventually(lambda: shop.waiting_alters() == 1)
        os.kill(await working(running), signal.SIGKILL)
        released = await scheduler.report(ReleasedReport, record)
        assert released.died
        assert "SIGKILL" in released.reason
        assert shop.waiting_alters() == 0
    later = await scheduler.grant(await scheduler.dispatch(next_attempt(record)))
    await scheduler.report(Completed, later)
    assert sorted(shop.indexes()) == ["PRIMARY", "a"]


async def working(running: Running) -> int:
    """The process of the one run."""
    await eventually(lambda: len(running.children()) == 1)
    return running.children()[0]


async def test_a_run_without_a_sign_of_life_is_warned_of_and_ended(
    nats: NatsServer, shop: Shop, tmp_path: Path
) -> None:
    async with executor(nats.url, shop, tmp_path, lock_wait_timeout=60, stale_warn=4, stale_fail=7) as running:
        scheduler = running.scheduler
        with shop.table_in_use():
            record = await scheduler.grant(await scheduler.dispatch(alter(shop, "ADD INDEX (a)")))
            await eventually(lambda: shop.waiting_alters() == 1)
            os.kill(await working(running), signal.SIGSTOP)
            assert (await scheduler.report(Stale, record)).seconds >= 4
            failed = await scheduler.report(Failed, record)
            assert failed.error.code == "stale_run"
            assert shop.waiting_alters() == 0
        assert scheduler.of(record).count("Stale") == 1


async def test_a_shard_that_does_not_answer_gives_the_attempt_back(running: Running, shop: Shop) -> None:
    scheduler = running.scheduler
    [shard] = running.keyspace.shards
    away = msgspec.structs.replace(shard, servers=(msgspec.structs.replace(shard.servers[0], port=1),))
    store = running.context.bus.bucket(subjects.TOPOLOGY)
    await store.put("commerce", msgspec.json.encode(msgspec.structs.replace(running.keyspace, shards=(away,))))
    record = await scheduler.grant(await scheduler.dispatch(alter(shop, "ADD COLUMN b int")))
    released = await scheduler.report(ReleasedReport, record)
    assert released.error is not None
    assert (released.error.code, released.died) == ("shard_unreachable", False)


async def test_a_stopping_executor_gives_back_what_it_has_and_takes_its_leave(
    nats: NatsServer, shop: Shop, tmp_path: Path
) -> None:
    async with executor(nats.url, shop, tmp_path, lock_wait_timeout=60) as running:
        scheduler = running.scheduler
        with shop.table_in_use():
            record = await scheduler.grant(await scheduler.dispatch(alter(shop, "ADD COLUMN b int")))
            await eventually(lambda: shop.waiting_alters() == 1)
            await asyncio.wait_for(running.stop(), 10)
            released = await scheduler.report(ReleasedReport, record)
            assert (released.reason, released.died) == ("the executor stops", False)
            assert shop.waiting_alters() == 0
        assert await running.info() is None
        assert running.children() == []


async def test_one_slot_serves_all_strategies(nats: NatsServer, shop: Shop, tmp_path: Path) -> None:
    async with executor(nats.url, shop, tmp_path, lock_wait_timeout=60, slots=1) as running:
        scheduler = running.scheduler
        with shop.table_in_use():
            first = await scheduler.grant(await scheduler.dispatch(alter(shop, "ADD COLUMN b int")))
            await eventually(lambda: shop.waiting_alters() == 1)
            sql = "CREATE TABLE item (id int PRIMARY KEY)"
            second = await scheduler.dispatch(
                record_of(shop, StatementKind.CREATE_TABLE, "item", sql, strategy="direct")
            )
            await asyncio.sleep(1)  # nobody else could take it: it must still wait
            assert scheduler.of(second) == []
        await scheduler.report(Completed, first)
        await scheduler.grant(second)
        await scheduler.report(Completed, second)


@pytest.mark.parametrize("known", ["told", "found at the start", "given back"])
async def test_a_cancel_of_what_has_begun_waits_for_no_slot(
    nats: NatsServer, shop: Shop, tmp_path: Path, known: str
) -> None:
    """All slots are taken for long; the attempt to be cancelled is one that was given back, and has to be looked at."""
    shop.run("CREATE TABLE item (id int PRIMARY KEY)")
    begun = alter(shop, "ADD COLUMN c int", "item", attempt=2, started_timestamp=datetime.now(UTC))
    ready = begun.evolve(migration_status=Status.READY, tablet="", cancel_requested=True)
    async with executor(nats.url, shop, tmp_path, lock_wait_timeout=60, slots=1) as running:
        scheduler = running.scheduler
        with shop.table_in_use():
            long = await scheduler.grant(await scheduler.dispatch(alter(shop, "ADD COLUMN b int")))
            await eventually(lambda: shop.waiting_alters() == 1)
            await scheduler.dispatch(begun)
            if known == "found at the start":
                await scheduler.write(ready)
                async with executor(nats.url, shop, tmp_path / "other", lock_wait_timeout=60, slots=0):
                    await cancelled_beside(scheduler, ready)
            else:
                if known == "given back":
                    ready = ready.evolve(dispatch_delay=0.3)
                await scheduler.write(ready)
                await scheduler.tell(ready, Fact.CANCEL_REQUESTED if known == "told" else Fact.RELEASED)
                await cancelled_beside(scheduler, ready)
            assert shop.waiting_alters() == 1
            assert scheduler.of(long)[-1] == "PhaseEntered"
        await scheduler.report(Completed, long)
        await asyncio.sleep(0.5)  # the queue brings it now, and is not heard
        await eventually(lambda: idle(running))
    assert scheduler.of(ready) == ["Started", "CancelledReport"]
    assert shop.columns("item") == ["id"]


@pytest.mark.parametrize("why", ["postponed", "paused"])
async def test_what_only_waits_gives_its_slot_to_others(nats: NatsServer, shop: Shop, tmp_path: Path, why: str) -> None:
    async with executor(nats.url, shop, tmp_path, slots=1) as running:
        scheduler = running.scheduler
        first = await scheduler.grant(
            await scheduler.dispatch(alter(shop, "ADD COLUMN b int", postpone_completion=True))
        )
        await eventually(lambda: "ReadyToComplete" in scheduler.of(first))
        if why == "paused":
            await scheduler.write(first.evolve(paused=True))
        sql = "CREATE TABLE item (id int PRIMARY KEY)"
        second = await scheduler.grant(
            await scheduler.dispatch(record_of(shop, StatementKind.CREATE_TABLE, "item", sql, strategy="mysql"))
        )
        await scheduler.report(Completed, second)
        assert scheduler.of(first)[-1] == "ReadyToComplete"
        with shop.table_in_use():
            await scheduler.write(first.evolve(postpone_completion=False))
            await eventually(lambda: shop.waiting_alters() == 1)
            third = await scheduler.dispatch(alter(shop, "ADD COLUMN c int", "item"))
            await asyncio.sleep(0.5)  # it has the slot again: nobody else could take this one
            assert scheduler.of(third) == []
        await scheduler.report(Completed, first)
        await scheduler.grant(third)
        await scheduler.report(Completed, third)


async def cancelled_beside(scheduler: Scheduler, ready: Migration) -> None:
    running = await scheduler.grant(ready)
    await scheduler.report(CancelledReport, running)
    await scheduler.records.delete(running.open_key)


async def test_a_run_waits_for_a_fresh_word_while_nats_is_silent(
    nats: NatsServer, running: Running, shop: Shop
) -> None:
    """What was postponed a moment ago is not sent because nobody can be asked."""
    scheduler = running.scheduler
    record = alter(shop, "ADD COLUMN b int", postpone_completion=True)
    await scheduler.grant(await scheduler.dispatch(record))
    await eventually(lambda: "ReadyToComplete" in scheduler.of(record))
    nats.kill()
    await asyncio.sleep(1.5)  # a question is asked every half a second
    assert shop.columns() == ["id", "a", "name"]
    nats.start()
    await eventually(lambda: running.context.bus.connected)
    entry = await scheduler.records.get(record.open_key)
    assert entry is not None
    assert entry.value is not None
    current = msgspec.json.decode(entry.value, type=type(record))
    await scheduler.write(current.evolve(postpone_completion=False))
    await scheduler.report(Completed, record)
    assert shop.columns() == ["id", "a", "name", "b"]


async def test_a_run_has_a_log_of_its_own_and_no_secret_is_in_it(running: Running, shop: Shop) -> None:
    scheduler = running.scheduler
    shop.run("INSERT INTO customer (a) VALUES (1)")
    record = await scheduler.grant(await scheduler.dispatch(alter(shop, "ADD UNIQUE KEY (a)")))
    await scheduler.report(Failed, record)
    lines: list[str] = []

    async def logged() -> bool:
        lines[:] = await log_of(running, record.migration_uuid)
        return any("1062" in line for line in lines)

    await eventually(logged)
    assert shop.password not in "\n".join(lines)
    assert shop.password not in running.seen_in_proc()


@pytest.mark.parametrize(("clause", "ending"), [("ADD COLUMN b int", Completed), ("ADD UNIQUE KEY (a)", Failed)])
async def test_the_process_of_a_run_ends_by_itself_and_in_silence(
    running: Running, shop: Shop, clause: str, ending: type[Completed | Failed]
) -> None:
    shop.run("INSERT INTO customer (a) VALUES (1)")
    scheduler = running.scheduler
    record = await scheduler.grant(await scheduler.dispatch(alter(shop, clause)))
    await scheduler.report(ending, record)
    await running.stop()
    told = await log_of(running, record.migration_uuid)
    assert told
    assert "Traceback" not in "\n".join(told)


async def log_of(running: Running, uuid: str) -> list[str]:
    reader: Reader[LogLine] = Reader(LogLine)
    lines: list[str] = []
    async for message in running.scheduler.bus.tail(subjects.LOGS, subjects.log("commerce", "0", uuid)):
        if message is None:
            break
        lines.append(reader.read(message.data).text)
    return lines
