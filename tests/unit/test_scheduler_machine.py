"""The scheduler's decisions under random inputs, duplicates, old reports and crashes.

The machine plays the log, the store and the executors; the decisions are the product's own. A crash may happen after
any single write, exactly as when the process is killed: memory is gone, the cursor is where it was, and the next
leader reads the log again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from alterd_contracts.errors import MigrationFailed
from alterd_contracts.events import MigrationEvent
from alterd_contracts.inputs import (
    ArtifactDeclared,
    CancelledReport,
    Completed,
    Control,
    CutoverAttempted,
    Failed,
    Input,
    PhaseEntered,
    ReleasedReport,
    Started,
    Submission,
    Submitted,
    Target,
    Throttled,
)
from alterd_contracts.migration import Migration
from alterd_contracts.names import migration_uuid
from alterd_contracts.requests import Command
from alterd_contracts.statement import Statement, StatementKind
from alterd_contracts.states import TRANSITIONS, Status
from alterd_contracts.work import Reached
from alterd_scheduler.admission import admit, due, orphaned
from alterd_scheduler.board import Board
from alterd_scheduler.decide import decide
from alterd_scheduler.decisions import Known
from alterd_scheduler.facts import Moment
from alterd_scheduler.reports import Limits

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
SHARDS = ("-80", "80-")
KEYSPACE = "commerce"


class Crash(Exception):
    """The leader is killed."""


@dataclass
class Store:
    """The fenced bucket and what was published: all that survives a crash."""

    rows: dict[str, tuple[Migration, int]] = field(default_factory=dict)
    revision: int = 0
    cursor: int = 0
    cursor_revision: int = 0
    next_id: int = 1
    events: list[MigrationEvent] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    """Ids of the facts that records were written with."""
    budget: int = 10**9
    """Writes left before the leader is killed."""

    def _spend(self) -> None:
        if self.budget == 0:
            raise Crash
        self.budget -= 1
        self.revision += 1

    def put(self, key: str, row: Migration) -> None:
        self._spend()
        self.rows[key] = (row, self.revision)
        assert row.event is not None
        self.written.append(row.event.id)

    def delete(self, key: str) -> None:
        self._spend()
        self.rows.pop(key, None)

    def publish(self, event: MigrationEvent) -> None:
        self._spend()
        if all(event.id != other.id for other in self.events):  # the stream's own memory of ids
            self.events.append(event)


class Leader:
    """One term: the product's decisions around the store, written as `Term` does it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.board = Board()
        for key, (row, revision) in sorted(store.rows.items()):
            twin_key = key.replace("open.", "done.", 1) if key.startswith("open.") else key.replace("done.", "open.", 1)
            twin = store.rows.get(twin_key)
            if twin is not None and twin[1] > revision:
                store.delete(key)
                continue
            if revision > store.cursor_revision and row.event is not None:
                store.publish(row.event)
            self.board.put(row)
        store.next_id = max([store.next_id, *(row.id + 1 for row, _ in store.rows.values())])
        for lane in self.board.lanes():
            self.advance(lane)

    def known(self, data: Input) -> Known:
        keyspace = KEYSPACE
        uuids = (
            [item.migration_uuid for item in data.submitted] if isinstance(data, Submission) else [data.migration_uuid]  # type: ignore[union-attr]
        )
        rows = []
        for uuid in uuids:
            for shard in SHARDS:
                done = self.store.rows.get(f"done.{keyspace}.{shard}.{uuid}")
                row = self.board.get(keyspace, shard, uuid) or (done[0] if done else None)
                if row is not None:
                    rows.append(row)
        return Known(rows)

    def input(self, sequence: int, data: Input) -> None:
        known = self.known(data)
        moment = Moment(now=BEGIN + timedelta(seconds=sequence), input_seq=sequence)
        decision = decide(data, known, moment, next_id=self.store.next_id, limits=Limits(max_deaths=3))
        next_id = decision.next_id or self.store.next_id
        for row in decision.records:
            self.write(row, known.get(row.keyspace, row.shard, row.migration_uuid))
        for lane in {(row.keyspace, row.shard) for row in decision.records}:
            self.advance(lane)
        self.store.next_id = next_id

    def move_cursor(self, sequence: int) -> None:
        """Behind many inputs: a new leader decides them all again."""
        self.store._spend()
        self.store.cursor, self.store.cursor_revision = sequence, self.store.revision

    def advance(self, lane: tuple[str, str]) -> None:
        for row in admit(self.board.lane(lane), Moment(now=BEGIN)):
            self.write(row, self.board.get(row.keyspace, row.shard, row.migration_uuid))

    def write(self, row: Migration, before: Migration | None) -> None:
        if row.migration_status.terminal:
            self.store.put(row.done_key, row)
            if before is not None and before.migration_status.pending:
                self.store.delete(row.open_key)
        else:
            self.store.put(row.open_key, row)
            if before is not None and before.migration_status.terminal:
                self.store.delete(row.done_key)
        self.board.put(row)
        assert row.event is not None
        self.store.publish(row.event)


