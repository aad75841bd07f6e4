"""What the records alone ask for, done: admissions, places, gates, work; and every write of a record.

The decisions are those of `admission`, `in_order`, `duplicates` and `gates`; here they meet the bus.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime

import structlog

from alterd_contracts import subjects
from alterd_contracts.events import Event
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status
from alterd_contracts.work import Work
from alterd_runtime.bus import Bus
from alterd_runtime.failpoints import failpoint
from alterd_runtime.settings import SchedulerSettings
from alterd_scheduler.admission import admit, due, permitted, settled, startable
from alterd_scheduler.board import Board, LaneKey
from alterd_scheduler.duplicates import duplicate
from alterd_scheduler.facts import Moment
from alterd_scheduler.gates import decide_gate, ready_so_far
from alterd_scheduler.in_order import broken_before, failed_by
from alterd_scheduler.storage import Storage

log = structlog.get_logger(__name__)


class Advancing:
    """Of one term. Any error of a write ends the term."""

    def __init__(self, bus: Bus, storage: Storage, board: Board, settings: SchedulerSettings) -> None:
        self._bus, self._storage, self._board, self._settings = bus, storage, board, settings
        self._dispatched: dict[str, int] = {}
        self._ready_since: dict[str, tuple[int, float]] = {}
        """Open key → attempt and when this term first saw it ready, in monotonic seconds."""

    async def advance(self, lanes: Iterable[LaneKey]) -> None:
        """Brings the lanes to where their records say they should be."""
        for lane in lanes:
            await self._advance(lane)
            for row in self._board.lane(lane):
                if row.gated and ready_so_far(row):
                    await self._gate_if_ready(row)

    async def gate(self, keyspace: str, migration_uuid: str) -> None:
        """Opens the migration's gate, or says by which shards it is kept shut."""
        rows = self._board.of_uuid(keyspace, migration_uuid)
        there = {row.shard for row in rows}
        rows += [row for row in await self._storage.done_rows(keyspace, migration_uuid) if row.shard not in there]
        changes = decide_gate(rows, self._startable, Moment(now=datetime.now(UTC)))
        for new in changes:
            await self.write(new, self._board.get(new.keyspace, new.shard, new.migration_uuid))
            failpoint("scheduler.gate_row_written")
        for new in changes:
            await self._advance((new.keyspace, new.shard))

    async def write(self, record: Migration, before: Migration | None) -> None:
        """The record first, then its event; the record is not written again before the event is stored."""
        await self._storage.write(record, before=before)
        self._board.put(record)
        if record.migration_status.terminal:
            self._dispatched.pop(record.open_key, None)
            self._ready_since.pop(record.open_key, None)
        failpoint("scheduler.record_written")
        told = before is not None and before.event == record.event
        if record.event is not None and not told:
            await self.publish(record.event)
            log.info(
                f"migration.{record.event.fact}",
                migration_uuid=record.migration_uuid,
                keyspace=record.keyspace,
                shard=record.shard,
                attempt=record.attempt,
                state=record.migration_status,
                message=record.event.message,
            )
        failpoint("scheduler.event_published")

    async def publish(self, event: Event) -> None:
        about = getattr(event, "migration_uuid", "") or getattr(event, "request_id", "")
        await self._bus.publish(event.subject, event, id=event.id, about=about)

    def waited(self, record: Migration) -> float:
        """Seconds for which this term has seen the record's attempt ready."""
        if record.migration_status is not Status.READY:
            return 0.0
        now = time.monotonic()
        attempt, since = self._ready_since.get(record.open_key, (0, now))
        if attempt != record.attempt:
            self._ready_since[record.open_key] = (record.attempt, now)
            return 0.0
        return now - since

    async def _advance(self, lane: LaneKey) -> None:
        moment = Moment(now=datetime.now(UTC))
        again = True
        while again:
            again = False
            for record in settled(self._board.lane(lane)):
                await self._rewrite(record)
            if (record_again := permitted(self._board.lane(lane), moment)) is not None:
                await self._rewrite(record_again)
            for record in admit(self._board.lane(lane), moment, self._settings.max_concurrent):
                instead = await self._instead(record, moment)
                await self._rewrite(instead or record)
                again = again or instead is not None
        for record in self._board.lane(lane):
            if due(record, self.waited(record)):
                await self._dispatch(record)

    async def _instead(self, ready: Migration, moment: Moment) -> Migration | None:
        """How a migration that is admitted ends at once: it is complete already, or one before it has failed."""
        queued = self._board.get(ready.keyspace, ready.shard, ready.migration_uuid)
        if queued is None:
            return None
        if queued.in_order_completion and (prior := broken_before(queued, await self._storage.priors(queued))):
            return failed_by(queued, prior, moment)
        if twin := await self._storage.twin(queued):
            return duplicate(queued, twin, moment)
        return None

    async def _gate_if_ready(self, row: Migration) -> None:
        rows = self._board.of_uuid(row.keyspace, row.migration_uuid)
        if all(ready_so_far(each) for each in rows if each.gated and each.gate_id == row.gate_id):
            await self.gate(row.keyspace, row.migration_uuid)

    def _startable(self, row: Migration) -> bool:
        return startable(self._board.lane((row.keyspace, row.shard)), row, self._settings.max_concurrent)

    async def _rewrite(self, record: Migration) -> None:
        await self.write(record, self._board.get(record.keyspace, record.shard, record.migration_uuid))

    async def _dispatch(self, record: Migration) -> None:
        """Once per attempt and term; a later term repeats it with the same id."""
        if self._dispatched.get(record.open_key) == record.attempt:
            return
        work = Work(
            keyspace=record.keyspace,
            shard=record.shard,
            migration_uuid=record.migration_uuid,
            attempt=record.attempt,
            strategy=record.strategy,
        )
        await self._bus.publish(
            subjects.work(record.strategy, record.keyspace, record.shard),
            work,
            id=f"{record.open_key}:{record.attempt}",
            about=record.migration_uuid,
        )
        failpoint("scheduler.work_published")
        self._dispatched[record.open_key] = record.attempt
