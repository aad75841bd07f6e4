"""Migration records as users see them: the scheduler's records joined with the executors' progress."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec

from alterd_cli.display import rounded_lag
from alterd_cli.output import note
from alterd_cli.rules import ratio_of, read_rules
from alterd_cli.selection import Selection
from alterd_contracts import names, subjects
from alterd_contracts.errors import BusUnreachable, InvalidInput, UnknownMigration
from alterd_contracts.migration import COLUMNS, Migration
from alterd_contracts.requests import ThrottleRule
from alterd_contracts.states import Status
from alterd_contracts.work import Progress
from alterd_runtime.bus import BucketStore, Bus, Entry

READ_TIMEOUT = 30.0
"""Seconds without a word while a bucket is read."""
MOST_RECENT = 5_000
"""Shard migrations that have ended at which `recent` looks."""
MANY = 20_000
"""Records: reading more of them takes longer than a user expects."""
BATCH = 2000
MOST_COUNTED = 25
"""Migrations of which all shards are counted."""

Key = tuple[str, str, str]
"""Keyspace, shard, uuid."""

_migration = msgspec.json.Decoder(Migration)
_progress = msgspec.json.Decoder(Progress)


class Latest:
    """The newest record of each shard migration, as entries of the state bucket come in.

    A move writes the new row first and then removes the old one, so for a moment both are there.
    """

    def __init__(self) -> None:
        self._rows: dict[Key, dict[str, Entry]] = {}

    def __contains__(self, key: Key) -> bool:
        return key in self._rows

    def __iter__(self) -> Iterator[Key]:
        return iter(self._rows)

    def take(self, entry: Entry) -> Key:
        """The shard migration that `entry` is about."""
        key = key_of(entry)
        self._rows.setdefault(key, {})[entry.key.partition(".")[0]] = entry
        return key

    def get(self, key: Key) -> Migration | None:
        living = [entry for entry in self._rows.get(key, {}).values() if entry.value is not None]
        if not living:
            return None
        newest = max(living, key=lambda entry: entry.revision)
        assert newest.value is not None
        return _migration.decode(newest.value)

    def all(self) -> list[Migration]:
        found = (self.get(key) for key in self._rows)
        return sorted((row for row in found if row is not None), key=_by_submission)


def key_of(entry: Entry) -> Key:
    """The shard migration that an entry of the state bucket is about."""
    _, keyspace, shard, uuid = entry.key.split(".")
    return keyspace, shard, uuid


def read_progress(entry: Entry) -> Progress | None:
    return None if entry.value is None else _progress.decode(entry.value)


def joined(record: Migration, progress: Progress | None) -> Migration:
    """The record with its run's progress. Progress of another attempt, or after the end, is old.

    It counts keys and tenths of a second of lag, which the record never does.
    """
    if progress is None or record.migration_status is not Status.RUNNING or progress.attempt != record.attempt:
        return record
    reached = record.reached.then(progress.reached)
    return record.evolve(
        progress=reached.progress,
        rows_copied=reached.rows_copied,
        table_rows=reached.table_rows,
        eta_seconds=progress.eta_seconds,
        stage=_stage(progress) or record.stage,
        liveness_timestamp=progress.liveness_timestamp,
        vreplication_lag_seconds=rounded_lag(progress.vreplication_lag_seconds),
        keys_waiting=progress.keys_waiting,
        last_throttled_timestamp=progress.last_throttled_timestamp or record.last_throttled_timestamp,
        component_throttled=progress.component_throttled,
        reason_throttled=progress.reason_throttled,
        cutover_attempts=max(progress.cutover_attempts, record.cutover_attempts),
        message=progress.message or record.message,
    )


def _stage(progress: Progress) -> str:
    """The phase and what is done within it. A phase named as the state says nothing."""
    phase = "" if progress.phase == Status.RUNNING else progress.phase
    within = "" if progress.stage == phase else progress.stage
    return ": ".join(part for part in (phase, within) if part) or progress.phase


class Joining(msgspec.Struct, frozen=True):
    """What readers join to the scheduler's records."""

    progress: dict[str, Progress | None]
    rules: list[ThrottleRule]

    @classmethod
    async def read(cls, bus: Bus, selection: Selection) -> Joining:
        """Before the records: what a run has reached when it ends is in the record that is read then."""
        pattern = subjects.progress_key(selection.keyspace or "*", "*", selection.uuid or "*")
        entries = await bus.bucket(subjects.PROGRESS).list(pattern)
        return cls({entry.key: read_progress(entry) for entry in entries}, await read_rules(bus, selection.keyspace))

    def joined(self, row: Migration) -> Migration:
        """As users see it."""
        key = subjects.progress_key(row.keyspace, row.shard, row.migration_uuid)
        row = joined(row, self.progress.get(key))
        return row.evolve(user_throttle_ratio=ratio_of(row, self.rules)) if self.rules else row


