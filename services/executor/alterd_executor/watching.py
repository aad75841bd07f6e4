"""Records as their executor sees them: followed, and read afresh where that matters."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
import structlog

from alterd_contracts.errors import AlterdError, BusUnreachable
from alterd_contracts.migration import Migration
from alterd_runtime.bus import BucketStore, Entry

log = structlog.get_logger(__name__)

READ_AGAIN = 0.25
"""Seconds before a fresh read is tried again while NATS does not answer."""

_decoder = msgspec.json.Decoder(Migration)


TOGETHER = 0.003
"""Seconds in which several that begin to follow share one new reader."""
READERS = 8
"""Of one executor at a time, and one that takes over from all."""


class UnreadableRecord(AlterdError):
    """The record cannot be read by this version of alterd."""

    code = "unreadable_record"


async def read_record(store: BucketStore, key: str) -> Migration | None:
    """The open record, asked of the stream's leader; None where there is none. Raises `BusUnreachable`."""
    entry = await store.get(key)
    return None if entry is None or entry.value is None else decoded(entry.value, key)


def decoded(value: bytes, key: str) -> Migration:
    """Raises `UnreadableRecord`."""
    try:
        return _decoder.decode(value)
    except msgspec.DecodeError as error:
        raise UnreadableRecord(f"the record {key} cannot be read: {error}", key=key) from None


async def read_fresh(store: BucketStore, key: str) -> Migration | None:
    """As `read_record`, however long NATS does not answer."""
    while True:
        try:
            return await read_record(store, key)
        except BusUnreachable as error:
            log.info("record.read_again", key=key, why=error.message)
            await asyncio.sleep(READ_AGAIN)


class _Reader:
    """Reads some records, as long as one of them is followed."""

    def __init__(self, keys: frozenset[str]) -> None:
        self.keys = keys
        self.task: asyncio.Task[None] | None = None

    def stop(self) -> None:
        if self.task is not None:
            self.task.cancel()


class Following:
    """Open records as they change, for all attempts of one executor.

    They share a few readers of the bucket: nats-server allows 1,000 consumers on a stream, and each of them sends signs
    of life. What is followed anew gets a reader of its own; when there are too many, one takes over from all.
    """

    def __init__(self, store: BucketStore) -> None:
        self._store = store
        self._followers: dict[str, set[asyncio.Queue[Entry | None]]] = {}
        self._readers: list[_Reader] = []
        self._new: set[str] = set()

    async def follow(self, key: str) -> AsyncIterator[Migration | None]:
        """The record now, then each change; None where it is not open. Survives outages."""
        heard: asyncio.Queue[Entry | None] = asyncio.Queue()
        new = key not in self._followers
        self._followers.setdefault(key, set()).add(heard)
        if new:
            self._begin_soon(key)
        else:
            heard.put_nowait(await self._now(key))
        seen, there = 0, True
        try:
            while True:
                entry = await heard.get()
                if entry is not None and entry.revision <= seen:
                    continue
                seen = seen if entry is None else entry.revision
                if entry is not None and entry.value is not None:
                    if (record := _readable(entry)) is not None:
                        there = True
                        yield record
                elif there:
                    there = False
                    yield None
        finally:
            self._followers[key].discard(heard)
            if not self._followers[key]:
                del self._followers[key]
                self._new.discard(key)
                self._drop({reader for reader in self._readers if reader.keys.isdisjoint(self._followers)})

    def _begin_soon(self, key: str) -> None:
        if not self._new:
            asyncio.get_running_loop().call_later(TOGETHER, self._begin)
        self._new.add(key)

    def _begin(self) -> None:
        """A reader for what is new, or for everything where there are many: the others go when it has caught up."""
        keys, self._new = self._new, set()
        if not keys:
            return
        replaced = set(self._readers) if len(self._readers) >= READERS else set()
        reader = _Reader(frozenset(self._followers if replaced else keys))
        self._readers.append(reader)
        reader.task = asyncio.create_task(self._read(reader, replaced))

    def _drop(self, readers: set[_Reader]) -> None:
        self._readers = [reader for reader in self._readers if reader not in readers]
        for reader in readers:
            reader.stop()

    async def _read(self, reader: _Reader, replaced: set[_Reader]) -> None:
        while True:
            try:
                await self._tell_all(reader, replaced)
            except AlterdError as error:  # a reader that ended in silence would leave its attempts deaf
                log.warning("records.read_again", why=error.message)
                await asyncio.sleep(READ_AGAIN)

    async def _tell_all(self, reader: _Reader, replaced: set[_Reader]) -> None:
        missing = set(reader.keys)
        async with contextlib.aclosing(self._store.watch(*reader.keys)) as entries:  # type: ignore[type-var]
            async for entry in entries:
                if entry is not None:
                    missing.discard(entry.key)
                    self._tell(entry.key, entry)
                    continue
                for key in missing:
                    self._tell(key, None)
                self._drop(replaced)

    def _tell(self, key: str, entry: Entry | None) -> None:
        for heard in self._followers.get(key, ()):
            heard.put_nowait(entry)

    async def _now(self, key: str) -> Entry | None:
        while True:
            try:
                return await self._store.get(key)
            except BusUnreachable as error:
                log.info("record.read_again", key=key, why=error.message)
                await asyncio.sleep(READ_AGAIN)


def _readable(entry: Entry) -> Migration | None:
    """None where this version of alterd cannot read it."""
    assert entry.value is not None
    try:
        return decoded(entry.value, entry.key)
    except UnreadableRecord as error:
        log.error("record.unreadable", key=entry.key, error=error.message)
        return None
