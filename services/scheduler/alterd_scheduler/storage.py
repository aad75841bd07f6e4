"""Where records lie: the fenced bucket, as one term of leadership sees it."""

from __future__ import annotations

import hashlib
import math

import msgspec
import structlog

from alterd_contracts import subjects
from alterd_contracts.migration import Cursor, Epoch, Hold, Migration
from alterd_runtime.bus import Entry, FencedState
from alterd_runtime.failpoints import failpoint
from alterd_scheduler.in_order import BROKEN

log = structlog.get_logger(__name__)

_encoder = msgspec.json.Encoder()
_migration = msgspec.json.Decoder(Migration)
_hold = msgspec.json.Decoder(Hold)
_cursor = msgspec.json.Decoder(Cursor)


class Loaded(msgspec.Struct):
    """What a new leader finds."""

    open: list[Migration]
    cursor: Cursor
    unproven: list[Migration]
    """Written after the cursor: their events may not be published."""
    holds: list[Hold]
    leftovers: list[str]
    """Keys of rows that an interrupted move left behind: their twin is newer."""


class Storage:
    """Reads and writes records. Any error of a write ends the term."""

    def __init__(self, state: FencedState, keep: float = 0.0) -> None:
        """`keep`: seconds for which done records are kept once nothing is left of them on a shard; 0: for ever."""
        self._state, self._keep = state, keep
        self._store = state.store

    async def begin(self, epoch: Epoch) -> None:
        """Fences off whoever led before."""
        self._epoch_revision = await self._state.begin(subjects.EPOCH_KEY, _encoder.encode(epoch))

    async def load(self) -> Loaded:
        """Open records and cursor, then all that was written after the cursor."""
        entries = await self._until_own_epoch("open.>", "hold.>", subjects.CURSOR_KEY, subjects.EPOCH_KEY)
        holds = [entries.pop(key).value for key in list(entries) if key.startswith("hold.")]
        cursor_entry = entries.pop(subjects.CURSOR_KEY, None)
        cursor = Cursor()
        since = 1
        if cursor_entry is not None and cursor_entry.value is not None:
            cursor = _cursor.decode(cursor_entry.value)
            since = cursor_entry.revision + 1
        tail = await self._until_own_epoch("open.>", "done.>", subjects.EPOCH_KEY, start=since)
        loaded = _merge(entries, tail, cursor)
        loaded.holds += [_hold.decode(value) for value in holds if value is not None]
        return loaded

    async def write(self, record: Migration, *, before: Migration | None) -> None:
        """One record to where its state belongs; a move writes the new row first, then removes the old one."""
        value = _encoder.encode(record)
        if record.migration_status.terminal:
            await self._index(record)
            await self._state.put(record.done_key, value, ttl=self._ttl(record))
            if before is not None and before.migration_status.pending:
                failpoint("scheduler.done_written")
                await self._state.delete(record.open_key)
            return
        await self._state.put(record.open_key, value)
        if before is not None and before.migration_status.terminal:
            failpoint("scheduler.reopened")
            await self._state.delete(record.done_key)
            if before.migration_status in BROKEN:
                await self._state.delete(_prior_key(record))

    async def _index(self, record: Migration) -> None:
        """Before the row itself: what the index names and is not so is found out when it is read."""
        if record.migration_status in BROKEN:
            await self._state.put(_prior_key(record), record.migration_uuid.encode(), ttl=self._ttl(record))
        elif record.ever_dispatched:  # a duplicate is no twin for others
            await self._state.put(_twin_key(record), record.migration_uuid.encode(), ttl=self._ttl(record))

    async def forget(self, record: Migration) -> None:
        """A done record, and what finds it by its context."""
        if record.migration_status in BROKEN:
            await self._state.delete(_prior_key(record))
        elif await self.twin(record) == record.migration_uuid:
            await self._state.delete(_twin_key(record))
        await self._state.delete(record.done_key)

    async def twin(self, record: Migration) -> str:
        """The migration that completed the same statement in the same context on this shard; empty for none."""
        entry = await self._store.get(_twin_key(record))
        return "" if entry is None or entry.value is None else entry.value.decode()

    async def priors(self, record: Migration) -> list[Migration]:
        """The failed and cancelled migrations of the record's context on its shard."""
        found = []
        for entry in await self._store.list(_prior_key(record, any_uuid=True)):
            uuid = entry.key.rpartition(".")[2]
            if prior := await self.done(record.keyspace, record.shard, uuid):
                found.append(prior)
        return found

    async def hold(self, hold: Hold) -> None:
        await self._state.put(subjects.hold_key(hold.keyspace, hold.shard), _encoder.encode(hold))

    async def remove(self, key: str) -> None:
        await self._state.delete(key)

    async def move_cursor(self, cursor: Cursor) -> None:
        await self._state.put(subjects.CURSOR_KEY, _encoder.encode(cursor))

    async def done(self, keyspace: str, shard: str, migration_uuid: str) -> Migration | None:
        entry = await self._store.get(subjects.done_key(keyspace, shard, migration_uuid))
        return _read(entry)

    async def done_rows(self, keyspace: str, migration_uuid: str) -> list[Migration]:
        """The done rows of one migration on all shards."""
        entries = await self._store.list(subjects.done_key(keyspace, "*", migration_uuid))
        return [record for entry in entries if (record := _read(entry))]

    def _ttl(self, record: Migration) -> int:
        return 0 if record.artifacts else math.ceil(self._keep)

    async def _until_own_epoch(self, *patterns: str, start: int = 0) -> dict[str, Entry]:
        """Everything up to the write that began this term: nothing of an earlier leader can come after it."""
        found: dict[str, Entry] = {}
        watch = self._store.watch(*patterns, start=start)
        async for entry in watch:
            if entry is None:
                continue
            if entry.key == subjects.EPOCH_KEY and entry.revision >= self._epoch_revision:
                break
            found[entry.key] = entry
        await watch.aclose()  # type: ignore[attr-defined]
        found.pop(subjects.EPOCH_KEY, None)
        return {key: entry for key, entry in found.items() if entry.value is not None}


def _digest(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:32]


def _twin_key(record: Migration) -> str:
    digest = _digest(record.migration_context, record.migration_statement)
    return subjects.twin_key(record.keyspace, record.shard, digest)


def _prior_key(record: Migration, *, any_uuid: bool = False) -> str:
    uuid = "*" if any_uuid else record.migration_uuid
    return subjects.prior_key(record.keyspace, record.shard, _digest(record.migration_context), uuid)


def _read(entry: Entry | None) -> Migration | None:
    if entry is None or entry.value is None:
        return None
    return _migration.decode(entry.value)


def _merge(open_entries: dict[str, Entry], tail: dict[str, Entry], cursor: Cursor) -> Loaded:
    """Where a row stands both open and done, the newer write is the truth: a move was interrupted."""
    loaded = Loaded(open=[], cursor=cursor, unproven=[], holds=[], leftovers=[])
    for key, entry in tail.items():
        if not key.startswith("done."):
            continue
        twin_key = "open." + key.removeprefix("done.")
        twin = open_entries.get(twin_key)
        if twin is not None and twin.revision > entry.revision:
            loaded.leftovers.append(key)
            continue
        if twin is not None:
            loaded.leftovers.append(twin_key)
            del open_entries[twin_key]
        record = _read(entry)
        if record is not None:
            loaded.unproven.append(record)
    for key, entry in open_entries.items():
        record = _read(entry)
        if record is None:
            continue
        loaded.open.append(record)
        if key in tail:
            loaded.unproven.append(record)
    return loaded
