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


class Following:
    """Open records as they change, for all attempts of one executor.

    They share one reader of the bucket, which begins anew when another set of them is wanted: nats-server allows 1,000
    consumers on a stream, and each of them sends signs of life.
    """

    def __init__(self, store: BucketStore) -> None:
        self._store = store
        self._followers: dict[str, set[asyncio.Queue[Entry | None]]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def follow(self, key: str) -> AsyncIterator[Migration | None]:
        """The record now, then each change; None where it is not open. Survives outages."""
        heard: asyncio.Queue[Entry | None] = asyncio.Queue()
        new = key not in self._followers
        self._followers.setdefault(key, set()).add(heard)
        if new:
            self._begin()
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
            if not self._followers:
                self._begin()

    def _begin(self) -> None:
        """Reads what is followed now. The reader before may say a few words more, which are old."""
        if self._reading is not None:
            self._reading.cancel()
        self._reading = asyncio.create_task(self._read(tuple(self._followers))) if self._followers else None

    async def _read(self, keys: tuple[str, ...]) -> None:
        await asyncio.sleep(TOGETHER)
        while True:
            try:
                await self._tell_all(keys)
            except AlterdError as error:  # a reader that ended in silence would leave every attempt here deaf
                log.warning("records.read_again", why=error.message)
                await asyncio.sleep(READ_AGAIN)

    async def _tell_all(self, keys: tuple[str, ...]) -> None:
        missing = set(keys)
        async with contextlib.aclosing(self._store.watch(*keys)) as entries:  # type: ignore[type-var]
            async for entry in entries:
                if entry is not None:
                    missing.discard(entry.key)
                    self._tell(entry.key, entry)
                    continue
                for key in missing:
                    self._tell(key, None)

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
