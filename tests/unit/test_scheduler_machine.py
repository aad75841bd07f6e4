"""The scheduler under random inputs, duplicates, old reports, crashes and woken leaders.

The machine plays the log and the executors; the term is the product's own, in a world that lies in memory. A crash may
happen at any single write, exactly as when the process is killed: memory is gone, the cursor is where it was, and the
next leader reads the log again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import structlog
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from alterd_contracts.errors import MigrationFailed
from alterd_contracts.events import MigrationEvent
from alterd_contracts.inputs import (
    ArtifactDeclared,
    CancelledReport,
    Choices,
    Completed,
    Control,
    CutoverAttempted,
    Failed,
    Input,
    PhaseEntered,
    ReadyToComplete,
    ReleasedReport,
    Started,
    Submission,
    Submitted,
    Target,
    Throttled,
)
from alterd_contracts.migration import Migration
from alterd_contracts.names import migration_uuid
from alterd_contracts.requests import Accepted, Command, Refusal
from alterd_contracts.statement import Statement, StatementKind
from alterd_contracts.states import TRANSITIONS, Status
from alterd_contracts.strategy import Wanted
from alterd_contracts.work import Reached
from alterd_runtime.bus import StaleWrite
from alterd_scheduler.admission import due, held
from alterd_scheduler.term import Term
from tests.unit.scheduler_world import BEGIN, PLENTY, Crash, World, finish

SHARDS = ("-80", "80-")
KEYSPACE = "commerce"
COUNT = 4
"""Requests that a machine may submit."""
BROKEN = (Status.FAILED, Status.CANCELLED)


class Alive:
    """Executors are dead when the machine says so."""

    def __init__(self) -> None:
        self.dead: set[str] = set()

    def alive(self, executor: str, _incarnation: str, _now: float) -> bool:
        return executor not in self.dead

    def offered(self, _now: float) -> frozenset[str]:
        return frozenset({"vitess"})

    def granted(self, *_: object) -> None:
        """They live."""


SHAPES = {
    "create": Choices(is_immediate_operation=True, tail_phases=("running",)),
    "alter": Choices(exclusive_phases=("copy",), tail_phases=("checksum", "cut-over")),
    "as it is": Choices(exclusive_phases=("running",)),
}
SINGLETON_FLAGS = ("singleton", "singleton-context", "singleton-table")
REQUESTS = st.integers(0, COUNT - 1)
ATTEMPTS = st.integers(1, 3)
EXECUTORS = st.sampled_from(["e1", "e2"])
ENDINGS = st.sampled_from(
    [
        "completed",
        "failed",
        "cancelled",
        "released",
        "died",
        "artifact",
        "copy",
        "checksum",
        "running",
        "ready",
        "unready",
        "throttled",
        "unthrottled",
        "cutover",
    ]
)
RARELY = st.sampled_from([False, False, False, True])


@st.composite
def submissions(draw: st.DrawFn) -> Submission:
    """Every shape with every flag; tables, contexts and statements meet often."""
    request, table = draw(REQUESTS), draw(st.sampled_from(["t", "u", "T"]))
    choices = msgspec.structs.replace(
        SHAPES[draw(st.sampled_from(sorted(SHAPES)))],
        allow_concurrent=draw(st.booleans()),
        in_order_completion=draw(st.booleans()),
        postpone_launch=draw(RARELY),
        postpone_completion=draw(RARELY),
    )
    statement = Statement(
        kind=StatementKind.ALTER_TABLE,
        ddl_action="alter",
        table=table,
        sql=f"alter {table} {draw(st.sampled_from('ab'))}",
        original="",
    )
    singleton = draw(RARELY) and draw(st.sampled_from(SINGLETON_FLAGS))
    return Submission(
        request_id=f"r{request}",
        keyspace=KEYSPACE,
        strategy="vitess",
        options="",
        migration_context=draw(st.sampled_from("cd")),
        submitted=(Submitted(migration_uuid=migration_uuid(f"r{request}", 0), statement=statement, choices=choices),),
        targets=tuple(Target(shard=shard, mysql_schema="s") for shard in SHARDS),
        requested_at=BEGIN,
        singletons=(singleton,) if singleton else (),
    )


class SchedulerMachine(RuleBasedStateMachine):
    """See the module."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.executors = Alive()
        self.submitted: dict[str, Submission] = {}
        self.term = self.lead()
        self.old: list[Term] = []
        self.decided = 0
        self.outcomes: dict[int, str] = {}
        self.facts: dict[str, MigrationEvent] = {}
        self.checked = 0

    def lead(self) -> Term:
        term = self.world.leader()
        term.liveness = self.executors  # type: ignore[assignment]
        finish(term.begin())
        return term

    # What the world does ---------------------------------------------------------------------------------------

    @rule(sent=submissions())
    def submit(self, sent: Submission) -> None:
        """Also again: the same request, with its first content, is delivered twice."""
        self.world.log.append(self.submitted.setdefault(sent.request_id, sent))

    @rule(
        request=REQUESTS, shards=st.sampled_from([(), ("-80",)]), command=st.sampled_from(Command), gate=st.booleans()
    )
    def command(self, request: int, shards: tuple[str, ...], command: Command, gate: bool) -> None:
        if command is not Command.PURGE:  # what is forgotten may be submitted again, which is another machine's story
            uuid = "" if command.of_keyspace else migration_uuid(f"r{request}", 0)
            self.world.log.append(
                Control(command=command, keyspace=KEYSPACE, migration_uuid=uuid, shards=shards, gate=gate)
            )

    @rule(command=st.sampled_from([Command.CANCEL, Command.LAUNCH, Command.COMPLETE]))
    def command_to_all(self, command: Command) -> None:
        self.world.log.append(Control(command=command, keyspace=KEYSPACE))

    @rule(request=REQUESTS, shard=st.sampled_from(SHARDS), attempt=ATTEMPTS, executor=EXECUTORS)
    def anyone_starts(self, request: int, shard: str, attempt: int, executor: str) -> None:
        self.world.log.append(Started(**self.base(request, shard, attempt, executor)))

    @rule(request=REQUESTS, shard=st.sampled_from(SHARDS), executor=EXECUTORS)
    def an_executor_takes_the_work(self, request: int, shard: str, executor: str) -> None:
        row = self.row(request, shard)
        if row is not None and due(row, 10.0**6):
            self.world.log.append(Started(**self.base(request, shard, row.attempt, executor)))

    @rule(request=REQUESTS, shard=st.sampled_from(SHARDS), attempt=ATTEMPTS, executor=EXECUTORS, ending=ENDINGS)
    def anyone_reports(self, request: int, shard: str, attempt: int, executor: str, ending: str) -> None:
        self.world.log.append(self.report(self.base(request, shard, attempt, executor), ending))

    @rule(request=REQUESTS, shard=st.sampled_from(SHARDS), ending=ENDINGS)
    def the_owner_reports(self, request: int, shard: str, ending: str) -> None:
        row = self.row(request, shard)
        if row is not None and row.tablet:
            self.tell(self.base(request, shard, row.attempt, row.tablet), ending)

    # What the leader does --------------------------------------------------------------------------------------

    @rule(sent=submissions(), shard=st.sampled_from(SHARDS), executor=EXECUTORS, endings=st.lists(ENDINGS, max_size=4))
    def lives(self, sent: Submission, shard: str, executor: str, endings: list[str]) -> None:
        """A whole life in one step, so that deep histories are met often."""
        self.submit(sent)
        self.decide_all()
        request = int(sent.request_id[1:])
        for ending in endings:
            row = self.row(request, shard)
            if row is None or row.migration_status is Status.QUEUED:
                return
            if row.migration_status is Status.READY:
                self.world.log.append(Started(**self.base(request, shard, row.attempt, executor)))
                self.decide_all()
            self.the_owner_reports(request, shard, ending)
            self.decide_all()

    @rule(writes=st.integers(0, 30), woken=st.booleans())
    def decides_until_killed(self, writes: int, woken: bool) -> None:
        """Or until it is paused, which looks the same until it wakes."""
        self.world.budget = writes
        try:
            self.decide_all()
        except Crash:
            self.recover(writes, woken)
        self.world.budget = PLENTY

    @rule()
    def decides(self) -> None:
        self.decide_all()

    @rule(executor=EXECUTORS, writes=st.integers(0, 8))
    def loses_an_executor(self, executor: str, writes: int) -> None:
        self.executors.dead = {executor}
        self.world.budget = writes
        try:
            finish(self.term.tick())
        except Crash:
            self.recover(writes, False)
        self.executors.dead = set()
        self.world.budget = PLENTY

    @rule()
    def an_old_leader_wakes(self) -> None:
        """It goes on with what it had in hand, and can write nothing."""
        before = len(self.world.history)
        for term in self.old:
            for sequence in range(term.cursor.input_seq + 1, len(self.world.log) + 1):
                try:
                    finish(term.input(self.world.message(sequence)))
                except StaleWrite:
                    break
            try:
                finish(term.tick())
            except StaleWrite:
                continue
        self.old.clear()
        assert len(self.world.history) == before

    def recover(self, writes: int, woken: bool) -> None:
        """The next leaders come; the first of them may be killed while it loads."""
        if woken:
            self.old.append(self.term)
        self.world.budget = writes // 2
        try:
            self.term = self.lead()
        except Crash:
            self.world.budget = PLENTY
            self.term = self.lead()
        self.world.budget = PLENTY

    def decide_all(self) -> None:
        for sequence in range(self.term.cursor.input_seq + 1, len(self.world.log) + 1):
            self.world.answers.clear()
            again = sequence <= self.decided
            finish(self.term.input(self.world.message(sequence, reply=True)))
            self.decided = max(self.decided, sequence)
            for answer in self.world.answers:
                self.answered(sequence, answer, again)

    def answered(self, sequence: int, answer: object, again: bool) -> None:
        """A submission is accepted or refused, and stays so when a later leader decides it again."""
        if isinstance(answer, Accepted | Refusal) and isinstance(self.world.log[sequence - 1], Submission):
            said = type(answer).__name__
            if again and sequence in self.outcomes:
                assert self.outcomes[sequence] == said
            self.outcomes[sequence] = said

    # The rules of the queue ------------------------------------------------------------------------------------

    @invariant()
    def one_that_is_not_concurrent_at_a_time(self) -> None:
        for lane in self.lanes():
            assert sum(not row.allow_concurrent for row in lane if busy(row)) <= 1, lane

    @invariant()
    def never_two_on_one_table(self) -> None:
        for lane in self.lanes():
            tables = [row.mysql_table.casefold() for row in lane if busy(row)]
            assert len(tables) == len(set(tables)), lane

    @invariant()
    def one_exclusive_phase_on_a_shard(self) -> None:
        for lane in self.lanes():
            assert sum(row.exclusive for row in lane) <= 1, lane
            for row in lane:
                begun = busy(row) and row.stage in row.exclusive_phases
                assert row.exclusive or row.exclusive_wanted or not begun, row
                assert not Wanted.of(row).exclusive or row.exclusive or not row.exclusive_phases

    @invariant()
    def nothing_that_may_start_is_left_waiting(self) -> None:
        """Of what is queued, the first that nobody holds back waits for a rule that somebody busy is the reason of."""
        for lane in self.lanes():
            free = [row for row in lane if not held(row)]
            if free and free[0] is lane[0]:
                assert busy(lane[0]) or any(busy(row) for row in lane), lane

    @invariant()
    def what_is_held_back_does_not_begin(self) -> None:
        for row in self.world.records().values():
            if row.migration_status is Status.QUEUED and held(row):
                assert row.started_timestamp is None
        for event in self.world.events:
            assert event.fact != "ready" or event.migration_status is Status.READY

    @invariant()
    def in_order_nothing_completes_before_those_before_it(self) -> None:
        """A run may pass its point of no return only when nothing that was submitted before it is pending."""
        for lane in self.lanes():
            for place, row in enumerate(lane):
                if row.in_order_completion:
                    assert row.in_order_completion_pending_count == place
                    assert place == 0 or not Wanted.of(row).may_complete

    @invariant()
    def in_order_what_follows_a_failure_does_not_run(self) -> None:
        records = self.world.records().values()
        for row in records:
            if row.in_order_completion and row.migration_status in (Status.READY, Status.RUNNING):
                for prior in records:
                    before = prior.shard == row.shard and prior.id < row.id
                    same = prior.migration_context == row.migration_context
                    if before and same and prior.migration_status in BROKEN:
                        assert row.cancel_requested, (row, prior)

    @invariant()
    def a_gate_opens_for_all_or_none(self) -> None:
        gates: dict[int, list[Migration]] = {}
        for row in self.world.records().values():
            if row.gate_id:
                gates.setdefault(row.gate_id, []).append(row)
        for rows in gates.values():
            opened = [row for row in rows if not row.gated]
            assert not opened or not any(row.gated and row.migration_status.pending for row in rows), rows
            for row in rows:
                assert not row.gated or row.postpone_completion

    @invariant()
    def a_duplicate_has_a_twin_that_completed(self) -> None:
        records = list(self.world.records().values())
        for row in records:
            if row.message.startswith("duplicate DDL as "):
                twins = [
                    each
                    for each in records
                    if each.shard == row.shard
                    and each.migration_uuid in row.message
                    and each.migration_statement == row.migration_statement
                    and each.migration_context == row.migration_context
                ]
                assert [each.migration_status for each in twins] == [Status.COMPLETE]

    # Records, attempts, facts ----------------------------------------------------------------------------------

    @invariant()
    def the_leader_knows_what_is_written(self) -> None:
        written = {key: row for key, row in self.world.records().items() if key.startswith("open.")}
        assert {row.open_key: row for row in self.term.board} == written
        assert self.term.board.counts.total() == len(written)

    @invariant()
    def an_attempt_is_granted_once(self) -> None:
        grants: dict[tuple[str, str, int], str] = {}
        for event in self.world.events:
            if event.fact == "started":
                key = (event.shard, event.migration_uuid, event.attempt)
                assert grants.setdefault(key, event.tablet) == event.tablet

    @invariant()
    def a_run_ends_by_the_word_about_this_attempt(self) -> None:
        """What ends without a run is a duplicate, or follows a failure before it."""
        granted = {
            (each.shard, each.migration_uuid, each.attempt) for each in self.world.events if each.fact == "started"
        }
        for event in self.world.events:
            if event.fact == "completed" and event.message.startswith("duplicate DDL as "):
                continue
            if event.fact == "failed" and event.error is not None and event.error.code == "prior_failed":
                continue
            if event.fact in ("completed", "failed"):
                word = self.world.log[int(event.id.split(":")[-2]) - 1]
                assert isinstance(word, Completed | Failed | ReleasedReport)
                assert (word.attempt, word.migration_uuid) == (event.attempt, event.migration_uuid)
                assert word.executor == event.tablet
                assert (event.shard, event.migration_uuid, event.attempt) in granted

    @invariant()
    def events_tell_one_story(self) -> None:
        """Each fact once, in an order the table of transitions allows; attempts only rise."""
        ids = [event.id for event in self.world.events]
        assert len(ids) == len(set(ids))
        last: dict[tuple[str, str], MigrationEvent] = {}
        steps = {(before, then) for (before, _), then in TRANSITIONS.items()}
        for event in self.world.events:
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
    def an_input_changes_a_row_once(self) -> None:
        """However often it is read again after a crash: two facts of one row are two ids."""
        self.world.records()
        for row in self.world.versions[self.checked :]:
            assert row.event is not None
            assert self.facts.setdefault(row.event.id, row.event) == row.event
        self.checked = len(self.world.versions)

    @invariant()
    def rows_and_attempts_never_fall_within_a_try(self) -> None:
        last: dict[tuple[str, str], tuple[int, int]] = {}
        for event in self.world.events:
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
        keys = [key.split(".", 1)[1] for key in self.world.records()]
        assert len(keys) == len(set(keys))

    @invariant()
    def what_is_recorded_was_told(self) -> None:
        told = {event.id for event in self.world.events}
        for row in self.world.records().values():
            assert row.event is not None
            assert row.event.id in told

    # Parts -----------------------------------------------------------------------------------------------------

    def lanes(self) -> list[list[Migration]]:
        return [self.term.board.lane(key) for key in self.term.board.lanes()]

    def row(self, request: int, shard: str) -> Migration | None:
        return self.term.board.get(KEYSPACE, shard, migration_uuid(f"r{request}", 0))

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

    def tell(self, base: dict[str, Any], ending: str) -> None:
        self.world.log.append(self.report(base, ending))

    def report(self, base: dict[str, Any], ending: str) -> Input:  # noqa: PLR0911 - one for each kind
        number = len(self.world.log) * 7 % 10  # rises and falls, as rows do over attempts that begin anew
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
            case "copy" | "checksum" | "running":
                return PhaseEntered(**far, phase=ending)
            case "ready" | "unready":
                return ReadyToComplete(**far, ready=ending == "ready")
            case "throttled" | "unthrottled":
                return Throttled(**far, throttled=ending == "throttled", reason="lag")
            case "cutover":
                return CutoverAttempted(**far, attempts=number)
            case _:
                return ReleasedReport(**far, reason="r", died=ending == "died")


def busy(row: Migration) -> bool:
    return row.migration_status is not Status.QUEUED


@pytest.fixture(autouse=True)
def _silent() -> Iterator[None]:
    """The log of thousands of leaders says nothing."""
    before = structlog.get_config()
    quiet = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=quiet, cache_logger_on_first_use=False)
    yield
    structlog.configure(**before)


TestScheduler = SchedulerMachine.TestCase
TestScheduler.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
