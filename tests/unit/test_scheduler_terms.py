"""A leader is killed at each of its writes; the next one reads the log again. What was decided stays decided."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator

import msgspec
import pytest
import structlog

from alterd_contracts.inputs import Choices, Control, ReadyToComplete, Started, Submission
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Accepted, Command, Refusal
from alterd_contracts.states import Status
from alterd_contracts.strategy import Wanted
from alterd_scheduler.term import Term
from tests.unit.scheduler_play import Alive
from tests.unit.scheduler_world import PLENTY, Crash, World, finish
from tests.unit.test_scheduler_rules import UUID, request

ALTER = Choices(allow_concurrent=True, exclusive_phases=("copy",), tail_phases=("cut-over",))


@pytest.fixture(autouse=True)
def _silent() -> Iterator[None]:
    before = structlog.get_config()
    quiet = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=quiet, cache_logger_on_first_use=False)
    yield
    structlog.configure(**before)


def submission(
    number: int, *, table: str = "", choices: Choices = ALTER, singletons: tuple[str, ...] = ()
) -> Submission:
    sent = request(f"r{number}", sql=f"alter {number}")
    [item] = sent.submitted
    statement = msgspec.structs.replace(item.statement, table=table or f"t{number}")
    item = msgspec.structs.replace(item, migration_uuid=uuid(number), statement=statement, choices=choices)
    return msgspec.structs.replace(sent, submitted=(item,), singletons=singletons)


def uuid(number: int) -> str:
    return f"{UUID[:-1]}{number}"


def control(command: Command, number: int | None, *, gate: bool = False) -> Control:
    named = "" if number is None else uuid(number)
    return Control(command=command, keyspace="commerce", migration_uuid=named, gate=gate)


def run(number: int, shard: str) -> list[msgspec.Struct]:
    said = {
        "keyspace": "commerce",
        "shard": shard,
        "migration_uuid": uuid(number),
        "attempt": 1,
        "executor": "e1",
        "incarnation": "e1-1",
    }
    return [Started(**said), ReadyToComplete(**said, ready=True)]  # type: ignore[arg-type]


def lead(world: World) -> Term:
    term = world.leader()
    term.liveness = Alive()  # type: ignore[assignment]
    finish(term.begin())
    return term


def decide(world: World, term: Term) -> list[object]:
    """The answers to what is still to be decided."""
    world.answers.clear()
    for sequence in range(term.cursor.input_seq + 1, len(world.log) + 1):
        finish(term.input(world.message(sequence, reply=True)))
    return list(world.answers)


def killed_at_each_write(
    before: list[msgspec.Struct], last: msgspec.Struct, holds: Callable[[list[Migration]], None]
) -> int:
    """`holds` is asked when the next leader has loaded, and when it has read the log again. Returns the writes."""
    for writes in range(200):
        world = World()
        world.log += before
        term = lead(world)
        decide(world, term)
        world.log.append(last)
        world.budget = writes
        try:
            decide(world, term)
        except Crash:
            world.budget = PLENTY
            term = lead(world)
            holds(list(world.records().values()))
            decide(world, term)
            holds(list(world.records().values()))
        else:
            return writes
    raise AssertionError("it never ends")


def test_a_gate_opens_on_all_shards_or_on_none() -> None:
    def holds(rows: list[Migration]) -> None:
        assert len({row.gated for row in rows}) == 1, rows

    begun = [submission(1, choices=msgspec.structs.replace(ALTER, postpone_completion=True))]
    ready = [*run(1, "0"), *run(1, "1")]
    before = [*begun, control(Command.COMPLETE, 1, gate=True), *ready[:-1]]
    assert killed_at_each_write(before, ready[-1], holds) > 4


def test_a_gate_does_not_open_for_what_would_wait_behind_another_one() -> None:
    """On one shard the place is free, on the other somebody else is before it."""
    world = World()
    term = lead(world)
    alone = msgspec.structs.replace(ALTER, allow_concurrent=False)
    create = Choices(is_immediate_operation=True, tail_phases=("running",), postpone_completion=True)
    world.log += [submission(1, choices=alone), submission(2, choices=alone), submission(3, choices=create)]
    world.log += [control(Command.COMPLETE, 3, gate=True)]
    world.log += [msgspec.structs.replace(control(Command.CANCEL, 2), shards=("0",)), control(Command.CANCEL, 1)]
    decide(world, term)
    rows = {(row.migration_uuid, row.shard): row for row in world.records().values()}
    assert rows[uuid(2), "1"].migration_status is Status.READY
    assert {row.gated for row in rows.values() if row.migration_uuid == uuid(3)} == {True}
    world.log.append(control(Command.CANCEL, 2))
    decide(world, term)
    rows = {(row.migration_uuid, row.shard): row for row in world.records().values()}
    assert {row.migration_status for row in rows.values() if row.migration_uuid == uuid(3)} == {Status.READY}


def test_what_depends_on_a_cancelled_one_never_may_complete() -> None:
    """Also while only half of a command to all is written."""

    def holds(rows: list[Migration]) -> None:
        for row in rows:
            ended = [
                each
                for each in rows
                if each.id < row.id and each.shard == row.shard and not each.migration_status.pending
            ]
            if ended and row.migration_status.pending:
                assert row.cancel_requested or not Wanted.of(row).may_complete

    order = msgspec.structs.replace(ALTER, in_order_completion=True)
    held = msgspec.structs.replace(ALTER, postpone_launch=True)
    before = [submission(1, choices=held), submission(2, choices=order), *run(2, "0"), *run(2, "1")]
    assert killed_at_each_write(before, control(Command.CANCEL, None), holds) > 8
    assert killed_at_each_write(before, control(Command.CANCEL, 1), holds) > 8


def test_a_retry_that_is_interrupted_leaves_no_done_row_behind() -> None:
    """Not even one that is older than the cursor: what follows it in order would fail by it."""
    world = World()
    term = lead(world)
    world.log += [submission(1), control(Command.CANCEL, 1)]
    decide(world, term)
    finish(term._storage.move_cursor(term.cursor))  # as it does when nothing is left to be read
    world.log.append(control(Command.RETRY, 1))
    world.budget = 2
    with contextlib.suppress(Crash):
        decide(world, term)
    assert {key.split(".")[0] for key in world.records()} == {"open", "done"}
    world.budget = PLENTY
    decide(world, lead(world))
    assert {key.split(".")[0] for key in world.records()} == {"open"}


@pytest.mark.parametrize("flag", ["singleton", "singleton-table"])
def test_a_singleton_that_was_refused_stays_refused(flag: str) -> None:
    """What stood against it is gone when the next leader reads the log again."""
    refused = submission(2, table="t1", singletons=(flag,))
    for writes in range(60):
        world = World()
        term = lead(world)
        world.log += [submission(1, choices=msgspec.structs.replace(ALTER, postpone_launch=True)), refused]
        _, said = decide(world, term)
        assert isinstance(said, Refusal)
        world.log.append(control(Command.CANCEL, 1))
        world.budget = writes
        with contextlib.suppress(Crash):
            decide(world, term)
        world.budget = PLENTY
        again = lead(world)
        decide(world, again)
        assert {row.migration_uuid for row in world.records().values()} == {uuid(1)}


def test_a_singleton_that_was_accepted_stays_accepted() -> None:
    world = World()
    term = lead(world)
    world.log += [submission(1, singletons=("singleton",)), submission(2)]
    assert all(isinstance(said, Accepted) for said in decide(world, term))
    assert all(isinstance(said, Accepted) for said in decide(world, lead(world)))
    assert {row.migration_status for row in world.records().values()} == {Status.READY, Status.QUEUED}
