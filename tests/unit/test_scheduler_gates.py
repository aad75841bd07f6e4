"""Gated completions over several shards: what makes a gate, who leaves it, and when the rest of it opens."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from alterd_contracts.errors import MigrationFailed
from alterd_contracts.inputs import Completed, Control, Failed, Started, Submission
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Answered, Command
from alterd_contracts.states import Status
from alterd_scheduler.controls import decide_control
from alterd_scheduler.decisions import Decision, Known
from alterd_scheduler.facts import Moment
from alterd_scheduler.gates import decide_gate
from alterd_scheduler.term import Term
from tests.unit.scheduler_world import World
from tests.unit.test_scheduler_rules import NOW, UUID, at, row, running
from tests.unit.test_scheduler_terms import ALTER, control, decide, killed_at_each_write, lead, run, submission, uuid

HELD = msgspec.structs.replace(ALTER, postpone_completion=True)
GATE: dict[str, Any] = {"postpone_completion": True, "gated": True, "gate_id": 7, "gate_shards": ("0", "1")}


def gate(number: int = 1, *shards: str) -> Control:
    return on(control(Command.COMPLETE, number, gate=True), *shards)


def on(sent: Control, *shards: str) -> Control:
    return msgspec.structs.replace(sent, shards=shards)


def rows_of(world: World, number: int = 1) -> dict[str, Migration]:
    return {each.shard: each for each in world.records().values() if each.migration_uuid == uuid(number)}


def after(*log: msgspec.Struct) -> tuple[World, Term]:
    world = World()
    term = lead(world)
    world.log += log
    decide(world, term)
    return world, term


def begun(number: int, shard: str) -> msgspec.Struct:
    return run(number, shard)[0]


def told(kind: type, number: int, shard: str, **fields: Any) -> Any:
    said: Any = begun(number, shard)
    return kind(**{name: getattr(said, name) for name in Started.__struct_fields__}, **fields)


def opened(*rows: Migration) -> set[str]:
    return {new.shard for new in decide_gate(rows, lambda _: True, Moment(now=NOW)) if not new.gated}


def test_a_gate_is_decided_when_every_shard_it_names_has_heard_of_it() -> None:
    ready = running(shard="0", ready_to_complete=True, input_seq=7, **GATE)
    unheard = running(shard="1", ready_to_complete=True, postpone_completion=True, input_seq=6)
    assert opened(ready, unheard) == set()
    assert opened(ready, unheard.evolve(input_seq=9)) == {"0"}, "it has left it since"
    assert opened(ready, unheard.evolve(input_seq=7, **GATE)) == {"0", "1"}


def test_a_leader_killed_while_the_gate_is_put_on_opens_it_for_nobody() -> None:
    """One shard is ready already, the other one copies."""

    def holds(rows: list[Migration]) -> None:
        assert all(each.postpone_completion for each in rows), rows

    before = [submission(1, choices=HELD), *run(1, "0"), begun(1, "1")]
    assert killed_at_each_write(before, gate(), holds) > 2


@pytest.mark.parametrize("ready", ["0", "1"])
def test_a_leader_killed_while_all_leave_the_gate_opens_it_for_nobody(ready: str) -> None:
    """A hold on all shards is on half of them: the ones that are left would be the whole gate."""

    def holds(rows: list[Migration]) -> None:
        assert all(each.postpone_completion for each in rows), rows

    before = [submission(1, choices=HELD), gate(), begun(1, "0"), begun(1, "1"), run(1, ready)[1]]
    assert killed_at_each_write(before, control(Command.POSTPONE_COMPLETE, 1), holds) > 2


@pytest.mark.parametrize("command", [Command.COMPLETE, Command.POSTPONE_COMPLETE])
def test_the_others_make_up_the_gate_that_a_shard_leaves_by_command(command: Command) -> None:
    world, _ = after(submission(1, choices=HELD), gate(), *run(1, "0"), on(control(command, 1), "1"))
    rows = rows_of(world)
    assert (rows["0"].gated, rows["0"].postpone_completion) == (False, False)
    assert (rows["1"].gate_id, rows["1"].postpone_completion) == (0, command is Command.POSTPONE_COMPLETE)


def test_the_leader_is_killed_while_a_shard_leaves_the_gate() -> None:
    """However far it comes, the others' gate opens in the end."""
    before = [submission(1, choices=HELD), gate(), *run(1, "0")]
    ended: list[list[Migration]] = []
    assert killed_at_each_write(before, on(control(Command.COMPLETE, 1), "1"), ended.append) > 2
    for rows in ended[1::2]:
        assert not any(each.gated for each in rows), rows


def another(number: int, sent: Submission, **choices: Any) -> Submission:
    """The same statement in the same context as another migration."""
    [item] = sent.submitted
    item = msgspec.structs.replace(
        item, migration_uuid=uuid(number), choices=msgspec.structs.replace(item.choices, **choices)
    )
    return msgspec.structs.replace(sent, request_id=f"r{number}", submitted=(item,))