async def read_records(bus: Bus, selection: Selection) -> list[Migration]:
    """What matches, in the order of submission. Raises `BusUnreachable`.

    Of a great many records that have ended, `recent` looks at those that were written last.
    """
    if selection.recent:
        return await _read_recent(bus, selection)
    found: dict[Key, Migration] = {}
    async with contextlib.aclosing(stream_records(bus, selection)) as batches:
        async for batch in batches:
            found |= dict(batch.rows)
            for key in batch.gone:
                found.pop(key, None)
    return sorted(found.values(), key=_by_submission)


async def _read_recent(bus: Bus, selection: Selection) -> list[Migration]:
    joining, now, latest = await Joining.read(bus, selection), datetime.now(UTC), Latest()
    state = bus.bucket(subjects.STATE)
    pending, ended = selection.patterns()
    newest = (await state.newest(ended, MOST_RECENT))[-MOST_RECENT:]
    for entry in [*newest, *await state.list(pending)]:
        latest.take(entry)
    rows = [joining.joined(row) for row in latest.all() if selection.matches(row, now)]
    if sum(row.migration_status.terminal for row in rows) >= MOST_RECENT:
        note("these are the newest of many; `alterd show all` shows those before them")
    return rows


async def count_records(bus: Bus, selection: Selection) -> int:
    """How many records have to be read, about. Raises `BusUnreachable`."""
    return await bus.bucket(subjects.STATE).count(*selection.patterns())


async def count_shards(bus: Bus, rows: Iterable[Migration]) -> Counter[tuple[str, str]]:
    """On how many shards these migrations are, whatever their state, by keyspace and uuid. Raises `BusUnreachable`.

    Of a great many of them it looks at the first, and says so.
    """
    found: Counter[tuple[str, str]] = Counter()
    migrations = list(dict.fromkeys((row.keyspace, row.migration_uuid) for row in rows))
    if len(migrations) > MOST_COUNTED:
        note(f"only of the first {MOST_COUNTED} it is told whether other shards are in other states")
    state = bus.bucket(subjects.STATE)
    for keyspace, uuid in migrations[:MOST_COUNTED]:
        keys = [key(keyspace, "*", uuid) for key in (subjects.open_key, subjects.done_key)]  # as in `_there`
        there = {key_of(entry) for key in keys for entry in await state.list(key)}
        found[keyspace, uuid] = len(there)
    return found


class Batch(msgspec.Struct, frozen=True):
    """Some of what matches. A later word about a key counts."""

    rows: list[tuple[Key, Migration]]
    gone: list[Key]
    """What no longer matches."""
    corrects: bool = False
    """Some of it may have been given before."""


