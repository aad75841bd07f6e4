"""How an executor hears of its attempts' records, on a real NATS server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec

from alterd_contracts import subjects
from alterd_contracts.errors import BusUnreachable
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status
from alterd_executor.watching import READERS, Following
from alterd_runtime.bus import BucketStore, Bus, NatsSettings
from alterd_runtime.provision.nats_server import NatsServer
from tests.support import eventually
from tests.unit.test_scheduler_rules import row

MANY = 1100
"""More than the consumers that nats-server allows on a stream."""


class Heard:
    """What a follower was told, as long as it follows."""

    def __init__(self, following: Following, key: str) -> None:
        self.records: list[Migration | None] = []
        self._task = asyncio.create_task(self._listen(following.follow(key)))

    async def _listen(self, changes: AsyncIterator[Migration | None]) -> None:
        async with contextlib.aclosing(changes) as told:  # type: ignore[type-var]
            async for record in told:
                self.records.append(record)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def put(store: BucketStore, record: Migration) -> None:
    await store.put(record.open_key, msgspec.json.encode(record))


async def test_a_thousand_attempts_are_followed_by_one_reader(nats: NatsServer) -> None:
    async with Bus.open(NatsSettings(servers=(nats.url,)), "test", "one", patience=10) as bus:
        await bus.ensure()
        store = bus.bucket(subjects.STATE)
        following = Following(store)
        ready = [row(Status.READY, shard=f"{number}") for number in range(MANY)]
        for record in ready[:-1]:
            await put(store, record)
        heard = [Heard(following, record.open_key) for record in ready]
        await eventually(lambda: all(each.records for each in heard))
        assert [each.records for each in heard[:-1]] == [[record] for record in ready[:-1]]
        assert heard[-1].records == [None]
        running = [record.evolve(migration_status=Status.RUNNING) for record in ready]
        for record in running:
            await put(store, record)
        await eventually(lambda: all(each.records[-1] == new for each, new in zip(heard, running, strict=True)))
        assert (await bus._js.stream_info(store.stream)).state.consumer_count == 1
        nats.kill()
        nats.start()

        async def deleted() -> bool:
            try:
                await store.delete(ready[0].open_key)
            except BusUnreachable:
                return False
            return True

        await eventually(deleted, timeout=30)
        await eventually(lambda: heard[0].records[-1] is None, timeout=30)
        for each in heard:
            await each.stop()

        async def nobody() -> bool:
            return (await bus._js.stream_info(store.stream)).state.consumer_count == 0

        await eventually(nobody)
        again = Heard(following, ready[1].open_key)
        await eventually(lambda: again.records == [running[1]])
        await again.stop()


async def test_attempts_that_come_and_go_are_followed_by_a_few_readers(nats: NatsServer) -> None:
    async with Bus.open(NatsSettings(servers=(nats.url,)), "test", "few", patience=10) as bus:
        await bus.ensure()
        store = bus.bucket(subjects.STATE)
        following = Following(store)
        heard: list[Heard] = []
        for number in range(40):
            record = row(Status.READY, shard=f"{number}")
            await put(store, record)
            heard.append(Heard(following, record.open_key))
            await eventually(lambda: bool(heard[-1].records))
            assert heard[-1].records == [record]
            if number % 3 == 0:
                await heard.pop(0).stop()

        async def few() -> bool:
            return (await bus._js.stream_info(store.stream)).state.consumer_count <= READERS

        await eventually(few)
        for each in heard:
            [found] = each.records
            assert found is not None
            await put(store, found.evolve(migration_status=Status.RUNNING))
        await eventually(lambda: all(len(each.records) == 2 for each in heard))
        for each in heard:
            await each.stop()
        assert following._readers == []
