"""A migration over its shards as users see it, and its story."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from alterd_cli.aggregate import advice, aggregate, by_migration
from alterd_cli.display import describe, doing
from alterd_cli.rules import ratio_of
from alterd_cli.story import Told, cells, story_of, summary_of
from alterd_contracts.events import CommandGiven, Fact, MigrationEvent
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Command, ThrottleRule
from alterd_contracts.states import Status
from alterd_scheduler.facts import event_of
from tests.unit.test_scheduler_rules import NOW, UUID, row

OTHER = UUID.replace("9e8a", "0000")


def shards(*statuses: Status, **columns: Any) -> list[Migration]:
    return [row(status, shard=f"{number}-", **columns) for number, status in enumerate(statuses)]


def test_rows_of_one_migration_come_together() -> None:
    rows = [row(shard="0"), row(shard="0", migration_uuid=OTHER), row(shard="1")]
    assert [[each.shard for each in group] for group in by_migration(rows)] == [["0", "1"], ["0"]]


def test_one_word_where_all_shards_are_in_one_state_else_each_with_its_count() -> None:
    assert aggregate(shards(Status.RUNNING, Status.RUNNING)).status == "running"
    mixed = shards(Status.COMPLETE, Status.FAILED, Status.RUNNING, Status.COMPLETE)
    assert aggregate(mixed).status == "failed 1, running 1, complete 2"


def test_progress_is_weighed_by_rows_where_all_are_known() -> None:
    rows = [
        row(Status.RUNNING, shard="0", progress=10.0, table_rows=900, rows_copied=90),
        row(Status.COMPLETE, shard="1", progress=100.0, table_rows=100, rows_copied=100),
    ]
    whole = aggregate(rows)
    assert (whole.progress, whole.rows_copied, whole.table_rows) == (19.0, 190, 1000)
    rows[1] = rows[1].evolve(table_rows=0)
    assert aggregate(rows).progress == 55.0


def test_it_is_over_when_its_last_shard_is_and_takes_as_long_as_its_slowest() -> None:
    rows = shards(Status.COMPLETE, Status.COMPLETE)
    rows = [each.evolve(completed_timestamp=NOW + timedelta(hours=at)) for at, each in enumerate(rows)]
    assert aggregate(rows).completed == NOW + timedelta(hours=1)
    assert aggregate([*rows, row(Status.RUNNING, shard="x", eta_seconds=7)]).completed is None
    running = [row(Status.RUNNING, shard=name, eta_seconds=eta) for name, eta in (("0", 7), ("1", 30))]
    assert aggregate(running).eta_seconds == 30
    assert aggregate([*running, row(Status.RUNNING, shard="2")]).eta_seconds == -1


def test_why_it_failed_is_said_first() -> None:
    rows = [row(Status.RUNNING, shard="0", stage="copy"), row(Status.FAILED, shard="1", message="no space")]
    assert aggregate(rows).message == "1: no space"


class TestAdvice:
    def test_a_failed_shard_is_named_with_what_to_do_there_and_about_the_rest(self) -> None:
        rows = shards(Status.COMPLETE, Status.FAILED, Status.RUNNING)
        rows[1] = rows[1].evolve(message="no space")
        assert advice(rows) == [
            "shard 1- has failed: no space",
            f"  try again there: alterd retry {UUID} --shard 1-",
            f"  or give up the rest, shard 2-: alterd cancel {UUID} --shard 2-",
            "  the change has taken effect on shard 0-: the shards differ until this is mended",
        ]

    def test_nothing_is_to_be_done_where_all_go_on_or_all_have_ended_alike(self) -> None:
        for statuses in ((Status.RUNNING, Status.COMPLETE), (Status.FAILED, Status.FAILED), (Status.COMPLETE,)):
            assert advice(shards(*statuses)) == []


def test_what_holds_it_back_is_said() -> None:
    cases: tuple[tuple[dict[str, Any], str], ...] = (
        ({"postpone_launch": True}, "waits for `alterd launch`"),
        ({"paused": True}, "paused"),
        ({"paused": True, "held": True, "postpone_launch": True}, "on hold"),
        ({"postpone_completion": True, "is_immediate_operation": True}, "waits for `alterd complete`"),
    )
    for columns, text in cases:
        assert doing(row(**columns)) == text
    assert describe(row(Status.RUNNING, stage="copy", paused=True)) == "copy, paused"


def test_the_highest_ratio_counts_on_what_is_pending() -> None:
    def rule(app: str, ratio: float, shard: str = "_") -> ThrottleRule:
        return ThrottleRule(keyspace="commerce", shard=shard, app=app, ratio=ratio, expire_at=NOW)

    rules = [rule("online-ddl", 0.2), rule(UUID, 0.5, "0"), rule(OTHER, 1.0)]
    assert ratio_of(row(Status.RUNNING), rules) == 0.5
    assert ratio_of(row(Status.RUNNING, shard="1"), rules) == 0.2
    assert ratio_of(row(Status.COMPLETE), rules) == 0.0
    assert ratio_of(row(keyspace="another"), rules) == 0.0


class TestStory:
    def fact(self, seconds: int, fact: Fact, **columns: Any) -> MigrationEvent:
        return event_of(row(**columns), fact, NOW + timedelta(seconds=seconds), caller="ann")

    def command(self, seconds: int, uuid: str = "", shards: tuple[str, ...] = ()) -> CommandGiven:
        return CommandGiven(
            id=f"c{seconds}",
            time=NOW + timedelta(seconds=seconds),
            fact=Fact.HELD,
            command=Command.HOLD,
            keyspace="commerce",
            migration_uuid=uuid,
            shards=shards,
            caller="bob",
            message="on hold",
        )

    def test_what_was_said_to_the_keyspace_while_it_was_pending_belongs_to_it(self) -> None:
        facts: list[Told] = [
            self.command(0),
            self.fact(1, Fact.QUEUED),
            self.command(2, shards=("0",)),
            self.command(3, shards=("1",)),
            self.fact(4, Fact.COMPLETED, migration_status=Status.COMPLETE),
            self.command(5),
        ]
        told = story_of(facts, UUID)
        assert [(event.time - NOW).seconds for event in told] == [1, 2, 3, 4]
        assert [(event.time - NOW).seconds for event in story_of(facts, UUID, ["0"])] == [1, 2, 4]
        assert story_of(facts, OTHER) == []

    def test_what_was_said_to_the_keyspace_is_no_story_of_a_shard_without_a_fact(self) -> None:
        facts: list[Told] = [self.fact(1, Fact.QUEUED), self.command(2), self.fact(4, Fact.STARTED)]
        assert [(event.time - NOW).seconds for event in story_of(facts, UUID, ["0"])] == [1, 2, 4]
        assert story_of(facts, UUID, ["99"]) == []

    def test_a_line_says_when_where_what_who_and_why(self) -> None:
        assert cells(self.command(2, shards=("0",))) == ("2026-01-01 00:00:02", "0", "held", "", "bob", "on hold")
        line = cells(self.fact(1, Fact.STARTED, attempt=2, message="hello"))
        assert line == ("2026-01-01 00:00:01", "0", "started", "2", "ann", "hello")

    def test_it_ends_with_how_each_shard_stands(self) -> None:
        told = [self.fact(1, Fact.STARTED, attempt=1, status=Status.RUNNING), self.fact(2, Fact.QUEUED, shard="1")]
        assert summary_of(told) == "shard 0 running, attempt 1 · shard 1 queued, attempt 0"
