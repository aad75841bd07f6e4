"""One term of leadership: loads what is open, then decides input by input, writes, publishes, hands out work."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

import msgspec
import structlog

from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.events import Event
from alterd_contracts.inputs import (
    ArtifactDeclared,
    CancelledReport,
    Collected,
    Completed,
    Control,
    CutoverAttempted,
    Failed,
    Input,
    PhaseEntered,
    ReadyToComplete,
    RefusedRequest,
    ReleasedReport,
    ShadowAnalyzed,
    Stale,
    Started,
    Submission,
    Throttled,
)
from alterd_contracts.migration import Cursor, Epoch, Migration
from alterd_contracts.requests import Outcome
from alterd_contracts.states import Status
from alterd_contracts.work import ExecutorInfo, Progress, Work
from alterd_runtime.bus import Bus, Message
from alterd_runtime.bus.worker import bury
from alterd_runtime.failpoints import failpoint
from alterd_runtime.metrics import INPUTS, MIGRATIONS, STEP_SECONDS
from alterd_runtime.settings import SchedulerSettings
from alterd_scheduler.admission import admit, blocked, due, orphaned
from alterd_scheduler.board import Board, LaneKey
from alterd_scheduler.decide import decide
from alterd_scheduler.decisions import Decision, Known
from alterd_scheduler.facts import Moment
from alterd_scheduler.liveness import Liveness
from alterd_scheduler.reports import Limits, further
from alterd_scheduler.storage import Storage

log = structlog.get_logger(__name__)

TICK = 0.5
"""Seconds between looks at what time alone changes."""
CURSOR_EVERY = 100
"""Inputs after which the cursor moves at the latest: a new leader decides no more than these again."""

_inputs: Reader[Input] = Reader(
    Submission
    | RefusedRequest
    | Control
    | Collected
    | Started
    | PhaseEntered
    | ReadyToComplete
    | Throttled
    | CutoverAttempted
    | ShadowAnalyzed
    | ArtifactDeclared
    | Completed
    | Failed
    | CancelledReport
    | ReleasedReport
    | Stale
)
_executor = msgspec.json.Decoder(ExecutorInfo)
_progress = msgspec.json.Decoder(Progress)


def _nobody(_executor: str, _incarnation: str) -> bool:
    """Nobody lives."""
    return False


class Term:
    """Everything a leader knows dies with its term."""

    def __init__(self, bus: Bus, settings: SchedulerSettings, leader: str) -> None:
        self._bus, self._settings, self._leader = bus, settings, leader
        self._storage = Storage(bus.fenced(subjects.STATE))
        self._board = Board()
        self._cursor = Cursor()
        self._moved = 0
        self._dispatched: dict[str, int] = {}
        self._ready_since: dict[str, tuple[int, float]] = {}
        """Open key → attempt and when this term first saw it ready, in monotonic seconds."""
        self._liveness = Liveness(settings.lease_ttl, time.monotonic())
        self._limits = Limits(max_deaths=settings.max_deaths, release_delay=settings.release_delay)
        self._deciding = asyncio.Lock()
        """Inputs and ticks change the same records: one after the other."""

    async def lead(self) -> None:
        """Until an error ends the term: `StaleWrite` when another one leads, `BusUnreachable`."""
        await self._storage.begin(Epoch(leader=self._leader, started_at=datetime.now(UTC)))
        failpoint("scheduler.elected")
        await self._load()
        log.info("scheduler.leads", open=sum(1 for _ in self._board), cursor=self._cursor.input_seq)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_executors())
            tasks.create_task(self._ticks())
            tasks.create_task(self._read_inputs())

    async def _load(self) -> None:
        loaded = await self._storage.load()
        for key in loaded.leftovers:
            await self._storage.remove(key)
        for record in loaded.open:
            self._board.put(record)
        for record in loaded.unproven:
            await self._publish_if_missing(record)
        next_id = max([loaded.cursor.next_id, *(record.id + 1 for record in [*loaded.open, *loaded.unproven])])
        self._cursor = Cursor(input_seq=loaded.cursor.input_seq, next_id=next_id)
        for lane in self._board.lanes():
            await self._advance(lane)

    async def _publish_if_missing(self, record: Migration) -> None:
        event = record.event
        if event is None:
            return
        last = await self._bus.last(subjects.EVENTS, event.subject)
        if last is None or last.headers.get("Nats-Msg-Id") != event.id:
            await self._publish(event)

    # Inputs ----------------------------------------------------------------------------------------------------

    async def _read_inputs(self) -> None:
        async for message in self._bus.tail(subjects.INPUT, start=self._cursor.input_seq + 1):
            if message is not None:
                async with self._deciding:
                    await self._input(message)

    async def _input(self, message: Message) -> None:
        failpoint("scheduler.input_read")
        begun = time.perf_counter()
        try:
            data = _inputs.read(message.data)
        except msgspec.DecodeError as error:
            log.error("input.unreadable", sequence=message.sequence, subject=message.subject, error=str(error))
            await bury(self._bus, subjects.INPUT, message.subject, message.sequence, message.data, str(error))
            INPUTS.labels(type="unreadable", result="buried").inc()
        else:
            moment = Moment(now=message.time, input_seq=message.sequence)
            known = Known(await self._known(data))
            if isinstance(data, Started):
                self._liveness.granted(data.executor, data.incarnation, time.monotonic())
            decision = decide(data, known, moment, next_id=self._cursor.next_id, limits=self._limits)
            await self._apply(decision, known)
            INPUTS.labels(type=type(data).__name__, result=decision.ignored or "decided").inc()
            if decision.ignored:
                log.info("input.ignored", type=type(data).__name__, why=decision.ignored, sequence=message.sequence)
            reply_to = message.headers.get(subjects.REPLY_TO)
            if reply_to and decision.outcome is not None:
                await self._reply(reply_to, decision.outcome)
        self._cursor = msgspec.structs.replace(self._cursor, input_seq=message.sequence)
        self._moved += 1
        if message.pending == 0 or self._moved >= CURSOR_EVERY:
            await self._storage.move_cursor(self._cursor)
            self._moved = 0
        STEP_SECONDS.observe(time.perf_counter() - begun)

    async def _known(self, data: Input) -> list[Migration]:
        """Every record the input names, open or done."""
        if isinstance(data, RefusedRequest):
            return []
        if isinstance(data, Submission):
            rows: list[Migration] = []
            for item in data.submitted:
                rows += await self._rows(data.keyspace, item.migration_uuid)
            return rows
        if isinstance(data, Control):
            return await self._rows(data.keyspace, data.migration_uuid)
        record = self._board.get(data.keyspace, data.shard, data.migration_uuid)
        record = record or await self._storage.done(data.keyspace, data.shard, data.migration_uuid)
        return [record] if record else []

    async def _rows(self, keyspace: str, migration_uuid: str) -> list[Migration]:
        """The rows of one migration on all shards."""
        rows = self._board.of_uuid(keyspace, migration_uuid)
        there = {row.shard for row in rows}
        return rows + [row for row in await self._storage.done_rows(keyspace, migration_uuid) if row.shard not in there]

    async def _apply(self, decision: Decision, known: Known) -> None:
        if decision.next_id:
            self._cursor = msgspec.structs.replace(self._cursor, next_id=decision.next_id)
        lanes: dict[LaneKey, None] = {}
        for record in decision.records:
            await self._write(record, known.get(record.keyspace, record.shard, record.migration_uuid))
            lanes[(record.keyspace, record.shard)] = None
        if decision.refused is not None:
            await self._publish(decision.refused)
        for lane in lanes:
            await self._advance(lane)

    async def _reply(self, subject: str, outcome: Outcome) -> None:
        await self._bus.tell(subject, outcome)

    # What the records alone ask for ----------------------------------------------------------------------------

    async def _advance(self, lane: LaneKey) -> None:
        """Admits what may run, and puts due attempts into the work queue."""
        moment = Moment(now=datetime.now(UTC))
        for record in admit(self._board.lane(lane), moment):
            await self._write(record, self._board.get(record.keyspace, record.shard, record.migration_uuid))
        for record in self._board.lane(lane):
            if due(record, self._waited(record)):
                await self._dispatch(record)

    def _waited(self, record: Migration) -> float:
        """Seconds for which this term has seen the record's attempt ready."""
        if record.migration_status is not Status.READY:
            return 0.0
        now = time.monotonic()
        attempt, since = self._ready_since.get(record.open_key, (0, now))
        if attempt != record.attempt:
            self._ready_since[record.open_key] = (record.attempt, now)
            return 0.0
        return now - since

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

    async def _ticks(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            async with self._deciding:
                # behind the lock: an outage that held it up must count as one
                self._liveness.tick(time.monotonic(), connected=self._bus.connected)
                await self._tick()

    async def _tick(self) -> None:
        moment, now = Moment(now=datetime.now(UTC)), time.monotonic()
        counts = dict.fromkeys((Status.QUEUED, Status.READY, Status.RUNNING), 0)
        lanes: dict[LaneKey, None] = {}
        offered = self._liveness.offered(now)
        for record in list(self._board):
            counts[record.migration_status] += 1
            new = orphaned(record, lambda who, which: self._liveness.alive(who, which, now), moment)
            if new is not None:
                new = None if await self._renewed(record) else orphaned(await self._seen(record), _nobody, moment)
            if new is None:
                new = blocked(
                    record,
                    offered,
                    moment,
                    waited=self._waited(record),
                    patience=self._settings.blocked_after,
                )
            if new is not None:
                await self._write(new, record)
            if new is not None or due(record, self._waited(record)):
                lanes[(record.keyspace, record.shard)] = None
        for lane in lanes:
            await self._advance(lane)
        for state, count in counts.items():
            MIGRATIONS.labels(state=state).set(count)

    async def _renewed(self, record: Migration) -> bool:
        """The last look before an executor is called dead: does its lease stand after all?"""
        entry = await self._bus.bucket(subjects.EXECUTORS).get(record.tablet)
        if entry is None or entry.value is None:
            return False
        info = _executor.decode(entry.value)
        if info.incarnation != record.incarnation:
            return False
        self._liveness.seen(info, time.monotonic())
        return True

    async def _seen(self, record: Migration) -> Migration:
        """The record with what its dead executor had shown of the run."""
        key = subjects.progress_key(record.keyspace, record.shard, record.migration_uuid)
        entry = await self._bus.bucket(subjects.PROGRESS).get(key)
        if entry is None or entry.value is None:
            return record
        try:
            progress = _progress.decode(entry.value)
        except msgspec.DecodeError as error:
            log.error("progress.unreadable", key=key, error=str(error))
            return record
        return further(record, progress.reached) if progress.attempt == record.attempt else record

    async def _watch_executors(self) -> None:
        async for entry in self._bus.bucket(subjects.EXECUTORS).watch():
            if entry is None:
                continue
            if entry.value is None:
                self._liveness.gone(entry.key)
                continue
            try:
                info = _executor.decode(entry.value)
            except msgspec.DecodeError as error:
                log.error("executor.unreadable", executor=entry.key, error=str(error))
                continue
            self._liveness.seen(info, time.monotonic())

    # Writing ---------------------------------------------------------------------------------------------------

    async def _write(self, record: Migration, before: Migration | None) -> None:
        """The record first, then its event; the record is not written again before the event is stored."""
        await self._storage.write(record, before=before)
        self._board.put(record)
        if record.migration_status.terminal:
            self._dispatched.pop(record.open_key, None)
            self._ready_since.pop(record.open_key, None)
        failpoint("scheduler.record_written")
        if record.event is not None:
            await self._publish(record.event)
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

    async def _publish(self, event: Event) -> None:
        about = getattr(event, "migration_uuid", "") or getattr(event, "request_id", "")
        await self._bus.publish(event.subject, event, id=event.id, about=about)
