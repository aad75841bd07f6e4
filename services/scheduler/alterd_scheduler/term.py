"""One term of leadership: loads what is open, then decides input by input, writes, publishes, hands out work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import structlog

from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
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
    RuleChanged,
    ShadowAnalyzed,
    Stale,
    Started,
    Submission,
    Throttled,
)
from alterd_contracts.migration import Cursor, Epoch, Hold, Migration
from alterd_contracts.requests import Outcome
from alterd_contracts.states import PENDING
from alterd_runtime.bus import Bus, Message
from alterd_runtime.bus.worker import bury
from alterd_runtime.failpoints import failpoint
from alterd_runtime.metrics import INPUTS, MIGRATIONS, STEP_SECONDS
from alterd_runtime.settings import SchedulerSettings
from alterd_scheduler.admission import blocked, due, orphaned
from alterd_scheduler.advancing import Advancing
from alterd_scheduler.board import Board, LaneKey
from alterd_scheduler.decide import decide
from alterd_scheduler.decisions import Decision, Known
from alterd_scheduler.executors import is_renewed, last_seen, watch_executors
from alterd_scheduler.facts import Moment
from alterd_scheduler.liveness import Liveness
from alterd_scheduler.reports import Limits
from alterd_scheduler.storage import Change, Storage

log = structlog.get_logger(__name__)

TICK = 0.5
"""Seconds between looks at what time alone changes."""
CURSOR_EVERY = 100
"""Inputs after which the cursor moves at the latest, else with the next tick: a new leader decides no more than these
again."""

_inputs: Reader[Input] = Reader(
    Submission
    | RefusedRequest
    | Control
    | RuleChanged
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


def _nobody(_executor: str, _incarnation: str) -> bool:
    """Nobody lives."""
    return False


def _with_done(open_rows: list[Migration], done: list[Migration]) -> list[Migration]:
    """All rows of one migration; where a move was interrupted the open one counts."""
    there = {row.shard for row in open_rows}
    return open_rows + [row for row in done if row.shard not in there]


class Term:
    """Everything a leader knows dies with its term."""

    def __init__(self, bus: Bus, settings: SchedulerSettings, leader: str) -> None:
        self._bus, self._settings, self._leader = bus, settings, leader
        self._storage = Storage(bus.fenced(subjects.STATE), settings.keep_records)
        self.board = Board()
        self.cursor = Cursor()
        self._moved = 0
        self._renew_at = 0.0
        """By the monotonic clock."""
        self._written = 0
        """The last input of which an earlier leader wrote a record: perhaps not all of them."""
        self._holds: dict[str, Hold] = {}
        """By key."""
        self._advancing = Advancing(bus, self._storage, self.board, settings)
        self.liveness = Liveness(settings.lease_ttl, time.monotonic())
        self._limits = Limits(max_deaths=settings.max_deaths, release_delay=settings.release_delay)
        self._deciding = asyncio.Lock()
        """Inputs and ticks change the same records: one after the other."""

    async def lead(self) -> None:
        """Until an error ends the term: `StaleWrite` when another one leads, `BusUnreachable`."""
        begun = time.perf_counter()
        await self.begin()
        log.info(
            "scheduler.leads",
            open=self.board.counts.total(),
            cursor=self.cursor.input_seq,
            seconds=time.perf_counter() - begun,
        )
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(watch_executors(self._bus, self.liveness))
            tasks.create_task(self._ticks())
            tasks.create_task(self._read_inputs())

    async def begin(self) -> None:
        """Fences off whoever led before, loads, and brings every shard to where its records say it should be."""
        await self._storage.begin(Epoch(leader=self._leader, started_at=datetime.now(UTC)))
        failpoint("scheduler.elected")
        loaded = await self._storage.load()
        for key in loaded.leftovers:
            await self._storage.remove(key)
        self._holds = {subjects.hold_key(hold.keyspace, hold.shard): hold for hold in loaded.holds}
        unproven = {record.open_key for record in loaded.unproven}
        for record in loaded.open:
            self.board.put(record)
            if record.gated or record.open_key in unproven:
                self._advancing.queued(record)
        await self._publish_missing(loaded.unproven)
        next_id = max([loaded.cursor.next_id, *(record.id + 1 for record in [*loaded.open, *loaded.unproven])])
        self.cursor = Cursor(input_seq=loaded.cursor.input_seq, next_id=next_id)
        for keyspace, uuid in {(row.keyspace, row.migration_uuid) for row in loaded.open if row.gate_id}:
            await self._advancing.finish_gate(keyspace, uuid)
        await self._advancing.advance(self.board.lanes())
        await self._advancing.told()
        self._written = max((record.input_seq for record in [*loaded.open, *loaded.unproven]), default=0)
        await self._catch_up(self.cursor.input_seq >= self._written)

    async def _publish_missing(self, records: Sequence[Migration]) -> None:
        """Events of records that were written while an earlier leader ended."""
        events = [record.event for record in records if record.event is not None]
        stored = await self._bus.last_ids(subjects.EVENTS, [event.subject for event in events])
        await self._advancing.publish([event for event, last in zip(events, stored, strict=True) if last != event.id])

    # Inputs ----------------------------------------------------------------------------------------------------

    async def _read_inputs(self) -> None:
        async for message in self._bus.tail(subjects.INPUT, start=self.cursor.input_seq + 1):
            async with self._deciding:
                if message is None:
                    await self._catch_up(True)
                else:
                    await self.input(message)

    async def input(self, message: Message) -> None:
        """Decides one input of the log, writes and tells what follows from it."""
        failpoint("scheduler.input_read")
        begun = time.perf_counter()
        kind, untold = "unreadable", False
        try:
            data = _inputs.read(message.data)
        except msgspec.DecodeError as error:
            log.error("input.unreadable", sequence=message.sequence, subject=message.subject, error=str(error))
            await bury(self._bus, subjects.INPUT, message.subject, message.sequence, message.data, str(error))
            INPUTS.labels(type=kind, result="buried").inc()
        else:
            kind = type(data).__name__
            moment = Moment(now=message.time, input_seq=message.sequence)
            known = Known(await self._known(data), self._holds.values(), self.board)
            if isinstance(data, Started):
                self.liveness.granted(data.executor, data.incarnation, time.monotonic())
            decision = decide(data, known, moment, next_id=self.cursor.next_id, limits=self._limits)
            await self._apply(decision, known)
            # no record says that it was refused: a later leader must not decide it again, by what is pending then
            untold = decision.refused is not None
            INPUTS.labels(type=kind, result=decision.ignored or "decided").inc()
            if decision.ignored:
                log.info("input.ignored", type=kind, why=decision.ignored, sequence=message.sequence)
            reply_to = message.headers.get(subjects.REPLY_TO)
            if reply_to and decision.outcome is not None:
                await self._reply(reply_to, decision.outcome)
        self.cursor = msgspec.structs.replace(self.cursor, input_seq=message.sequence)
        self._moved += 1
        if self._moved >= CURSOR_EVERY or untold:
            await self._move_cursor()
        await self._catch_up(message.sequence >= self._written)
        seconds = time.perf_counter() - begun
        STEP_SECONDS.observe(seconds)
        log.debug("input.decided", type=kind, sequence=message.sequence, seconds=seconds)

    async def _catch_up(self, all_decided: bool) -> None:
        """Once, when all that was written has been decided again."""
        if all_decided and not self._advancing.caught_up:
            await self._advancing.catch_up()
            await self._advancing.told()

    async def _move_cursor(self) -> None:
        await self._storage.move_cursor(self.cursor)
        self._moved = 0

    async def _known(self, data: Input) -> list[Migration]:
        """Every record the input names, open or done."""
        if isinstance(data, RefusedRequest | RuleChanged):
            return []
        if isinstance(data, Submission):
            rows: list[Migration] = []
            for item in data.submitted:
                rows += await self._rows(data.keyspace, item.migration_uuid)
            return rows
        if isinstance(data, Control) and not data.migration_uuid:
            return self.board.of_keyspace(data.keyspace)
        if isinstance(data, Control):
            return await self._rows(data.keyspace, data.migration_uuid)
        record = self.board.get(data.keyspace, data.shard, data.migration_uuid)
        record = record or await self._storage.done(data.keyspace, data.shard, data.migration_uuid)
        if record and record.gate_id and isinstance(data, Completed):
            rows = self.board.of_uuid(data.keyspace, data.migration_uuid)
            return _with_done(rows, await self._storage.gated_rows(data.keyspace, data.migration_uuid))
        return [record] if record else []

    async def _rows(self, keyspace: str, migration_uuid: str) -> list[Migration]:
        """The rows of one migration on all shards."""
        rows = self.board.of_uuid(keyspace, migration_uuid)
        return _with_done(rows, await self._storage.done_rows(keyspace, migration_uuid))

    async def _apply(self, decision: Decision, known: Known) -> None:
        if not decision.records and (decision.outcome or decision.refused or decision.told):
            await self._move_cursor()  # the fence: one that was replaced meanwhile says nothing
        if decision.next_id:
            self.cursor = msgspec.structs.replace(self.cursor, next_id=decision.next_id)
        changes: list[Change] = []
        for record in decision.records:
            key = (record.keyspace, record.shard, record.migration_uuid)
            before = known.get(*key) or self.board.get(*key)
            changes.append((record, before))
        await self._advancing.write(changes)
        self._advancing.ask_gates(changes)
        await self._apply_beside_records(decision)
        await self._advancing.advance({(record.keyspace, record.shard): None for record in decision.records})
        await self._advancing.told()

    async def _apply_beside_records(self, decision: Decision) -> None:
        await self._advancing.publish([event for event in (decision.refused, decision.told) if event is not None])
        for hold in decision.held:
            await self._storage.hold(hold)
            self._holds[subjects.hold_key(hold.keyspace, hold.shard)] = hold
        for key in [subjects.hold_key(hold.keyspace, hold.shard) for hold in decision.released]:
            await self._storage.remove(key)
            del self._holds[key]
        for record in decision.purged:
            await self._storage.forget(record)

    async def _reply(self, subject: str, outcome: Outcome) -> None:
        await self._bus.tell(subject, outcome)

    # What time alone changes ---------------------------------------------------------------------------------

    async def _ticks(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            async with self._deciding:
                # behind the lock: an outage that held it up must count as one
                self.liveness.tick(time.monotonic(), connected=self._bus.connected)
                await self.tick()

    async def tick(self) -> None:
        """What time alone changes: executors that died, attempts that are due, work that nobody takes."""
        moment, now = Moment(now=datetime.now(UTC)), time.monotonic()
        lanes: dict[LaneKey, None] = {}
        changes: list[Change] = []
        offered = self.liveness.offered(now)
        for record in self.board.busy():
            new = orphaned(record, lambda who, which: self.liveness.alive(who, which, now), moment)
            if new is not None:
                lives = await is_renewed(self._bus, self.liveness, record)
                new = None if lives else orphaned(await last_seen(self._bus, record), _nobody, moment)
            if new is None:
                new = blocked(
                    record,
                    offered,
                    moment,
                    waited=self._advancing.waited(record),
                    patience=self._settings.blocked_after,
                )
            if new is not None:
                changes.append((new, record))
            if new is not None or due(record, self._advancing.waited(record)):
                lanes[(record.keyspace, record.shard)] = None
        await self._advancing.write(changes)
        await self._advancing.advance(lanes)
        await self._advancing.told()
        if self._moved:
            await self._move_cursor()
        if self._settings.keep_records and now >= self._renew_at:
            self._renew_at = now + self._settings.keep_records / 4
            await self.keep_ended(moment.now)
        for state in PENDING:
            MIGRATIONS.labels(state=state).set(self.board.counts[state])

    async def keep_ended(self, now: datetime) -> None:
        """What has ended of a migration is kept as long as it is pending on another shard: else it would be new there.

        Costs nothing but for migrations that have been pending for half the time that records are kept.
        """
        old = now - timedelta(seconds=self._settings.keep_records / 2)
        long_pending = {
            (row.keyspace, row.migration_uuid)
            for row in self.board
            if row.added_timestamp is not None and row.added_timestamp < old
        }
        for keyspace, uuid in sorted(long_pending):
            await self._storage.renew(keyspace, uuid)
