"""What the records alone ask for, done: admissions, places, gates, work; and every write of a record.

The decisions are those of `admission`, `in_order`, `duplicates` and `gates`; here they meet the bus.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import structlog

from alterd_contracts import subjects
from alterd_contracts.events import Event
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status
from alterd_contracts.work import Work
from alterd_runtime.bus import Bus, Outgoing, Sending
from alterd_runtime.failpoints import failpoint
from alterd_runtime.settings import SchedulerSettings
from alterd_scheduler.admission import admit, due, permitted, returning, settled, startable
from alterd_scheduler.board import Board, LaneKey
from alterd_scheduler.duplicates import duplicate
from alterd_scheduler.facts import Moment
from alterd_scheduler.gates import asks_gate, decide_gate, finish_gate, ready_so_far
from alterd_scheduler.in_order import broken_before, failed_by
from alterd_scheduler.storage import Change, Storage

log = structlog.get_logger(__name__)

GateKey = tuple[str, str]
"""Keyspace and uuid."""


class Advancing:
    """Of one term. Any error of a write ends the term."""

    def __init__(self, bus: Bus, storage: Storage, board: Board, settings: SchedulerSettings) -> None:
        self._bus, self._storage, self._board, self._settings = bus, storage, board, settings
        self._dispatched: dict[str, int] = {}
        self._ready_since: dict[str, tuple[int, float]] = {}
        """Open key → attempt and when this term first saw it ready, in monotonic seconds."""
        self._under_way: list[Sending] = []
        self._anew: set[str] = set()
        """Open keys of what was queued in order since its lane was looked at."""
        self._asked: dict[GateKey, None] = {}
        """Migrations of which a member of a gate has changed."""
        self.caught_up = False
        """What an earlier leader had half decided is decided. A gate waits for that: a command may be written on some
        shards only, and those that it has not come to would make up the gate.
        """

    async def catch_up(self) -> None:
        """From now on gates are decided."""
        self.caught_up = True
        self._asked |= {(row.keyspace, row.migration_uuid): None for row in self._board if row.gated}
        await self.advance(())

    async def advance(self, lanes: Iterable[LaneKey]) -> None:
        """Brings the lanes to where their records say they should be, all of them side by side; then gates."""
        rows = await self._advanced(tuple(lanes))
        if not self.caught_up:
            return
        asked, self._asked = self._asked, {}
        for keyspace, migration_uuid in asked:
            await self._gate(keyspace, migration_uuid)
        gates = {
            (row.keyspace, row.migration_uuid, row.gate_id): None for row in rows if row.gated and ready_so_far(row)
        }
        for gate in gates:
            await self._gate_if_ready(*gate)

    def ask_gates(self, changes: Iterable[Change]) -> None:
        """The next `advance` decides the gates that these changes are about."""
        self._asked |= {(row.keyspace, row.migration_uuid): None for row, before in changes if asks_gate(row, before)}

    async def finish_gate(self, keyspace: str, migration_uuid: str) -> None:
        """Opens all of what an earlier leader opened in part."""
        rows = await self._gate_rows(keyspace, migration_uuid)
        await self._rewrite(finish_gate(rows, Moment(now=datetime.now(UTC))))

    async def _gate(self, keyspace: str, migration_uuid: str) -> None:
        """Opens the migration's gates, or says by which shards they are kept shut."""
        rows = await self._gate_rows(keyspace, migration_uuid)
        changes = [(new, self._now(new)) for new in decide_gate(rows, self._startable, Moment(now=datetime.now(UTC)))]
        if not changes:
            return
        await self.write(changes[:1])
        failpoint("scheduler.gate_row_written")
        await self.write(changes[1:])
        await self.advance([(new.keyspace, new.shard) for new, _ in changes])

    async def _gate_rows(self, keyspace: str, migration_uuid: str) -> list[Migration]:
        rows = self._board.of_uuid(keyspace, migration_uuid)
        there = {row.shard for row in rows}
        return rows + [
            row for row in await self._storage.gated_rows(keyspace, migration_uuid) if row.shard not in there
        ]

    async def write(self, changes: Sequence[Change]) -> None:
        """The records first, then their events, which are on their way when this returns: see `told`."""
        if not changes:
            return
        await self.told()  # no record is written again before its event is stored
        await self._storage.write(changes)
        for record, before in changes:
            self._board.put(record)
            if before is None or before.migration_status.terminal:
                self.queued(record)
            if record.migration_status.terminal:
                self._dispatched.pop(record.open_key, None)
                self._ready_since.pop(record.open_key, None)
        failpoint("scheduler.record_written")
        news = [
            (record, record.event)
            for record, before in changes
            if record.event is not None and not (before is not None and before.event == record.event)
        ]
        await self.publish([event for _, event in news])
        for record, event in news:
            log.info(
                f"migration.{event.fact}",
                migration_uuid=record.migration_uuid,
                keyspace=record.keyspace,
                shard=record.shard,
                attempt=record.attempt,
                state=record.migration_status,
                message=event.message,
            )

    def queued(self, record: Migration) -> None:
        """It is asked whether one before it has failed already, when its lane is advanced."""
        if record.migration_status is Status.QUEUED and record.in_order_completion:
            self._anew.add(record.open_key)

    async def publish(self, events: Sequence[Event]) -> None:
        """On their way when this returns: see `told`."""
        if not events:
            return
        outgoing = [
            Outgoing(
                subject=event.subject,
                data=event,
                id=event.id,
                about=getattr(event, "migration_uuid", "") or getattr(event, "request_id", ""),
            )
            for event in events
        ]
        self._under_way.append(await self._bus.send_all(outgoing))

    async def told(self) -> None:
        """Returns when all that was written and published is stored. Any error ends the term."""
        await self._storage.stored()
        if not self._under_way:
            return
        under_way, self._under_way = self._under_way, []
        for sent in under_way:
            await sent.stored()
        failpoint("scheduler.event_published")

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

    async def _advanced(self, lanes: tuple[LaneKey, ...]) -> list[Migration]:
        """As `advance`, but for gates; what is open in the lanes."""
        again = lanes
        while again:
            again = await self._round(again)
        rows = [row for lane in lanes for row in self._board.lane(lane)]
        await self._dispatch([row for row in rows if due(row, self.waited(row))])
        return rows

    async def _round(self, lanes: tuple[LaneKey, ...]) -> tuple[LaneKey, ...]:
        """One round: places, admissions, counts. The lanes in which an admission ended at once need another one."""
        moment = Moment(now=datetime.now(UTC))
        asked = await self._fail_anew(lanes, moment)
        most = self._settings.max_concurrent
        places = (permitted(self._board.lane(lane), moment) for lane in lanes)
        await self._rewrite([record for record in places if record is not None])
        left = lanes
        while left:
            back = [record for lane in left if (record := returning(self._board.lane(lane), moment, most)) is not None]
            await self._rewrite(back)
            left = tuple((record.keyspace, record.shard) for record in back)
        ready = [record for lane in lanes for record in admit(self._board.lane(lane), moment, most)]
        instead = await self._instead(ready, asked, moment)
        changes = [(instead.get(record.open_key, record), self._now(record)) for record in ready]
        await self.write(changes)
        self.ask_gates(changes)
        await self._rewrite([record for lane in lanes for record in settled(self._board.lane(lane))])
        return tuple({(record.keyspace, record.shard): None for record in instead.values()})

    async def _fail_anew(self, lanes: tuple[LaneKey, ...], moment: Moment) -> set[str]:
        """Ends what was queued after a failure in its context; the open keys of all that were asked about."""
        if not self._anew:
            return set()
        rows = [row for lane in lanes for row in self._board.lane(lane) if row.open_key in self._anew]
        failed = await self._broken(rows, moment)
        changes = [(new, self._now(new)) for new in failed.values()]
        await self.write(changes)
        self.ask_gates(changes)
        asked = {row.open_key for row in rows}
        self._anew -= asked
        return asked

    async def _instead(self, ready: Sequence[Migration], asked: set[str], moment: Moment) -> dict[str, Migration]:
        """By open key, how what is admitted ends at once: it is complete already, or one before it has failed."""
        found: dict[str, Migration] = {}
        queued = [row for record in ready if (row := self._now(record)) is not None]
        for row, twin in zip(queued, await self._storage.twins(queued), strict=True):
            if twin and (ended := duplicate(row, twin, moment)):
                found[row.open_key] = ended
        return found | await self._broken([row for row in queued if row.open_key not in asked], moment)

    async def _broken(self, queued: Sequence[Migration], moment: Moment) -> dict[str, Migration]:
        """By open key, those that cannot run because one before them has failed or was cancelled."""
        in_order = [row for row in queued if row.in_order_completion]
        found: dict[str, Migration] = {}
        for row, priors in zip(in_order, await self._storage.priors(in_order), strict=True):
            if (prior := broken_before(row, priors)) and (failed := failed_by(row, prior, moment)):
                found[row.open_key] = failed
        return found

    async def _gate_if_ready(self, keyspace: str, migration_uuid: str, gate_id: int) -> None:
        rows = self._board.of_uuid(keyspace, migration_uuid)
        if all(ready_so_far(each) for each in rows if each.gated and each.gate_id == gate_id):
            await self._gate(keyspace, migration_uuid)

    def _startable(self, row: Migration) -> bool:
        lane = self._board.lane((row.keyspace, row.shard))
        return startable(lane, row, Moment(now=datetime.now(UTC)), self._settings.max_concurrent)

    def _now(self, record: Migration) -> Migration | None:
        """The record as it stands open."""
        return self._board.get(record.keyspace, record.shard, record.migration_uuid)

    async def _rewrite(self, records: Sequence[Migration]) -> None:
        await self.write([(record, self._now(record)) for record in records])

    async def _dispatch(self, records: Sequence[Migration]) -> None:
        """Once per attempt and term; a later term repeats it with the same id."""
        new = [record for record in records if self._dispatched.get(record.open_key) != record.attempt]
        if not new:
            return
        sending = await self._bus.send_all([_work(record) for record in new])
        await self.told()
        await sending.stored()
        failpoint("scheduler.work_published")
        self._dispatched |= {record.open_key: record.attempt for record in new}


def _work(record: Migration) -> Outgoing:
    work = Work(
        keyspace=record.keyspace,
        shard=record.shard,
        migration_uuid=record.migration_uuid,
        attempt=record.attempt,
        strategy=record.strategy,
    )
    return Outgoing(
        subject=subjects.work(record.strategy, record.keyspace, record.shard),
        data=work,
        id=f"{record.open_key}:{record.attempt}",
        about=record.migration_uuid,
    )
