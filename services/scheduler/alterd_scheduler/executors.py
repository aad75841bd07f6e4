"""What the bus tells of executors: who lives, and what the dead had shown of their runs."""

from __future__ import annotations

import time

import msgspec
import structlog

from alterd_contracts import subjects
from alterd_contracts.migration import Migration
from alterd_contracts.work import ExecutorInfo, Progress
from alterd_runtime.bus import Bus
from alterd_scheduler.liveness import Liveness
from alterd_scheduler.reports import further

log = structlog.get_logger(__name__)

_executor = msgspec.json.Decoder(ExecutorInfo)
_progress = msgspec.json.Decoder(Progress)


async def watch_executors(bus: Bus, liveness: Liveness) -> None:
    """Keeps `liveness` up to date."""
    async for entry in bus.bucket(subjects.EXECUTORS).watch():
        if entry is None:
            continue
        if entry.value is None:
            liveness.gone(entry.key)
            continue
        try:
            info = _executor.decode(entry.value)
        except msgspec.DecodeError as error:
            log.error("executor.unreadable", executor=entry.key, error=str(error))
            continue
        liveness.seen(info, time.monotonic())


async def is_renewed(bus: Bus, liveness: Liveness, record: Migration) -> bool:
    """The last look before an executor is called dead: does its lease stand after all?"""
    entry = await bus.bucket(subjects.EXECUTORS).get(record.tablet)
    if entry is None or entry.value is None:
        return False
    info = _executor.decode(entry.value)
    if info.incarnation != record.incarnation:
        return False
    liveness.seen(info, time.monotonic())
    return True


async def last_seen(bus: Bus, record: Migration) -> Migration:
    """The record with what its dead executor had shown of the run."""
    key = subjects.progress_key(record.keyspace, record.shard, record.migration_uuid)
    entry = await bus.bucket(subjects.PROGRESS).get(key)
    if entry is None or entry.value is None:
        return record
    try:
        progress = _progress.decode(entry.value)
    except msgspec.DecodeError as error:
        log.error("progress.unreadable", key=key, error=str(error))
        return record
    return further(record, progress.reached) if progress.attempt == record.attempt else record