def submission(request: int) -> Submission:
    statement = Statement(
        kind=StatementKind.ALTER_TABLE, ddl_action="alter", table=f"t{request}", sql=f"alter {request}", original=""
    )
    return Submission(
        request_id=f"r{request}",
        keyspace=KEYSPACE,
        strategy="mysql",
        options="",
        migration_context="c",
        submitted=(Submitted(migration_uuid=migration_uuid(f"r{request}", 0), statement=statement),),
        targets=tuple(Target(shard=shard, mysql_schema="s") for shard in SHARDS),
        requested_at=BEGIN,
    )


REQUESTS = st.integers(0, 1)
ATTEMPTS = st.integers(1, 3)
EXECUTORS = st.sampled_from(["e1", "e2"])
ENDINGS = st.sampled_from(
    ["completed", "failed", "cancelled", "released", "died", "artifact", "phase", "throttled", "unthrottled", "cutover"]
)


class SchedulerMachine(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Input] = []
        self.store = Store()
        self.leader = Leader(self.store)
        self.dead: set[str] = set()

    # What the world does ---------------------------------------------------------------------------------------

    @rule(request=REQUESTS)
    def submit(self, request: int) -> None:
        """Also again: the same request is delivered twice."""
        self.log.append(submission(request))

    @rule(request=REQUESTS, command=st.sampled_from(Command))
    def command(self, request: int, command: Command) -> None:
        self.log.append(Control(command=command, keyspace=KEYSPACE, migration_uuid=migration_uuid(f"r{request}", 0)))

    @rule(request=REQUESTS, shard=st.sampled_from(SHARDS), attempt=ATTEMPTS, executor=EXECUTORS)
    def anyone_starts(self, request: int, shard: str, attempt: int, executor: str) -> None:
        self.log.append(Started(**self.base(request, shard, attempt, executor)))

    @rule(request=REQUESTS, shard=st.sampled_from(SHARDS), executor=EXECUTORS)
    def an_executor_takes_the_work(self, request: int, shard: str, executor: str) -> None:
        row = self.leader.board.get(KEYSPACE, shard, migration_uuid(f"r{request}", 0))
        if row is not None and due(row, 10.0**6):
            self.log.append(Started(**self.base(request, shard, row.attempt, executor)))

    @rule(request=REQUESTS, shard=st.sampled_from(SHARDS), attempt=ATTEMPTS, executor=EXECUTORS, ending=ENDINGS)
    def anyone_reports(self, request: int, shard: str, attempt: int, executor: str, ending: str) -> None:
        self.log.append(self.report(self.base(request, shard, attempt, executor), ending))

    @rule(request=REQUESTS, shard=st.sampled_from(SHARDS), ending=ENDINGS)
    def the_owner_reports(self, request: int, shard: str, ending: str) -> None:
        row = self.leader.board.get(KEYSPACE, shard, migration_uuid(f"r{request}", 0))
        if row is not None and row.tablet:
            self.log.append(self.report(self.base(request, shard, row.attempt, row.tablet), ending))

    # What the leader does --------------------------------------------------------------------------------------

    @rule(request=REQUESTS, shard=st.sampled_from(SHARDS), executor=EXECUTORS, endings=st.lists(ENDINGS, max_size=3))
    def lives(self, request: int, shard: str, executor: str, endings: list[str]) -> None:
        """A whole life in one step, so that deep histories are met often."""
        self.log.append(submission(request))
        self.decide_all()
        for ending in endings:
            row = self.leader.board.get(KEYSPACE, shard, migration_uuid(f"r{request}", 0))
            if row is None:
                return
            self.log.append(Started(**self.base(request, shard, row.attempt, executor)))
            self.log.append(self.report(self.base(request, shard, row.attempt, executor), ending))
            self.decide_all()

    @rule(writes=st.integers(0, 25))
    def decides_until_killed(self, writes: int) -> None:
        self.store.budget = writes
        try:
            self.decide_all()
        except Crash:
            self.recover(writes)
        self.store.budget = 10**9

    @rule()
    def decides(self) -> None:
        self.decide_all()

    @rule(executor=EXECUTORS, writes=st.integers(0, 5))
    def loses_an_executor(self, executor: str, writes: int) -> None:
        self.store.budget = writes
        try:
            for row in list(self.leader.board):
                new = orphaned(row, lambda who, _which: who != executor, Moment(now=BEGIN))
                if new is not None:
                    self.leader.write(new, row)
                    self.leader.advance((row.keyspace, row.shard))
        except Crash:
            self.recover(writes)
        self.store.budget = 10**9

    def recover(self, writes: int) -> None:
        """The next leaders come; the first of them may be killed while it loads."""
        self.store.budget = writes // 2
        try:
            self.leader = Leader(self.store)
        except Crash:
            self.store.budget = 10**9
            self.leader = Leader(self.store)
        self.store.budget = 10**9

    def decide_all(self) -> None:
        for sequence in range(self.store.cursor + 1, len(self.log) + 1):
            self.leader.input(sequence, self.log[sequence - 1])
        self.leader.move_cursor(len(self.log))

    # What must hold --------------------------------------------------------------------------------------------

    @invariant()
    def one_at_a_time_on_a_shard(self) -> None:
        for lane in self.leader.board.lanes():
            busy = [row for row in self.leader.board.lane(lane) if row.migration_status is not Status.QUEUED]
            assert len(busy) <= 1, busy

    @invariant()
    def an_attempt_is_granted_once(self) -> None:
        grants: dict[tuple[str, str, int], str] = {}
        for event in self.store.events:
            if event.fact == "started":
                key = (event.shard, event.migration_uuid, event.attempt)
                assert grants.setdefault(key, event.tablet) == event.tablet

    @invariant()
    def a_run_ends_by_the_word_about_this_attempt(self) -> None:
        for event in self.store.events:
            if event.fact in ("completed", "failed"):
                sequence = int(event.id.split(":")[-2])
                word = self.log[sequence - 1]
                assert isinstance(word, Completed | Failed | ReleasedReport)
                assert (word.attempt, word.migration_uuid) == (event.attempt, event.migration_uuid)
                assert word.executor == event.tablet

    @invariant()
    def an_input_changes_a_row_once(self) -> None:
        """However often it is read again after a crash."""
        assert len(self.store.written) == len(set(self.store.written))

    @invariant()
    def only_the_granted_executor_ends_a_run(self) -> None:
        granted = {
            (event.shard, event.migration_uuid, event.attempt) for event in self.store.events if event.fact == "started"
        }
        for event in self.store.events:
            if event.fact in ("completed", "failed"):
                assert (event.shard, event.migration_uuid, event.attempt) in granted

    @invariant()
    def events_tell_one_story(self) -> None:
        """Each fact once, in an order the table of transitions allows; attempts only rise."""
        ids = [event.id for event in self.store.events]
        assert len(ids) == len(set(ids))
        last: dict[tuple[str, str], MigrationEvent] = {}
        steps = {(before, then) for (before, _), then in TRANSITIONS.items()}
        for event in self.store.events:
            key = (event.shard, event.migration_uuid)
            before = last.get(key)
            if before is None:
                assert event.fact == "queued"
            else:
                assert event.fact != "queued", "recorded twice"
                assert event.attempt >= before.attempt
                if event.migration_status is not before.migration_status:
                    assert (before.migration_status, event.migration_status) in steps
            last[key] = event

    @invariant()
    def rows_and_attempts_never_fall_within_a_try(self) -> None:
        last: dict[tuple[str, str], tuple[int, int]] = {}
        for event in self.store.events:
            key = (event.shard, event.migration_uuid)
            now = (event.rows_copied, event.cutover_attempts)
            if event.fact == "retried":
                assert now == (0, 0)
            else:
                before = last.get(key, (0, 0))
                assert now[0] >= before[0]
                assert now[1] >= before[1]
            last[key] = now

    @invariant()
    def one_row_per_migration_and_shard(self) -> None:
        """After a leader has loaded, no row stands both open and done."""
        keys = [key.split(".", 1)[1] for key in self.store.rows]
        assert len(keys) == len(set(keys))

    @invariant()
    def what_is_recorded_was_told(self) -> None:
        told = {event.id for event in self.store.events}
        for row, _ in self.store.rows.values():
            assert row.event is not None
            assert row.event.id in told

    # Parts -----------------------------------------------------------------------------------------------------

    @staticmethod
    def base(request: int, shard: str, attempt: int, executor: str) -> dict[str, Any]:
        return {
            "keyspace": KEYSPACE,
            "shard": shard,
            "migration_uuid": migration_uuid(f"r{request}", 0),
            "attempt": attempt,
            "executor": executor,
            "incarnation": f"{executor}-1",
        }

    def report(self, base: dict[str, Any], ending: str) -> Input:  # noqa: PLR0911 - one for each kind
        number = len(self.log) * 7 % 10  # rises and falls, as rows do over attempts that begin anew
        far: dict[str, Any] = {**base, "reached": Reached(rows_copied=number, table_rows=9)}
        match ending:
            case "completed":
                return Completed(**base, rows_copied=number)
            case "failed":
                return Failed(**far, error=MigrationFailed().info())
            case "cancelled":
                return CancelledReport(**far)
            case "artifact":
                return ArtifactDeclared(**base, name="_alterd_shd_x_")
            case "phase":
                return PhaseEntered(**far, phase=f"p{number}")
            case "throttled" | "unthrottled":
                return Throttled(**far, throttled=ending == "throttled", reason="lag")
            case "cutover":
                return CutoverAttempted(**far, attempts=number)
            case _:
                return ReleasedReport(**far, reason="r", died=ending == "died")


TestScheduler = SchedulerMachine.TestCase
TestScheduler.settings = settings(max_examples=300, stateful_step_count=50, deadline=None)
