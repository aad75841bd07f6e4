"""In order: nobody waits for one that it keeps out itself, and an older failure is told when a row is queued."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from alterd_contracts.errors import MigrationFailed
from alterd_contracts.inputs import Choices, Completed, Failed
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Command
from alterd_contracts.states import Status
from alterd_scheduler.admission import returning, settled
from alterd_scheduler.decisions import Known
from alterd_scheduler.in_order import failed_by
from alterd_scheduler.reports import Limits, decide_report
from tests.unit.scheduler_liveness import left_in_the_end
from tests.unit.scheduler_world import World
from tests.unit.test_scheduler_concurrent import ALTER, CREATE, admitted, busy, queued
from tests.unit.test_scheduler_rules import at, report, row, running
from tests.unit.test_scheduler_terms import control, decide, killed_at_each_write, lead, run, submission, uuid

ORDER: dict[str, Any] = {"in_order_completion": True, **ALTER}
READY: dict[str, Any] = {"in_order_completion": True, "ready_to_complete": True, **ALTER}
TO_THE_END: dict[str, Any] = {"in_order_completion": True, "exclusive_phases": ("running",)}


def counts(*lane: Migration) -> dict[str, int]:
    """Of those before each, as the shard settles."""
    new = {row.migration_uuid: row for row in [*lane, *settled(list(lane))]}
    return {uuid: row.in_order_completion_pending_count for uuid, row in new.items() if row.in_order_completion}


@pytest.mark.parametrize(
    "held",
    [
        queued(1, postpone_completion=True, **CREATE),
        queued(1, postpone_launch=True, **ALTER),
        queued(1, paused=True, pause_requested=True, **ALTER),
        busy(1, paused=True, pause_requested=True, parked=True, **ALTER),
    ],
)
def test_it_does_not_take_the_place_that_an_earlier_one_still_needs(held: Migration) -> None:
    """Where both are not concurrent."""
    assert admitted(held, queued(2, **ORDER)) == []
    assert admitted(held, queued(2, **ALTER)) == ["m2"], "without the flag it overtakes"
    assert admitted(held, queued(2, allow_concurrent=True, **ORDER)) == ["m2"]
    assert left_in_the_end([held, queued(2, **ORDER)]) == []


def test_it_does_not_overtake_one_on_its_table_that_waits_for_its_launch() -> None:
    waits = queued(1, "a", postpone_launch=True, allow_concurrent=True, **ALTER)
    assert admitted(waits, queued(2, "A", allow_concurrent=True, **ORDER)) == []
    assert admitted(waits, queued(2, "A", allow_concurrent=True, **ALTER)) == ["m2"]


@pytest.mark.parametrize("ready", [False, True])
def test_one_queued_again_begins_beside_those_that_wait_in_order_for_it(ready: bool) -> None:
    again, waits = queued(1, **ALTER), busy(2, **{**READY, "ready_to_complete": ready})
    assert admitted(again, waits) == (["m1"] if ready else [])
    assert admitted(again, waits.evolve(in_order_completion=False)) == []
    assert admitted(waits.evolve(id=1), again.evolve(id=2)) == [], "it waits for none that is after it"
    assert left_in_the_end([again, waits]) == []


def test_one_that_goes_on_finds_room_beside_those_that_wait_in_order_for_it() -> None:
    parked, waits = busy(1, parked=True, paused=True, **ALTER), busy(2, **READY)
    assert returning([parked, waits.evolve(ready_to_complete=False)], at()) is None
    assert returning([parked, waits], at()) is not None


def test_those_that_wait_in_order_fill_no_shard() -> None:
    free: dict[str, Any] = {"allow_concurrent": True}
    waiting = [busy(number, **free, **READY) for number in (2, 3)]
    first, last = queued(1, **free, **ALTER), queued(4, **free, **ALTER)
    assert admitted(first, *waiting, last, most=2) == ["m1"]
    assert left_in_the_end([first, *waiting, last], most=2) == []
    parked = busy(1, parked=True, paused=True, **free, **ALTER)
    assert left_in_the_end([parked, *waiting], most=2) == []


def test_one_queued_again_stands_behind_the_one_in_order_that_has_its_table() -> None:
    """Else each would wait for the other; and for nobody else is it in its old place."""
    again, between = queued(1, "a", **ALTER), queued(2, "b", in_order_completion=True, **CREATE)
    has_it, after = busy(3, "A", allow_concurrent=True, **READY), queued(4, "c", allow_concurrent=True, **ORDER)
    lane = [again, between, has_it, after]
    assert counts(*lane) == {"m2": 0, "m3": 1, "m4": 3}
    assert admitted(*lane)[0] == "m2"
    assert counts(again, has_it) == {"m3": 0}
    assert counts(again.evolve(mysql_table="x"), has_it) == {"m3": 1}
    assert left_in_the_end(lane) == []


def test_what_keeps_the_exclusive_place_to_its_end_begins_in_its_turn() -> None:
    free: dict[str, Any] = {"allow_concurrent": True}
    assert admitted(queued(1, postpone_launch=True, **free), queued(2, **free, **TO_THE_END)) == []
    keeps = busy(2, exclusive=True, ready_to_complete=True, **free, **TO_THE_END)
    for again in (queued(1, **free, **ALTER), busy(1, exclusive_wanted=True, **free, **ALTER)):
        assert counts(again, keeps) == {"m2": 0}
        assert left_in_the_end([again, keeps]) == []


def test_one_that_completes_before_it_obeys_has_no_error() -> None:
    asked = failed_by(running(in_order_completion=True), row(Status.FAILED, id=0, migration_uuid="p"), at())
    assert asked is not None
    [new] = decide_report(report(Completed), Known([asked]), at(11), Limits()).records
    assert (asked.error_code, new.migration_status, new.error_code) == ("prior_failed", Status.COMPLETE, "")


HELD_CREATE = Choices(
    allow_concurrent=True,
    is_immediate_operation=True,
    tail_phases=("running",),
    in_order_completion=True,
    postpone_completion=True,
)


def failed_on_one_shard() -> list[msgspec.Struct]:
    """The first one fails on shard 0 and completes on shard 1."""
    (begins, ready), (begins_too, ready_too) = run(1, "0"), run(1, "1")
    said = {
        name: getattr(begins, name) for name in ("keyspace", "migration_uuid", "attempt", "executor", "incarnation")
    }
    failed = Failed(**said, shard="0", error=MigrationFailed("no space").info())
    return [submission(1), begins, ready, begins_too, ready_too, failed, Completed(**said, shard="1")]


def states(world: World, number: int) -> dict[str, tuple[Status, bool]]:
    rows = [row for row in world.records().values() if row.migration_uuid == uuid(number)]
    return {row.shard: (row.migration_status, row.gated) for row in rows}


def test_what_is_queued_after_a_failure_says_at_once_that_it_cannot_run() -> None:
    """Also what is held back, so that no gate opens for it elsewhere."""
    world = World()
    term = lead(world)
    world.log += [*failed_on_one_shard(), submission(2, choices=HELD_CREATE)]
    decide(world, term)
    assert states(world, 2) == {"0": (Status.FAILED, False), "1": (Status.QUEUED, False)}
    world.log.append(control(Command.COMPLETE, 2, gate=True))
    decide(world, term)
    assert states(world, 2) == {"0": (Status.FAILED, True), "1": (Status.QUEUED, True)}
    world.log.append(control(Command.RETRY, 2))
    decide(world, term)
    assert states(world, 2) == {"0": (Status.FAILED, True), "1": (Status.QUEUED, True)}, "the first one is still failed"
    world.log += [control(Command.RETRY, 1), control(Command.RETRY, 2)]
    decide(world, term)
    assert states(world, 2) == {"0": (Status.QUEUED, True), "1": (Status.QUEUED, True)}


@pytest.mark.parametrize("gate", [False, True])
def test_a_leader_that_is_killed_does_not_forget_an_older_failure(gate: bool) -> None:
    def holds(rows: list[Migration]) -> None:
        for each in rows:
            if each.migration_uuid == uuid(2):
                assert each.migration_status is (Status.FAILED if each.shard == "0" else Status.QUEUED)
                assert each.gated or not gate

    before = [*failed_on_one_shard(), submission(2, choices=HELD_CREATE)]
    if gate:
        assert killed_at_each_write(
            [*before, control(Command.COMPLETE, 2, gate=True)], control(Command.RETRY, 2), holds
        )
    else:
        assert killed_at_each_write(before[:-1], before[-1], holds) > 4
