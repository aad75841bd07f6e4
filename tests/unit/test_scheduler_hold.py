"""A keyspace or shards of it are held: nothing begins there, runs wait."""

from __future__ import annotations

from alterd_contracts.events import Fact
from alterd_contracts.migration import Hold
from alterd_contracts.requests import Command, Refusal
from alterd_contracts.states import Status
from alterd_scheduler.controls import decide_control
from alterd_scheduler.decide import decide
from alterd_scheduler.decisions import Known
from alterd_scheduler.reports import Limits
from tests.unit.test_scheduler_commands import after, answer, control, several, to_all
from tests.unit.test_scheduler_rules import NOW, at, request, row, running


def test_it_makes_all_wait_that_is_pending_there_and_nothing_else() -> None:
    decision = decide_control(to_all(Command.HOLD, message="incident 7"), Known(several()), at())
    assert [(hold.keyspace, hold.shard, hold.message) for hold in decision.held] == [("commerce", "_", "incident 7")]
    assert len(decision.records) == 3
    assert all(new.held and new.paused and new.keyspace == "commerce" for new in decision.records)
    assert decision.told is not None
    assert decision.told.fact is Fact.HELD
    [effect] = answer(decision).effects
    assert (effect.affected, effect.message) == (1, "held, with 3 pending migrations")


def test_a_shard_alone() -> None:
    decision = decide_control(to_all(Command.HOLD, shards=("1",)), Known(several()), at())
    assert [new.shard for new in decision.records] == ["1"]


def test_what_is_submitted_or_retried_meanwhile_waits_too() -> None:
    hold = Hold(keyspace="commerce", shard="1", since=NOW)
    decision = decide(request(), Known([], [hold]), at(), next_id=1, limits=Limits())
    assert [(new.shard, new.paused) for new in decision.records] == [("0", False), ("1", True)]
    failed = Known([row(Status.FAILED, shard="1")], [hold])
    [again] = decide(control(Command.RETRY), failed, at(), next_id=1, limits=Limits()).records
    assert (again.held, again.paused) == (True, True)


def test_its_end_leaves_paused_what_a_user_paused() -> None:
    hold = Hold(keyspace="commerce", shard="_", since=NOW)
    rows = [
        running(shard="0", held=True, paused=True, pause_requested=True),
        running(shard="1", held=True, paused=True),
    ]
    decision = decide_control(to_all(Command.RELEASE), Known(rows, [hold]), at())
    assert decision.released == (hold,)
    assert [(new.shard, new.held, new.paused) for new in decision.records] == [
        ("0", False, True),
        ("1", False, False),
    ]


def test_what_is_resumed_under_it_goes_on_when_it_ends() -> None:
    before = running(held=True, paused=True, pause_requested=True)
    new, text = after(before, control(Command.RESUME))
    assert new is not None
    assert (new.paused, new.pause_requested) == (True, False)
    assert "alterd release" in text


def test_a_shard_stays_held_under_the_hold_of_its_keyspace() -> None:
    holds = [Hold(keyspace="commerce", shard=shard, since=NOW) for shard in ("_", "1")]
    rows = [running(shard="1", held=True, paused=True)]
    decision = decide_control(to_all(Command.RELEASE, shards=("1",)), Known(rows, holds), at())
    assert decision.released == (holds[1],)
    assert decision.records == ()
    both = decide_control(to_all(Command.RELEASE), Known(rows, holds), at())
    assert set(both.released) == set(holds)
    assert not both.records[0].paused


def test_twice_is_once() -> None:
    hold = Hold(keyspace="commerce", shard="_", since=NOW)
    again = decide_control(to_all(Command.HOLD), Known([], [hold]), at())
    assert (again.held, again.told, answer(again).affected) == ((), None, 0)
    none = decide_control(to_all(Command.RELEASE), Known([]), at())
    assert (none.released, none.told, answer(none).affected) == ((), None, 0)


def test_it_is_for_a_keyspace() -> None:
    assert isinstance(decide_control(control(Command.HOLD), Known([row()]), at()).outcome, Refusal)
