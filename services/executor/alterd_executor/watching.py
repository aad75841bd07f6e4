"""One record as its executor sees it: followed, and read afresh where that matters."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import msgspec
import structlog

from alterd_contracts.errors import AlterdError, BusUnreachable
from alterd_contracts.migration import Migration
from alterd_runtime.bus import BucketStore

log = structlog.get_logger(__name__)

READ_AGAIN = 0.25
"""Seconds before a fresh read is tried again while NATS does not answer."""

_decoder = msgspec.json.Decoder(Migration)


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


async def follow(store: BucketStore, key: str) -> AsyncIterator[Migration | None]:
    """The record now, then each change; None where it is not open. Survives outages."""
    seen = False
    async with contextlib.aclosing(store.watch(key)) as entries:  # type: ignore[type-var]
        async for entry in entries:
            if entry is None:
                if not seen:
                    yield None
                continue
            seen = True
            try:
                record = None if entry.value is None else decoded(entry.value, key)
            except UnreadableRecord as error:
                log.error("record.unreadable", key=key, error=error.message)
                continue
            yield record
