"""What comes a second time: one request delivered twice, a record that is forgotten, an old leader that wakes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from alterd_contracts.inputs import Control, RuleChanged, Submission
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Accepted, Answered, Command, Refusal
from alterd_contracts.states import Status
from alterd_runtime.bus import StaleWrite
from alterd_runtime.settings import SchedulerSettings
from alterd_scheduler.controls import decide_control
from alterd_scheduler.decisions import Known
from alterd_scheduler.submissions import ANSWERED, decide_submission
from tests.unit.scheduler_world import BEGIN, World, finish
from tests.unit.test_scheduler_rules import UUID, at, request, row
from tests.unit.test_scheduler_terms import control, decide, lead, submission, uuid


def decided(sent: Submission, rows: list[Migration], seq: int) -> list[Migration]:
    """The rows after the request."""
    decision = decide_submission(sent, Known(rows), at(seq), next_id=9)
    assert isinstance(decision.outcome, Accepted)
    new = {each.shard: each for each in decision.records}
    return [new.get(each.shard, each) for each in rows]


def failed(shard: str, **columns: Any) -> Migration:
    return row(Status.FAILED, shard=shard, input_seq=5, **columns)


def test_one_request_acts_as_a_retry_once_however_often_it_is_delivered() -> None:
    rows = decided(request("r2"), [failed("0"), failed("1")], 10)
    assert {each.migration_status for each in rows} == {Status.QUEUED}
    failed_again = [each.evolve(migration_status=Status.FAILED) for each in rows]
    assert decided(request("r2"), failed_again, 20) == failed_again
    assert decided(request("r1"), failed_again, 21) == failed_again, "the first one is another matter"
    assert {each.retries for each in decided(request("r3"), failed_again, 22)} == {2}


def test_a_request_that_found_nothing_to_retry_retries_nothing_later() -> None:
    rows = decided(request("r2"), [row(Status.RUNNING, shard=shard, input_seq=5) for shard in ("0", "1")], 10)
    assert [each.migration_status for each in rows] == [Status.RUNNING, Status.RUNNING]
    failed_since = [each.evolve(migration_status=Status.FAILED) for each in rows]
    assert decided(request("r2"), failed_since, 20) == failed_since


def test_a_request_that_is_half_written_is_finished() -> None:
    """A leader was killed between the shards."""
    half = [decided(request("r2"), [failed("0"), failed("1")], 10)[0], failed("1")]
    again = decided(request("r2"), half, 10)
    assert [each.retries for each in again] == [1, 1]
    assert again[0] == half[0]


def test_a_record_keeps_the_last_requests_only() -> None:
    rows = [row(Status.RUNNING, shard=shard) for shard in ("0", "1")]
    for number in range(ANSWERED + 9):
        rows = decided(request(f"again-{number}"), rows, 20 + number)
    assert len(rows[0].answered) == ANSWERED
    assert rows[0].has_answered("r1")
    assert rows[0].has_answered(f"again-{ANSWERED + 8}")
    assert not rows[0].has_answered("again-0")


def test_a_retry_goes_back_to_the_retention_that_was_submitted() -> None:
    """A cleanup asked for the artifacts of the try before."""
    sent = Control(command=Command.RETRY, keyspace="commerce", migration_uuid=UUID)
    for submitted, now, then in ((600, -1, 600), (0, -1, 0), (-1, -1, -1), (600, 600, 600)):
        before = failed("0", retain_artifacts_seconds=now, retain_artifacts_submitted=submitted)
        [new] = decide_control(sent, Known([before]), at()).records
        assert new.retain_artifacts_seconds == then


def test_what_was_submitted_is_kept_in_the_record() -> None:
    sent = request()
    [item] = sent.submitted
    choices = msgspec.structs.replace(item.choices, retain_artifacts_seconds=600, postponable=False)
    sent = msgspec.structs.replace(sent, submitted=(msgspec.structs.replace(item, choices=choices),))
    for new in decide_submission(sent, Known([]), at(), next_id=1).records:
        assert (new.retain_artifacts_submitted, new.postponable) == (600, False)


class TestPurge:
    """A migration is forgotten whole or not at all: a part that is forgotten would be taken for new."""

    def purge(self, *rows: Migration, shards: tuple[str, ...] = ()) -> tuple[list[str], Answered | Refusal]:
        sent = Control(command=Command.PURGE, keyspace="commerce", migration_uuid=UUID, shards=shards)
        decision = decide_control(sent, Known(rows), at())
        assert isinstance(decision.outcome, Answered | Refusal)
        return [each.shard for each in decision.purged], decision.outcome

    @pytest.mark.parametrize(
        ("other", "why"),
        [
            (row(Status.RUNNING, shard="1"), "is running"),
            (row(Status.FAILED, shard="1", artifacts="a,"), "has artifacts"),
        ],
    )
    def test_one_shard_keeps_all_and_is_named(self, other: Migration, why: str) -> None:
        gone, answer = self.purge(row(Status.COMPLETE, shard="0"), other)
        assert gone == []
        assert isinstance(answer, Answered)
        assert answer.affected == 0
        told = {each.shard: each.message for each in answer.effects}
        assert why in told["1"]
        assert "shard 1" in told["0"]

    def test_all_shards_go_together(self) -> None:
        gone, answer = self.purge(row(Status.COMPLETE, shard="0"), row(Status.CANCELLED, shard="1"))
        assert gone == ["0", "1"]
        assert isinstance(answer, Answered)
        assert answer.affected == 2

    def test_a_shard_alone_is_refused(self) -> None:
        rows = row(Status.COMPLETE, shard="0"), row(Status.COMPLETE, shard="1")
        gone, answer = self.purge(*rows, shards=("0",))
        assert gone == []
        assert isinstance(answer, Refusal)
        assert "--shard" in answer.errors[0].hint


def test_what_has_ended_is_kept_as_long_as_its_migration_is_pending_elsewhere() -> None:
    """Its time to live begins anew long before it is over: else the same uuid would run there again."""
    world = World()
    world.settings = SchedulerSettings(max_deaths=3, keep_records=1000.0)
    term = lead(world)
    world.log += [submission(1), msgspec.structs.replace(control(Command.CANCEL, 1), shards=("0",))]
    world.log += [submission(2), control(Command.CANCEL, 2)]
    decide(world, term)
    young = len(world.history)
    finish(term.keep_ended(BEGIN + timedelta(seconds=400)))
    assert len(world.history) == young, "less than half of its time is over"
    finish(term.keep_ended(BEGIN + timedelta(seconds=600)))
    renewed = [entry.key for entry in world.history[young:]]
    assert [key for key in renewed if key.startswith("done.")] == [f"done.commerce.0.{uuid(1)}"]
    assert [key.split(".")[0] for key in renewed] == ["prior", "done"], "with what finds it"


@pytest.mark.parametrize(
    "sent",
    [
        submission(2, singletons=("singleton",)),
        control(Command.LAUNCH, 1),
        control(Command.CANCEL, 7),
        submission(1),
        Control(command=Command.HOLD, keyspace="shop"),
        Control(command=Command.PURGE, keyspace="commerce", migration_uuid=uuid(3)),
        RuleChanged(command=Command.THROTTLE, keyspace="commerce"),
    ],
    ids=["singleton", "no effect", "unknown", "accepted before", "hold", "purge", "throttle"],
)
def test_a_leader_that_was_replaced_answers_nothing_and_tells_nothing(sent: msgspec.Struct) -> None:
    """Not even where its decision writes no record."""
    world = World()
    old = lead(world)
    world.log += [submission(1), submission(3), control(Command.CANCEL, 3)]
    decide(world, old)
    lead(world)
    world.answers.clear()
    published, written = world.published, len(world.history)
    world.log.append(sent)
    with pytest.raises(StaleWrite):
        decide(world, old)
    assert (world.answers, world.published, len(world.history)) == ([], published, written)
