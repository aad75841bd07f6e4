"""Where records lie: the fenced bucket, as one term of leadership sees it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import structlog

from alterd_contracts import subjects
from alterd_contracts.migration import Cursor, Epoch, Hold, Migration
from alterd_runtime.bus import Entry, FencedState, Write
from alterd_runtime.failpoints import failpoint
from alterd_scheduler.in_order import BROKEN

log = structlog.get_logger(__name__)

_encoder = msgspec.json.Encoder()
_migration = msgspec.json.Decoder(Migration)
_hold = msgspec.json.Decoder(Hold)
_cursor = msgspec.json.Decoder(Cursor)


GATES = 16
"""Gated migrations whose done rows are remembered."""

Change = tuple[Migration, Migration | None]
"""A record as it is to be, and as it was."""


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
        self._gated: dict[tuple[str, str], dict[str, Migration]] = {}
        """Done rows of the gated migrations that were asked about last: keyspace and uuid → shard → record."""

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
        loaded.leftovers += await self._left_behind(loaded, tail)
        loaded.holds += [_hold.decode(value) for value in holds if value is not None]
        return loaded

    async def _left_behind(self, loaded: Loaded, tail: dict[str, Entry]) -> list[str]:
        """Done rows, older than the cursor, of what was queued again since: nobody has come to remove them."""
        again = [record.done_key for record in loaded.open if record.retries and record.open_key in tail]
        entries = await self._store.get_all([key for key in again if key not in tail])
        return [entry.key for entry in entries if entry is not None and entry.value is not None]

    async def write(self, changes: Sequence[Change]) -> None:
        """Each record to where its state belongs: all new rows in their order, then what a move leaves behind goes.

        Returns when the new rows are stored; what goes may still be on its way: see `stored`. When it fails, a
        beginning of these writes has been stored.
        """
        await self._state.write([write for record, _ in changes for write in self.stands(record)])
        left: list[Write] = []
        for record, before in changes:
            if before is None or before.migration_status.terminal == record.migration_status.terminal:
                continue
            if record.migration_status.terminal:
                failpoint("scheduler.done_written")
                left.append(Write(key=record.open_key, value=None))
                continue
            failpoint("scheduler.reopened")
            left.append(Write(key=record.done_key, value=None))
            if before.migration_status in BROKEN:
                left.append(Write(key=_prior_key(record), value=None))
        for record, _ in changes:
            self._learn(record)
        await self._state.send(left)

    async def stored(self) -> None:
        """Returns when all that was written is stored."""
        await self._state.stored()

    def stands(self, record: Migration) -> list[Write]:
        """The row itself, after what finds it: what an index names and is not so is found out when it is read."""
        value = _encoder.encode(record)
        if record.migration_status.pending:
            return [Write(key=record.open_key, value=value)]
        ttl, uuid = self._ttl(record), record.migration_uuid.encode()
        row = Write(key=record.done_key, value=value, ttl=ttl)
        if record.migration_status in BROKEN:
            return [Write(key=_prior_key(record), value=uuid, ttl=ttl), row]
        if record.ever_dispatched:  # a duplicate is no twin for others
            return [Write(key=_twin_key(record), value=uuid, ttl=ttl), row]
        return [row]

    async def renew(self, keyspace: str, migration_uuid: str) -> None:
        """The done rows of one migration begin their time to live anew."""
        rows = await self.done_rows(keyspace, migration_uuid)
        await self._state.write([write for row in rows if self._ttl(row) for write in self.stands(row)])

    async def forget(self, record: Migration) -> None:
        """A done record, and what finds it by its context."""
        self._gated.pop((record.keyspace, record.migration_uuid), None)
        if record.migration_status in BROKEN:
            await self._state.delete(_prior_key(record))
        elif await self.twin(record) == record.migration_uuid:
            await self._state.delete(_twin_key(record))
        await self._state.delete(record.done_key)

    async def twin(self, record: Migration) -> str:
        """The migration that completed the same statement in the same context on this shard; empty for none."""
        return (await self.twins([record]))[0]

    async def twins(self, records: Sequence[Migration]) -> list[str]:
        """`twin` of each."""
        entries = await self._store.get_all([_twin_key(record) for record in records])
        return ["" if entry is None or entry.value is None else entry.value.decode() for entry in entries]

    async def priors(self, records: Sequence[Migration]) -> list[list[Migration]]:
        """Of each the failed and cancelled migrations of its context on its shard."""
        places = {(record.keyspace, record.migration_context): record for record in records}
        keys: dict[tuple[str, str, str], list[str]] = {}
        for record in places.values():
            alone = sum(each.migration_context == record.migration_context for each in records) == 1
            for entry in await self._store.list(_prior_pattern(record, record.shard if alone else "*")):
                _, keyspace, shard, _, uuid = entry.key.split(".")
                done = subjects.done_key(keyspace, shard, uuid)
                keys.setdefault((keyspace, shard, record.migration_context), []).append(done)
        wanted = [keys.get((each.keyspace, each.shard, each.migration_context), []) for each in records]
        found = iter(await self._store.get_all([key for some in wanted for key in some]))
        return [[prior for _ in some if (prior := _read(next(found)))] for some in wanted]

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

    async def gated_rows(self, keyspace: str, migration_uuid: str) -> list[Migration]:
        """As `done_rows`. Of the migrations asked about last they are remembered, as each shard of a gate asks."""
        key = (keyspace, migration_uuid)
        rows = self._gated.pop(key, None)
        if rows is None:
            rows = {row.shard: row for row in await self.done_rows(keyspace, migration_uuid)}
            if len(self._gated) == GATES:
                del self._gated[next(iter(self._gated))]
        self._gated[key] = rows
        return list(rows.values())

    def _learn(self, record: Migration) -> None:
        rows = self._gated.get((record.keyspace, record.migration_uuid))
        if rows is None:
            return
        if record.migration_status.terminal:
            rows[record.shard] = record
        else:
            rows.pop(record.shard, None)

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


def _twin_key(record: Migration) -> str:
    return subjects.twin_key(record.keyspace, record.shard, record.migration_context, record.migration_statement)


def _prior_key(record: Migration) -> str:
    context = subjects.digest_of(record.migration_context)
    return subjects.prior_key(record.keyspace, record.shard, context, record.migration_uuid)


def _prior_pattern(record: Migration, shard: str) -> str:
    return subjects.prior_key(record.keyspace, shard, subjects.digest_of(record.migration_context), "*")


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
