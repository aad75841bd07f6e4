"""Histories that chance alone seldom meets, each with what may go wrong in it left to chance."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from alterd_contracts.inputs import (
    Control,
)
from alterd_contracts.names import migration_uuid
from alterd_contracts.requests import Command
from tests.unit.scheduler_inputs import (
    COUNT,
    ENDINGS,
    EXECUTORS,
    KEYSPACE,
    RARELY,
    SHAPE,
    SHARDS,
    SINGLETON_FLAGS,
    WRITES,
    base,
    submission,
)
from tests.unit.scheduler_play import SchedulerPlay
from tests.unit.scheduler_world import PLENTY, finish


class SchedulerHistories(SchedulerPlay):
    """Each in one step of the machine."""

    @rule(first=SHAPE, second=SHAPE, executor=EXECUTORS, begun=st.booleans(), paused=st.booleans())
    def launches_late(self, first: str, second: str, executor: str, begun: bool, paused: bool) -> None:
        """What waited for its launch finds its table taken by what was submitted after it."""
        if new := self.anew(2):
            self.submit(submission(new[0], first, "v", allow_concurrent=True, postpone_launch=True))
            self.submit(submission(new[1], second, "V", allow_concurrent=True))
            self.decide_all()
            if begun:
                self.begins(new[1], executor)
            if paused:
                self.tell_to(Command.PAUSE, new[1])
            self.tell_to(Command.LAUNCH, new[0])
            self.decide_all()

    @rule(
        shape=SHAPE,
        writes=st.integers(0, 9),
        woken=st.booleans(),
        how=st.sampled_from(["one", "all", "its shard"]),
        last=SHAPE,
    )
    def breaks_a_chain(self, shape: str, writes: int, woken: bool, how: str, last: str) -> None:
        """The first of several in order is cancelled, and the leader killed while it writes what follows."""
        if new := self.anew(3):
            flags: dict[str, Any] = {"allow_concurrent": True, "in_order_completion": True}
            self.submit(submission(new[0], shape, "w1", context="w", postpone_launch=True, **flags))
            self.submit(submission(new[1], "alter", "w2", context="w", **flags))
            self.submit(submission(new[2], last, "w3", context="w", **flags))
            self.decide_all()
            self.begins(new[1], "e1")
            for shard in SHARDS:
                self.the_owner_reports(new[1], shard, "checksum")
            self.decide_all()
            self.begins(new[2], "e2")
            number = None if how == "all" else new[0]
            self.tell_to(Command.CANCEL, number, shards=("-80",) if how == "its shard" else ())
            self.decides_until_killed(writes, woken)

    @rule(ending=ENDINGS, executor=EXECUTORS)
    def copies_again(self, ending: str, executor: str) -> None:
        """A later attempt begins anew beside one that has the place; the word of its first one comes late."""
        if new := self.anew(2):
            for request, table in zip(new, ("a1", "a2"), strict=True):
                self.submit(submission(request, "alter", table, allow_concurrent=True))
            self.decide_all()
            first, second = new
            self.begins(first, "e1")
            for reported in ("copy", "checksum"):
                for shard in SHARDS:
                    self.the_owner_reports(first, shard, reported)
                self.decide_all()
            self.begins(second, "e2")
            for shard in SHARDS:
                self.the_owner_reports(first, shard, "released")
                self.the_owner_reports(second, shard, "copy")
            self.decide_all()
            self.begins(first, executor)
            for shard in SHARDS:
                self.the_owner_reports(first, shard, "copy")
                row = self.row(first, shard)
                if row is not None:
                    self.tell(base(first, shard, row.attempt - 1, executor), ending)
                    self.tell(base(first, shard, row.attempt, "e3"), ending)
            self.decide_all()

    @rule(
        shape=SHAPE,
        writes=WRITES,
        woken=st.booleans(),
        concurrent=st.booleans(),
        other=SHAPE,
        breaks=RARELY,
        half=RARELY,
    )
    def makes_a_gate_ready(
        self, shape: str, writes: int, woken: bool, concurrent: bool, other: str, breaks: bool, half: bool
    ) -> None:
        """The leader is killed while it opens it, and somebody else waits on the same shards."""
        if new := self.anew(2):
            flags: dict[str, Any] = {"allow_concurrent": concurrent, "postpone_completion": True}
            self.submit(submission(new[0], shape, "g", **flags))
            self.submit(submission(new[1], other, "h", allow_concurrent=concurrent))
            self.decide_all()
            self.begins(new[0], "e1")
            self.tell_to(Command.COMPLETE, new[0], gate=True)
            self.decides_until_killed(writes, woken)
            self.decide_all()
            for shard in SHARDS[: 1 if half else None]:
                self.the_owner_reports(new[0], shard, "failed" if breaks and shard == SHARDS[0] else "ready")
            self.decides_until_killed(writes, woken)
            if breaks:
                self.decide_all()
                self.the_owner_reports(new[0], SHARDS[1], "stale")
                self.decide_all()

    @rule(
        shape=SHAPE,
        writes=st.integers(0, 12),
        woken=st.booleans(),
        ready=st.sets(st.sampled_from(SHARDS), max_size=2),
        leaves=st.sampled_from(SHARDS),
        how=st.sampled_from([Command.COMPLETE, Command.POSTPONE_COMPLETE, Command.CANCEL]),
        each=RARELY,
        again=RARELY,
    )
    def changes_a_gate(
        self,
        shape: str,
        writes: int,
        woken: bool,
        ready: set[str],
        leaves: str,
        how: Command,
        each: bool,
        again: bool,
    ) -> None:
        """The leader is killed while it is put on, and while a shard, or each, leaves it, or another one takes over."""
        if new := self.anew(1):
            self.submit(submission(new[0], shape, "c", allow_concurrent=True, postpone_completion=shape != "as it is"))
            self.decide_all()
            self.begins(new[0], "e1")
            for shard in ready:
                self.the_owner_reports(new[0], shard, "ready")
            self.decide_all()
            self.tell_to(Command.COMPLETE, new[0], gate=True, shards=(leaves,) if again else ())
            self.decides_until_killed(writes, woken)
            self.decide_all()
            opened = self.told_of("gate_opened")
            if again:
                self.tell_to(Command.COMPLETE, new[0], gate=True)
            else:
                self.tell_to(how, new[0], shards=() if each else (leaves,))
            self.decides_until_killed(writes // 2, woken)
            if each and not again and how is Command.POSTPONE_COMPLETE:
                assert self.told_of("gate_opened") == opened, "nobody is left in it"
            self.decide_all()

    @rule(writes=st.integers(0, 12), woken=st.booleans(), breaks=RARELY)
    def finds_a_gated_one_done_already(self, writes: int, woken: bool, breaks: bool) -> None:
        """On one shard; there it waits for its turn, while the other shard is ready."""
        if new := self.anew(3):
            same: dict[str, Any] = {"sql": "alter d", "context": "d", "allow_concurrent": True}
            self.submit(submission(new[0], "alter", "d", **same))
            self.submit(submission(new[1], "alter", "e", allow_concurrent=True))
            self.decide_all()
            self.begins(new[0], "e1")
            self.the_owner_reports(new[0], SHARDS[0], "failed" if breaks else "completed")
            self.the_owner_reports(new[0], SHARDS[1], "completed" if breaks else "failed")
            self.decide_all()
            flags: dict[str, Any] = {"in_order_completion": breaks, "postpone_completion": True}
            self.submit(submission(new[2], "alter", "d", **{**same, **flags}))
            self.tell_to(Command.CANCEL, new[1], shards=(SHARDS[1],))
            self.decide_all()
            self.begins(new[2], "e2")
            self.the_owner_reports(new[2], SHARDS[1], "ready")
            self.tell_to(Command.COMPLETE, new[2], gate=True)
            self.decide_all()
            self.tell_to(Command.CANCEL, new[1])
            self.decides_until_killed(writes, woken)
            self.decide_all()

    @rule(flag=st.sampled_from(SINGLETON_FLAGS), writes=WRITES, woken=st.booleans())
    def refuses_a_singleton(self, flag: str, writes: int, woken: bool) -> None:
        """What it was refused for is gone when the next leader reads the log again."""
        if new := self.anew(2):
            self.submit(submission(new[0], "alter", "s", context="s", postpone_launch=True))
            self.decide_all()
            self.submit(submission(new[1], "alter", "s", context="other", singleton=flag))
            self.decide_all()
            self.tell_to(Command.CANCEL, None)
            self.decides_until_killed(writes, woken)
            self.decide_all()

    @rule(first=SHAPE, second=SHAPE, resumed=st.booleans(), concurrent=st.booleans(), queued=RARELY)
    def pauses_one_for_another(self, first: str, second: str, resumed: bool, concurrent: bool, queued: bool) -> None:
        if new := self.anew(2):
            for request, shape, table in zip(new, (first, second), ("p", "q"), strict=True):
                self.submit(submission(request, shape, table, allow_concurrent=concurrent))
            self.decide_all()
            self.begins(new[0], "e1")
            self.tell_to(Command.PAUSE, new[0])
            if queued:
                self.tell_to(Command.PAUSE, new[1])
                self.tell_to(Command.CANCEL, new[0])
            self.decide_all()
            self.begins(new[1], "e2")
            if resumed:
                self.tell_to(Command.RESUME, new[0])
                self.decide_all()

    @rule(writes=WRITES, woken=st.booleans(), reads=st.booleans(), again=st.booleans())
    def retries_what_ended_long_ago(self, writes: int, woken: bool, reads: bool, again: bool) -> None:
        """The cursor is beyond its end, and the leader is killed while it is queued again."""
        if new := self.anew(2):
            self.submit(submission(new[0], "alter", "y1", context="y", allow_concurrent=True))
            self.decide_all()
            self.tell_to(Command.CANCEL, new[0])
            self.decide_all()
            if reads:
                finish(self.term._storage.move_cursor(self.term.cursor))
            if again:
                self.tell_to(Command.RETRY, new[0])
            self.decides_until_killed(writes, woken)
            flags: dict[str, Any] = {"allow_concurrent": True, "in_order_completion": True}
            self.submit(submission(new[1], "alter", "y2", context="y", **flags))
            self.decide_all()

    @rule(executor=EXECUTORS, writes=WRITES, cancels=st.booleans(), paused=st.booleans())
    def loses_one_that_runs(self, executor: str, writes: int, cancels: bool, paused: bool) -> None:
        """Its next attempt is handed out, unless it is paused; what is to be cancelled is handed out all the same."""
        if new := self.anew(1):
            self.submit(submission(new[0], "alter", "l", allow_concurrent=True))
            self.decide_all()
            self.begins(new[0], executor)
            if paused:
                self.tell_to(Command.PAUSE, new[0])
            if cancels:
                self.tell_to(Command.CANCEL, new[0])
            self.decide_all()
            self.loses_an_executor(executor, writes)
            self.loses_an_executor(executor, PLENTY)
            for shard in SHARDS:
                row = self.row(new[0], shard)
                if row is not None and row.losses and row.parked and not row.cancel_requested:
                    assert f"{row.open_key}:{row.attempt}" not in self.world.work

    @rule(context=st.sampled_from(["z", "other"]), sql=st.sampled_from(["alter z", "alter otherwise"]))
    def completes_and_is_submitted_again(self, context: str, sql: str) -> None:
        if new := self.anew(2):
            self.submit(submission(new[0], "alter", "z", sql="alter z", context="z", allow_concurrent=True))
            self.decide_all()
            self.begins(new[0], "e1")
            for shard in SHARDS:
                self.the_owner_reports(new[0], shard, "completed")
            self.submit(submission(new[1], "alter", "z", sql=sql, context=context, allow_concurrent=True))
            self.decide_all()

    @rule(
        first=SHAPE,
        second=SHAPE,
        held=st.sampled_from(["launch", "completion", "pause", "retry"]),
        concurrent=st.tuples(st.booleans(), st.booleans()),
        table=st.sampled_from(["o1", "o2"]),
        half=RARELY,
    )
    def one_in_order_meets_an_earlier_one(
        self, first: str, second: str, held: str, concurrent: tuple[bool, bool], table: str, half: bool
    ) -> None:
        """The earlier one is held back, or has failed, and comes back when the later one has begun."""
        if new := self.anew(2):
            holds: dict[str, Any] = {"postpone_launch": held == "launch", "postpone_completion": held == "completion"}
            self.submit(submission(new[0], first, "o1", context="o1", allow_concurrent=concurrent[0], **holds))
            self.decide_all()
            if held in ("pause", "retry"):
                self.begins(new[0], "e1")
                self.tell_to(Command.PAUSE if held == "pause" else Command.CANCEL, new[0])
                self.decide_all()
                for shard in SHARDS if held == "retry" else ():
                    self.the_owner_reports(new[0], shard, "cancelled")
            flags: dict[str, Any] = {"allow_concurrent": concurrent[1], "in_order_completion": True}
            self.submit(submission(new[1], second, table, context="o2", **flags))
            self.decide_all()
            self.begins(new[1], "e2")
            for shard in SHARDS[: 1 if half else None]:
                self.the_owner_reports(new[1], shard, "ready")
            back = {"launch": Command.LAUNCH, "pause": Command.RESUME, "retry": Command.RETRY}
            self.tell_to(back.get(held, Command.COMPLETE), new[0])
            self.decide_all()

    def anew(self, count: int) -> list[int]:
        """Requests that were not made yet; none where they are too few."""
        free = [request for request in range(COUNT) if f"r{request}" not in self.submitted]
        return free[:count] if len(free) >= count else []

    def told_of(self, fact: str) -> int:
        return sum(event.fact == fact for event in self.world.events)

    def begins(self, request: int, executor: str) -> None:
        for shard in SHARDS:
            self.an_executor_takes_the_work(request, shard, executor)
        self.decide_all()

    def tell_to(self, command: Command, request: int | None, **fields: Any) -> None:
        uuid = "" if request is None else migration_uuid(f"r{request}", 0)
        self.world.log.append(Control(command=command, keyspace=KEYSPACE, migration_uuid=uuid, **fields))