async def stream_records(bus: Bus, selection: Selection) -> AsyncGenerator[Batch, None]:
    """What matches, some at a time, as it was written; in memory stays what is pending. Raises `BusUnreachable`.

    The user is told when a great many have to be read.
    """
    joining, now, state = await Joining.read(bus, selection), datetime.now(UTC), bus.bucket(subjects.STATE)
    count = await count_records(bus, selection)
    if count >= MANY:
        note(f"reading {count:,} records; a uuid, `recent` or a pending state reads few")
    last = await bus.last_sequence(subjects.Stream(name=state.stream, subjects=()))
    latest, rows = Latest(), list[tuple[Key, Migration]]()
    async with contextlib.aclosing(_there(state, selection, last)) as entries:
        async for entry in entries:
            key = key_of(entry)
            if entry.key.startswith("open.") or entry.revision > last or key in latest:
                # the mark of an open row that went says nothing of the done one
                if entry.value is not None or not entry.key.startswith("open.") or key in latest:
                    latest.take(entry)
                continue
            if entry.value is None:
                continue
            record = _migration.decode(entry.value)
            if selection.matches(record, now):
                rows.append((key, joining.joined(record)))
            if len(rows) == BATCH:
                yield Batch(rows, [])
                rows = []
    yield Batch(rows, [])
    rows, gone = [], []
    for key in latest:
        found = latest.get(key)
        if found is not None and selection.matches(found, now):
            rows.append((key, joining.joined(found)))
        else:
            gone.append(key)
    yield Batch(rows, gone, corrects=True)


async def _there(state: BucketStore, selection: Selection, since: int) -> AsyncGenerator[Entry, None]:
    """What is there, and open rows once more that were written after `since`. Raises `BusUnreachable`.

    One pattern at a time: where there are many records, NATS takes fifteen times as long for two of them as for one. A
    row that is moved meanwhile is found where it went: its new place is written before the old one is cleared.
    """
    patterns = selection.patterns()
    for pattern in patterns:
        async with contextlib.aclosing(_until_current(state.watch(pattern))) as entries:
            async for entry in entries:
                yield entry
    if len(patterns) == 1:
        return
    ended = []
    async with contextlib.aclosing(_until_current(state.watch(patterns[0], start=since + 1))) as entries:
        async for entry in entries:
            yield entry
            if entry.value is None:
                ended.append(subjects.done_key(*key_of(entry)))
    for found in await state.get_all(ended):
        if found is not None:
            yield found


async def _until_current(watch: AsyncIterator[Entry | None]) -> AsyncGenerator[Entry, None]:
    """What is there. Raises `BusUnreachable` when NATS falls silent."""
    try:
        while True:
            try:
                async with asyncio.timeout(READ_TIMEOUT):
                    entry = await anext(watch)
            except TimeoutError:
                raise BusUnreachable(f"NATS has been silent for {READ_TIMEOUT:g} s") from None
            if entry is None:
                return
            yield entry
    finally:
        await watch.aclose()  # type: ignore[attr-defined]


def _by_submission(row: Migration) -> tuple[int, str]:
    return row.id, row.shard


async def find_migration(bus: Bus, uuid: str, keyspace: str = "") -> list[Migration]:
    """The migration's rows, one per shard. Raises `InvalidName`, `UnknownMigration`, `InvalidInput`."""
    selection = Selection.read("all", keyspace)
    selection = msgspec.structs.replace(selection, uuid=names.check_uuid(uuid))
    rows = await read_records(bus, selection)
    if not rows:
        raise unknown(uuid, keyspace)
    keyspaces = sorted({row.keyspace for row in rows})
    if len(keyspaces) > 1:
        raise InvalidInput(
            f"migration {uuid} is known in several keyspaces: {', '.join(keyspaces)}", hint="choose one with --keyspace"
        )
    return rows


def unknown(uuid: str, keyspace: str = "") -> UnknownMigration:
    place = f" in keyspace {keyspace}" if keyspace else ""
    return UnknownMigration(f"there is no migration {uuid}{place}", hint="`alterd show all` lists them", uuid=uuid)


def document(record: Migration) -> dict[str, Any]:
    """All columns a user sees, in their order."""
    return {column: getattr(record, column) for column in COLUMNS}


def documents(records: Sequence[Migration]) -> list[dict[str, Any]]:
    return [document(record) for record in records]
