"""A world around the scheduler, at random: inputs, duplicates, deaths of executors and leaders, leaders that wake."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from alterd_contracts.events import MigrationEvent
from alterd_contracts.inputs import (
    Control,
    Started,
    Submission,
)
from alterd_contracts.migration import Migration
from alterd_contracts.names import migration_uuid
from alterd_contracts.requests import Accepted, Command, Refusal
from alterd_contracts.states import Status
from alterd_runtime.bus import StaleWrite
from alterd_scheduler.admission import due
from alterd_scheduler.term import Term
from tests.unit.scheduler_inputs import (
    ATTEMPTS,
    ENDINGS,
    EXECUTORS,
    KEYSPACE,
    REQUESTS,
    SHARDS,
    WRITES,
    base,
    report,
    submissions,
)
from tests.unit.scheduler_world import PLENTY, Crash, World, finish


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


class SchedulerPlay(RuleBasedStateMachine):
    """The log, the executors, and leaders that come and go; no rule is checked here but for answers."""

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
        self.checked = self.began_checked = self.gates_checked = self.holds_checked = 0
        self.last: dict[tuple[str, str], Migration] = {}
        """Shard and uuid → the newest version that was looked at."""
        self.opened: set[int] = set()
        """Gates."""

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
        self.world.log.append(Started(**base(request, shard, attempt, executor)))

    @rule(request=REQUESTS, shard=st.sampled_from(SHARDS), executor=EXECUTORS)
    def an_executor_takes_the_work(self, request: int, shard: str, executor: str) -> None:
        row = self.row(request, shard)
        if row is not None and due(row, 10.0**6):
            self.world.log.append(Started(**base(request, shard, row.attempt, executor)))

    @rule(request=REQUESTS, shard=st.sampled_from(SHARDS), attempt=ATTEMPTS, executor=EXECUTORS, ending=ENDINGS)
    def anyone_reports(self, request: int, shard: str, attempt: int, executor: str, ending: str) -> None:
        self.tell(base(request, shard, attempt, executor), ending)

    @rule(request=REQUESTS, shard=st.sampled_from(SHARDS), ending=ENDINGS)
    def the_owner_reports(self, request: int, shard: str, ending: str) -> None:
        row = self.row(request, shard)
        if row is not None and row.tablet:
            self.tell(base(request, shard, row.attempt, row.tablet), ending)

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
                self.world.log.append(Started(**base(request, shard, row.attempt, executor)))
                self.decide_all()
            self.the_owner_reports(request, shard, ending)
            self.decide_all()

    # The leader dies -------------------------------------------------------------------------------------------

    @rule(writes=WRITES, woken=st.booleans())
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
            assert not [row for row in self.term.board if row.tablet == executor]
        except Crash:
            self.recover(writes, False)
        self.executors.dead = set()
        self.world.budget = PLENTY

    @rule()
    def an_old_leader_wakes(self) -> None:
        """It goes on with what it had in hand, and can write nothing, tell nothing and answer nobody."""
        before, published = len(self.world.history), self.world.published
        self.world.answers.clear()
        for term in self.old:
            for sequence in range(term.cursor.input_seq + 1, len(self.world.log) + 1):
                try:
                    finish(term.input(self.world.message(sequence, reply=True)))
                except StaleWrite:
                    break
            try:
                finish(term.tick())
            except StaleWrite:
                continue
        self.old.clear()
        assert (len(self.world.history), self.world.published) == (before, published)
        assert not self.world.answers

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
            refused = self.singleton_forbids(self.world.log[sequence - 1])
            finish(self.term.input(self.world.message(sequence, reply=True)))
            self.decided = max(self.decided, sequence)
            for answer in self.world.answers:
                self.answered(sequence, answer, again, refused)

    def singleton_forbids(self, sent: object) -> bool:
        """By what is pending now, on any shard. What is recorded already is not judged again."""
        if not isinstance(sent, Submission) or not sent.singletons:
            return False
        [item] = sent.submitted
        if any(row.migration_uuid == item.migration_uuid for row in self.world.records().values()):
            return False
        table = item.statement.table.casefold()
        match sent.singletons[0]:
            case "singleton":
                against = [True for _ in self.term.board]
            case "singleton-context":
                against = [row.migration_context != sent.migration_context for row in self.term.board]
            case _:
                against = [row.mysql_table.casefold() == table for row in self.term.board]
        return any(against)

    def answered(self, sequence: int, answer: object, again: bool, refused: bool) -> None:
        """A submission is accepted or refused, and stays so when a later leader decides it again."""
        if isinstance(answer, Accepted | Refusal) and isinstance(self.world.log[sequence - 1], Submission):
            said = type(answer).__name__
            if again and sequence in self.outcomes:
                assert self.outcomes[sequence] == said
            elif not again:
                assert isinstance(answer, Refusal) == refused, answer
            self.outcomes[sequence] = said

    # Parts -----------------------------------------------------------------------------------------------------

    def lanes(self) -> list[list[Migration]]:
        return [self.term.board.lane(key) for key in self.term.board.lanes()]

    def row(self, request: int, shard: str) -> Migration | None:
        return self.term.board.get(KEYSPACE, shard, migration_uuid(f"r{request}", 0))

    def tell(self, base: dict[str, Any], ending: str) -> None:
        number = len(self.world.log) * 7 % 10  # rises and falls, as rows do over attempts that begin anew
        self.world.log.append(report(base, ending, number))