def test_a_member_that_ends_as_a_duplicate_keeps_no_gate_shut() -> None:
    """It is complete on one shard, where its turn comes after the gate was put on."""
    first = submission(1)
    world, term = after(
        first,
        *(begun(1, shard) for shard in ("0", "1")),
        told(Completed, 1, "0"),
        told(Failed, 1, "1", error=MigrationFailed().info()),
        submission(2, table="t9"),
        another(3, first, postpone_completion=True),
    )
    assert rows_of(world, 3)["0"].migration_status is Status.QUEUED, "another one copies"
    world.log += [on(control(Command.CANCEL, 2), "1"), *run(3, "1"), gate(3)]
    decide(world, term)
    assert rows_of(world, 3)["1"].gated
    world.log.append(control(Command.CANCEL, 2))
    decide(world, term)
    rows = rows_of(world, 3)
    assert rows["0"].message.startswith("duplicate DDL as")
    assert (rows["1"].gated, rows["1"].postpone_completion) == (False, False)


def test_a_member_that_fails_because_of_an_older_failure_is_named() -> None:
    world, _ = after(
        submission(1),
        *(begun(1, shard) for shard in ("0", "1")),
        told(Failed, 1, "0", error=MigrationFailed().info()),
        told(Completed, 1, "1"),
        submission(2, table="t9"),
        submission(3, choices=msgspec.structs.replace(HELD, in_order_completion=True)),
        gate(3),
        *(sent for shard in ("0", "1") for sent in (begun(2, shard), told(Completed, 2, shard))),
    )
    rows = rows_of(world, 3)
    assert rows["0"].migration_status is Status.FAILED
    assert rows["1"].gated
    assert "kept shut by shard 0" in rows["1"].message


def test_a_later_gate_takes_over_the_shards_it_names() -> None:
    """One that waits in a gate of its own would complete alone."""
    world, term = after(submission(1, choices=HELD), gate(1, "0"), gate(1), *run(1, "0"))
    rows = rows_of(world)
    assert {each.gate_id for each in rows.values()} == {3}
    assert all(each.gated for each in rows.values())
    world.log += run(1, "1")
    decide(world, term)
    assert not any(each.gated for each in rows_of(world).values())


def test_the_same_gate_again_changes_nothing() -> None:
    held = [running(shard=shard, **GATE) for shard in ("0", "1")]
    sent = Control(command=Command.COMPLETE, keyspace="commerce", migration_uuid=UUID, gate=True)
    assert effects(decide_control(sent, Known(held), at(20))) == {"0": "waits for all shards already"} | {
        "1": "waits for all shards already"
    }
    left = [held[0], held[1].evolve(gated=False, gate_id=0, gate_shards=())]
    new = decide_control(sent, Known(left), at(20)).records
    assert [(each.gate_id, each.gate_shards) for each in new] == [(20, ("0", "1"))] * 2


def effects(decision: Decision) -> dict[str, str]:
    assert isinstance(decision.outcome, Answered)
    return {each.shard: each.message for each in decision.outcome.effects}


AT_ONCE: dict[str, Any] = {"is_immediate_operation": True, "exclusive_phases": ("copy",), "tail_phases": ("cut-over",)}


@pytest.mark.parametrize("command", ["gate", "postpone"])
@pytest.mark.parametrize(
    ("before", "kept"),
    [
        (row(postponable=False), False),
        (running(postponable=False, pausable=False), False),
        (row(is_immediate_operation=True, pausable=False), True),
        (row(Status.READY, is_immediate_operation=True, pausable=False), True),
        (running(is_immediate_operation=True, pausable=False), False),
        (running(), True),
        (running(stage="prepare", special_plan="instant", **AT_ONCE), False),
        (running(stage="copy", special_plan="instant", **AT_ONCE), True),
    ],
)
def test_a_hold_that_cannot_be_kept_is_refused(command: str, before: Migration, kept: bool) -> None:
    sent = Control(
        command=Command.COMPLETE if command == "gate" else Command.POSTPONE_COMPLETE,
        keyspace="commerce",
        migration_uuid=UUID,
        gate=command == "gate",
    )
    decision = decide_control(sent, Known([before]), at())
    assert [new.postpone_completion for new in decision.records] == ([True] if kept else [])
    [text] = effects(decision).values()
    assert ("cannot be held back" in text) != kept


def test_a_gate_is_made_of_those_that_can_wait() -> None:
    gone = running(shard="0", is_immediate_operation=True, pausable=False)
    waits = row(shard="1", is_immediate_operation=True, pausable=False)
    sent = Control(command=Command.COMPLETE, keyspace="commerce", migration_uuid=UUID, gate=True)
    [new] = decide_control(sent, Known([gone, waits]), at()).records
    assert (new.shard, new.gate_shards) == ("1", ("1",))


def test_what_waits_already_stays_in_a_gate_though_it_runs() -> None:
    waiting = running(is_immediate_operation=True, pausable=False, postpone_completion=True)
    sent = Control(command=Command.COMPLETE, keyspace="commerce", migration_uuid=UUID, gate=True)
    assert [new.gated for new in decide_control(sent, Known([waiting]), at()).records] == [True]


@pytest.mark.parametrize("command", [Command.COMPLETE, Command.POSTPONE_COMPLETE])
def test_what_leaves_a_gate_no_longer_says_what_keeps_it_shut(command: Command) -> None:
    for before, then in (
        ("the gate is kept shut by shard 1", ""),
        ("no sign of life for 9 s", "no sign of life for 9 s"),
    ):
        waiting = running(message=before, **GATE)
        sent = Control(command=command, keyspace="commerce", migration_uuid=UUID)
        [new] = decide_control(sent, Known([waiting]), at()).records
        assert (new.message, new.gate_id, new.gate_shards) == (then, 0, ())
        assert new.event is not None
        assert "leaves the gate" in new.event.message
