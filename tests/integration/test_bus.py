"""The bus on a real NATS server: ids, order, fences, leases, dead letters, restarts."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import BusUnreachable, ServiceUnreachable, UnknownKeyspace
from alterd_contracts.inputs import Started
from alterd_contracts.requests import DdlRequest, Refusal
from alterd_contracts.work import DeadLetter, Work
from alterd_runtime.bus import Bus, Delivery, LeaseLost, NatsSettings, Outgoing, StaleWrite, Write
from alterd_runtime.bus.worker import Unreadable
from alterd_runtime.provision.nats_cluster import NatsCluster
from alterd_runtime.provision.nats_server import NatsServer
from tests.support import eventually


@pytest.fixture
async def bus(nats: NatsServer) -> AsyncIterator[Bus]:
    async with Bus.open(NatsSettings(servers=(nats.url,)), "test", secrets.token_hex(4), patience=10) as bus:
        await bus.ensure()
        yield bus


def started(attempt: int) -> Started:
    return Started(keyspace="c", shard="0", migration_uuid="u", attempt=attempt, executor="e", incarnation="i")


async def test_streams_and_buckets_are_made_again_without_harm(bus: Bus) -> None:
    await bus.publish(subjects.report("c"), started(1), id="one")
    await bus.ensure()
    assert await bus.last_sequence(subjects.INPUT) == 1


async def test_a_service_that_was_not_told_of_the_cluster_takes_no_copies_away(tmp_path: Path) -> None:
    with NatsCluster(tmp_path / "cluster") as cluster:
        servers = tuple(cluster.urls)

        async def copies(replicas: int) -> int:
            settings = NatsSettings(servers=servers, replicas=replicas)
            async with Bus.open(settings, "test", "t", patience=10) as bus:

                async def ensured() -> bool:
                    try:
                        await bus.ensure()
                    except BusUnreachable:
                        return False
                    return True

                await eventually(ensured, timeout=30)
                info = await bus._js.stream_info(subjects.EVENTS.name)
                return int(info.config.num_replicas or 0)

        assert await copies(3) == 3
        assert await copies(1) == 3


async def test_a_message_with_the_same_id_is_stored_once(bus: Bus) -> None:
    first = await bus.publish(subjects.report("c"), started(1), id="one")
    second = await bus.publish(subjects.report("c"), started(1), id="one")
    assert (first.duplicate, second.duplicate) == (False, True)
    assert await bus.last_sequence(subjects.INPUT) == 1


async def test_a_tail_reads_on_in_order_after_a_restart_of_nats(nats: NatsServer, bus: Bus) -> None:
    seen: list[int] = []

    async def read() -> None:
        reader: Reader[Started] = Reader(Started)
        async for message in bus.tail(subjects.INPUT):
            if message is not None:
                seen.append(reader.read(message.data).attempt)  # noqa: PERF401 - endless

    reading = asyncio.create_task(read())
    for attempt in range(50):
        await bus.publish(subjects.report("c"), started(attempt), id=f"{attempt}")
    nats.kill()
    nats.start()
    for attempt in range(50, 100):
        await bus.publish(subjects.report("c"), started(attempt), id=f"{attempt}")
    await eventually(lambda: len(seen) == 100, timeout=30)
    reading.cancel()
    assert seen == list(range(100))


async def test_a_woken_leader_can_write_nothing(bus: Bus) -> None:
    """Not even to a key that its successor never touched."""
    old, new = bus.fenced(subjects.STATE), bus.fenced(subjects.STATE)
    await old.begin(subjects.EPOCH_KEY, b"old")
    await old.put("open.c.0.a", b"1")
    await new.begin(subjects.EPOCH_KEY, b"new")
    with pytest.raises(StaleWrite):
        await old.put("open.c.0.a", b"2")
    with pytest.raises(StaleWrite):
        await old.delete("open.c.0.a")
    await new.put("open.c.0.b", b"3")
    entry = await new.store.get("open.c.0.a")
    assert entry is not None
    assert entry.value == b"1"


@pytest.mark.parametrize("foreign", [0, 1, 2, 5])
async def test_of_what_a_woken_leader_has_under_way_nothing_is_stored(bus: Bus, foreign: int) -> None:
    """However often its successor has written."""
    old, new = bus.fenced(subjects.STATE), bus.fenced(subjects.STATE)
    await old.begin(subjects.EPOCH_KEY, b"old")
    await old.put("open.c.0.a", b"1")
    await new.begin(subjects.EPOCH_KEY, b"new")
    for number in range(foreign):
        await new.put(f"open.c.0.n{number}", b"1")
    for number in range(10):
        await old.send([Write(key=f"open.c.0.p{number}", value=b"1")])
        with pytest.raises(StaleWrite):
            await old.write([Write(key=f"open.c.0.q{number}", value=b"1"), Write(key="open.c.0.a", value=None)])
    there = {entry.key: entry.value for entry in await new.store.list("open.>")}
    assert there == {"open.c.0.a": b"1", **{f"open.c.0.n{number}": b"1" for number in range(foreign)}}


async def test_in_a_cluster_a_leader_that_is_replaced_leaves_a_beginning_of_its_writes(tmp_path: Path) -> None:
    with NatsCluster(tmp_path / "cluster") as cluster:
        settings = NatsSettings(servers=tuple(cluster.urls), replicas=3)
        async with Bus.open(settings, "test", "t", patience=10) as one, Bus.open(settings, "test", "u") as other:

            async def ensured() -> bool:
                try:
                    await one.ensure()
                except BusUnreachable:
                    return False
                return True

            await eventually(ensured, timeout=30)
            leaders = [one.fenced(subjects.STATE), other.fenced(subjects.STATE)]
            await leaders[0].begin(subjects.EPOCH_KEY, b"first")
            for turn in range(20):
                old, new = leaders[turn % 2], leaders[(turn + 1) % 2]
                keys = [f"open.c.{turn}.{number}" for number in range(50)]
                writing = asyncio.create_task(old.write([Write(key=key, value=b"1") for key in keys]))
                for _ in range(turn):
                    await asyncio.sleep(0)
                await new.begin(subjects.EPOCH_KEY, b"next")
                await new.put(f"open.c.{turn}.new", b"1")
                with contextlib.suppress(StaleWrite):
                    await writing
                *ours, mark = await new.store.list(f"open.c.{turn}.*")
                assert [entry.key for entry in ours] == keys[: len(ours)]
                assert mark.key.endswith(".new")


async def test_the_newest_entries_are_found_among_many(bus: Bus) -> None:
    store = bus.bucket(subjects.STATE)
    for number in range(100):
        await store.put(f"done.c.0.{number}", b"1")
        await store.put(f"open.c.0.{number % 3}", b"1")
    await store.delete("done.c.0.99")
    assert await store.count("done.>") == 100  # with the mark of the one that is gone
    newest = [entry.key for entry in await store.newest("done.>", 10)]
    assert newest[-1] == "done.c.0.98"
    assert newest[-9:] == [f"done.c.0.{number}" for number in range(90, 99)]
    assert len(newest) < 40
    assert len(await store.newest("done.>", 1000)) == 99


async def test_a_reader_that_has_ended_leaves_nothing_on_the_server(bus: Bus) -> None:
    store = bus.bucket(subjects.STATE)
    await store.put("done.c.0.a", b"1")
    for _ in range(3):
        assert len(await store.list("done.>")) == 1

    async def nobody() -> bool:
        return (await bus._js.stream_info(store.stream)).state.consumer_count == 0

    await eventually(nobody, timeout=5)


async def test_messages_sent_together_are_stored_once_and_in_order(nats: NatsServer, bus: Bus) -> None:
    def outgoing(*numbers: int) -> list[Outgoing]:
        return [Outgoing(subject=subjects.report("c"), data=started(number), id=f"{number}") for number in numbers]

    await (await bus.send_all(outgoing(*range(600)))).stored()
    nats.kill()
    sending = await bus.send_all(outgoing(*range(590, 610)))
    nats.start()
    await sending.stored()
    assert await bus.last_sequence(subjects.INPUT) == 610


async def test_a_lease_has_one_winner_and_ends_by_its_ttl(bus: Bus) -> None:
    leases = [bus.lease("scheduler", f"holder-{number}".encode(), ttl=1) for number in range(20)]
    won = [
        lease
        for lease, got in zip(leases, await asyncio.gather(*(one.acquire() for one in leases)), strict=True)
        if got
    ]
    assert len(won) == 1
    successor = bus.lease("scheduler", b"successor", ttl=1)

    async def taken() -> bool:
        return await successor.acquire()

    await eventually(taken, timeout=5)
    with pytest.raises(LeaseLost):
        await won[0].renew()
    await successor.renew()
    await successor.release()
    assert await bus.lease("scheduler", b"next", ttl=1).acquire()


async def test_a_watch_shows_what_is_there_then_what_changes_then_what_ends(bus: Bus) -> None:
    store = bus.bucket(subjects.EXECUTORS)
    await store.put("a", b"1")
    await store.put("b", b"1", ttl=1)
    seen: list[tuple[str, bytes | None] | None] = []
    async for entry in store.watch():
        seen.append(None if entry is None else (entry.key, entry.value))
        if entry is None:
            await store.put("a", b"2")
        if seen[-1] == ("b", None):
            break
    assert seen == [("a", b"1"), ("b", b"1"), None, ("a", b"2"), ("b", None)]
    assert [entry.key for entry in await store.list()] == ["a"]
    assert await store.get("b") is None


async def test_a_key_is_written_only_over_the_expected_revision(bus: Bus) -> None:
    store = bus.bucket(subjects.TOPOLOGY)
    revision = await store.put("c", b"1", expect=0)
    with pytest.raises(StaleWrite):
        await store.put("c", b"2", expect=0)
    await store.put("c", b"2", expect=revision)


async def test_work_that_cannot_be_read_goes_to_the_dead_letters(bus: Bus) -> None:
    handled: list[int] = []
    reader: Reader[Work] = Reader(Work)

    async def handle(delivery: Delivery) -> None:
        try:
            handled.append(reader.read(delivery.data).attempt)
        except Exception as error:
            raise Unreadable(str(error)) from error

    worker = bus.worker(subjects.WORK, "executor-mysql", subjects.work_of("mysql"), handle)
    working = asyncio.create_task(worker.run())
    await bus.publish(subjects.work("mysql", "c", "0"), started(1), id="not-work")
    work = Work(keyspace="c", shard="0", migration_uuid="u", attempt=7, strategy="mysql")
    await bus.publish(subjects.work("mysql", "c", "0"), work, id="work")
    await eventually(lambda: handled == [7])
    working.cancel()
    letter = await bus.last(subjects.DEAD, subjects.dead(subjects.WORK.name))
    assert letter is not None
    dead: Reader[DeadLetter] = Reader(DeadLetter)
    assert "alterd.report.started.v1" in dead.read(letter.data).reason


async def test_a_service_tells_known_errors_and_hides_the_rest(bus: Bus) -> None:
    request: Reader[DdlRequest] = Reader(DdlRequest)
    refusal: Reader[Refusal] = Reader(Refusal)

    async def handle(data: DdlRequest) -> Refusal:
        if data.keyspace == "unknown":
            raise UnknownKeyspace("there is no keyspace 'unknown'")
        raise RuntimeError("a secret dsn")

    stop = await bus.serve("alterd.api.test", request, handle)
    known = await bus.ask("alterd.api.test", DdlRequest(request_id="r", keyspace="unknown", sql=""), refusal, timeout=5)
    assert known.errors[0].code == "unknown_keyspace"
    other = await bus.ask("alterd.api.test", DdlRequest(request_id="r", keyspace="c", sql=""), refusal, timeout=5)
    assert other.errors[0].code == "internal"
    assert "secret" not in other.errors[0].message
    await stop()
    with pytest.raises(ServiceUnreachable):
        await bus.ask("alterd.api.test", DdlRequest(request_id="r", keyspace="c", sql=""), refusal, timeout=1)


async def test_nats_that_is_not_there_is_said_within_the_patience() -> None:
    with pytest.raises(BusUnreachable, match=r"127\.0\.0\.1:1"):
        async with Bus.open(NatsSettings(servers=("nats://127.0.0.1:1",)), "test", "t", patience=1):
            pass


async def test_a_key_that_is_replaced_while_it_is_read_is_never_missing(bus: Bus) -> None:
    store = bus.bucket(subjects.STATE)
    keys = {f"replaced.{number}" for number in range(8)}
    for key in keys:
        await store.put(key, b"0")

    async def replace(key: str) -> None:
        while True:
            await store.put(key, b"1")

    replacing = [asyncio.create_task(replace(key)) for key in keys]
    try:
        for _ in range(150):
            assert {entry.key for entry in await store.list("replaced.*")} == keys
    finally:
        for task in replacing:
            task.cancel()
        await asyncio.gather(*replacing, return_exceptions=True)
