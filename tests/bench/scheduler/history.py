"""Done records in the state bucket, as the scheduler itself would have written them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from alterd_contracts import subjects
from alterd_contracts.events import Fact
from alterd_contracts.migration import Cursor, Epoch, Migration
from alterd_contracts.names import migration_uuid
from alterd_contracts.states import Status
from alterd_runtime.bus import Bus, NatsSettings, Write
from alterd_runtime.bus.flight import Parcel
from alterd_runtime.provision.nats_server import NatsServer
from alterd_runtime.settings import SchedulerSettings
from alterd_scheduler.facts import Moment, changed
from alterd_scheduler.storage import Storage

TABLES = 97
AGE = timedelta(days=330)
"""Of the oldest."""
FAILED_EVERY = 50
BATCH = 1000
PROGRESS_EVERY = 100_000


class HastyNats(NatsServer):
    """Does not wait for the disk. The records are made with it; what is measured is measured on one that does."""

    def _configuration(self) -> str:
        return super()._configuration().replace("sync_interval: always", 'sync_interval: "2m"')


async def fill(store: Path, keyspace: str, shards: Sequence[str], count: int, say: Callable[[str], None]) -> None:
    """Puts `count` done records into the bucket in `store`, with the keys that find them; the server is stopped again.

    The scheduler's own storage says what stands where and for how long; many are on their way at once.
    """
    with HastyNats(store) as nats:
        async with Bus.open(NatsSettings(servers=(nats.url,)), "bench", "history", patience=10) as bus:
            await bus.ensure()
            storage = Storage(bus.fenced(subjects.STATE), SchedulerSettings().keep_records)
            begun, done = time.monotonic(), 0
            batch: list[Migration] = []
            for record in records(keyspace, shards, count):
                batch.append(record)
                if len(batch) == BATCH or done + len(batch) == count:
                    writes = [write for each in batch for write in storage.stands(each)]
                    await (await bus._flight.send([_parcel(write) for write in writes])).stored()
                    done += len(batch)
                    batch = []
                    if done % PROGRESS_EVERY == 0 or done == count:
                        say(f"{done:,} of {count:,} done records written, {time.monotonic() - begun:.0f} s")
            await storage.begin(Epoch(leader="history", started_at=datetime.now(UTC)))
            await storage.move_cursor(Cursor(input_seq=0, next_id=count + 1))


def _parcel(write: Write) -> Parcel:
    return Parcel(f"$KV.{subjects.STATE.name}.{write.key}", write.value or b"", {}, write.ttl)


def records(keyspace: str, shards: Sequence[str], count: int) -> Iterator[Migration]:
    """One migration after the other, each on all shards; the oldest first."""
    begin = datetime.now(UTC) - AGE
    migrations = -(-count // len(shards))
    for number in range(migrations):
        first = _record(keyspace, number, begin + AGE * number / migrations)
        assert first.event is not None
        for shard in shards[: count - number * len(shards)]:
            event = msgspec.structs.replace(first.event, shard=shard, id=first.event.id.replace(".0.", f".{shard}.", 1))
            yield first.evolve(shard=shard, event=event)


def _record(keyspace: str, number: int, at: datetime) -> Migration:
    failed = number % FAILED_EVERY == FAILED_EVERY - 1
    table = f"orders_{number % TABLES}"
    record = Migration(
        id=number + 1,
        migration_uuid=migration_uuid(f"history-{number}", 0),
        keyspace=keyspace,
        shard="0",
        mysql_schema=keyspace,
        mysql_table=table,
        migration_statement=f"ALTER TABLE {table} ADD COLUMN c{number} int NOT NULL DEFAULT 0",
        strategy="vitess",
        options="--allow-concurrent",
        added_timestamp=at,
        requested_timestamp=at,
        reviewed_timestamp=at,
        ready_timestamp=at + timedelta(seconds=1),
        started_timestamp=at + timedelta(seconds=2),
        liveness_timestamp=at + timedelta(seconds=600),
        completed_timestamp=at + timedelta(seconds=600),
        cleanup_timestamp=at + timedelta(days=1),
        migration_status=Status.FAILED if failed else Status.COMPLETE,
        tablet=f"executor-{number % 7}",
        progress=42.0 if failed else 100.0,
        migration_context=f"deploy:{number // 3}",
        ddl_action="alter",
        message="Duplicate entry '17' for key 'PRIMARY'" if failed else "",
        rows_copied=2_000_000,
        table_rows=2_000_000,
        ready_to_complete=not failed,
        request_id=f"history-{number}",
        attempt=1,
        allow_concurrent=True,
        exclusive_phases=("copy", "checksum"),
        tail_phases=("cutover",),
        caller="somebody@somewhere",
        input_seq=number + 1,
    )
    fact = Fact.FAILED if failed else Fact.COMPLETED
    return changed(record, fact, Moment(now=at + timedelta(seconds=600), input_seq=number + 1))
