"""The scheduler under random inputs, duplicates, old reports, crashes and woken leaders.

The machine plays the log and the executors; the term is the product's own, in a world that lies in memory. A crash may
happen at any single write, exactly as when the process is killed: memory is gone, the cursor is where it was, and the
next leader reads the log again.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings
from hypothesis.stateful import invariant

from alterd_contracts.events import MigrationEvent
from alterd_contracts.inputs import (
    Completed,
    Failed,
    ReleasedReport,
)
from alterd_contracts.migration import Migration
from alterd_contracts.states import TRANSITIONS, Status
from alterd_contracts.strategy import Wanted
from alterd_scheduler.admission import admit
from alterd_scheduler.facts import Moment
from alterd_scheduler.gates import ready_so_far
from tests.unit.scheduler_histories import SchedulerHistories
from tests.unit.scheduler_liveness import left_in_the_end
from tests.unit.scheduler_world import BEGIN

BROKEN = (Status.FAILED, Status.CANCELLED)


class SchedulerMachine(SchedulerHistories):
    """The rules, checked after each step."""

    # The rules of the queue ------------------------------------------------------------------------------------

    @invariant()
    def one_that_is_not_concurrent_at_a_time(self) -> None:
        """But for those in order after it: they had only to wait for it when it began, or went on."""
        for lane in self.lanes():
            alone = [row for row in by_place(lane) if busy(row) and not row.parked and not row.allow_concurrent]
            assert all(row.in_order_completion for row in alone[1:]), lane

    @invariant()
    def never_two_on_one_table(self) -> None:
        for lane in self.lanes():
            tables = [row.mysql_table.casefold() for row in lane if busy(row)]
            assert len(tables) == len(set(tables)), lane

    @invariant()
    def none_begins_before_an_earlier_one_on_its_table(self) -> None:
        """Unless that waited for its launch, or was queued again, at that time."""
        ready, waiting = {}, {}
        for place, event in enumerate(self.world.events):
            key = (event.shard, event.migration_uuid)
            if event.fact == "ready":
                ready[key] = place
            elif event.fact in ("queued", "launched", "retried"):
                waiting[key] = place
        for lane in self.lanes():
            for before, row in itertools.combinations(lane, 2):
                same = before.mysql_table.casefold() == row.mysql_table.casefold()
                if same and not busy(before) and busy(row) and not before.postpone_launch:
                    assert waiting[before.shard, before.migration_uuid] > ready[row.shard, row.migration_uuid], (
                        before,
                        row,
                    )

    @invariant()
    def one_exclusive_phase_on_a_shard(self) -> None:
        last: dict[tuple[str, str], str] = {}  # who says that it is ready copies no more, whatever its phase
        for event in self.world.events:
            if event.fact == "phase" or (event.fact == "ready_to_complete" and event.ready_to_complete):
                last[event.shard, event.migration_uuid] = event.fact
        for lane in self.lanes():
            assert sum(row.exclusive for row in lane) <= 1, lane
            for row in lane:
                phase = last.get((row.shard, row.migration_uuid)) == "phase"
                begun = busy(row) and row.stage in row.exclusive_phases and phase
                assert row.exclusive or row.exclusive_wanted or not begun, row
                assert not Wanted.of(row).exclusive or row.exclusive or not row.exclusive_phases

    @invariant()
    def nothing_that_may_go_on_is_left_waiting(self) -> None:
        """Of what is queued, the first that nobody holds back waits for a rule that somebody busy is the reason of."""
        for lane in self.lanes():
            free = [row for row in lane if not held_back(row)]
            if free and free[0] is lane[0]:
                assert busy(lane[0]) or any(busy(row) for row in lane), lane
            for row in lane:
                if row.parked and not row.pause_requested and not row.held:
                    assert any(in_the_way(other, row) for other in lane if other is not row), lane
                if row.exclusive_wanted and not row.parked:
                    assert any(other.exclusive for other in lane), lane
            assert admit(lane, Moment(now=BEGIN)) == []

    @invariant()
    def everything_ends_once_nobody_holds_it_back(self) -> None:
        """Nothing waits for what waits for it: what rows in order wait for can begin, and go on, and end."""
        for lane in self.lanes():
            assert left_in_the_end(lane) == [], lane

    @invariant()
    def what_is_to_run_is_handed_out(self) -> None:
        """But for what is paused and not to be cancelled."""
        for row in self.term.board:
            handed = f"{row.open_key}:{row.attempt}" in self.world.work
            if row.migration_status is Status.READY and not row.dispatch_delay:
                assert handed or (row.paused and not row.cancel_requested), row

    @invariant()
    def what_is_paused_has_no_place_but_its_table(self) -> None:
        for lane in self.lanes():
            for row in lane:
                assert row.paused == (row.pause_requested or row.held or row.parked), row
                assert not (row.parked and (row.exclusive or row.migration_status is Status.QUEUED)), row
                if row.parked:
                    assert not Wanted.of(row).may_complete

    @invariant()
    def what_is_held_back_does_not_begin(self) -> None:
        """Neither by a user, nor, where it completes as soon as it begins, by those before it."""
        self.world.records()
        for row in self.world.versions[self.began_checked :]:
            if row.event is not None and row.event.fact == "ready":
                assert row.migration_status is Status.READY
                assert not held_back(row), row
                if row.is_immediate_operation:
                    assert row.in_order_completion_pending_count == 0, row
        self.began_checked = len(self.world.versions)

    @invariant()
    def in_order_nothing_completes_before_those_before_it(self) -> None:
        """A run may pass its point of no return only when nothing that was submitted before it is pending, but for what
        was queued again and needs what this run has.
        """
        for lane in self.lanes():
            for place, row in enumerate(by_place(lane)):
                if row.in_order_completion:
                    assert row.in_order_completion_pending_count == place
                    assert place == 0 or not Wanted.of(row).may_complete

    @invariant()
    def in_order_what_follows_a_failure_does_not_run(self) -> None:
        """And does not stay queued as if it could."""
        records = self.world.records().values()
        for row in records:
            if row.in_order_completion and row.migration_status.pending:
                for prior in records:
                    before = prior.shard == row.shard and prior.id < row.id
                    same = prior.migration_context == row.migration_context
                    if before and same and prior.migration_status in BROKEN:
                        assert (busy(row), row.cancel_requested) == (True, True), (row, prior)

    @invariant()
    def a_gate_opens_for_all_or_none(self) -> None:
        gates: dict[int, list[Migration]] = {}
        for row in self.world.records().values():
            if row.gate_id:
                gates.setdefault(row.gate_id, []).append(row)
        for rows in gates.values():
            opened = [row for row in rows if not row.gated]
            kept = [row for row in rows if row.gated and row.migration_status is not Status.COMPLETE]
            assert not opened or not kept, rows
            for row in rows:
                assert not row.gated or row.postpone_completion

    @invariant()
    def a_gate_opens_when_each_shard_it_names_is_ready(self) -> None:
        """Or has ended, or has left it by a command."""
        self.world.records()
        for row in self.world.versions[self.gates_checked :]:
            before = self.last.get((row.shard, row.migration_uuid))
            if before is not None and before.gated and not row.gated and row.gate_id == before.gate_id:
                if row.gate_id not in self.opened:
                    for shard in row.gate_shards:
                        other = self.last[shard, row.migration_uuid]
                        if other.gate_id == row.gate_id:
                            assert other.migration_status is Status.COMPLETE or ready_so_far(other), other
                        else:
                            assert other.input_seq > row.gate_id, other
                self.opened.add(row.gate_id)
            self.last[row.shard, row.migration_uuid] = row
        self.gates_checked = len(self.world.versions)

    @invariant()
    def no_gate_is_shut_whose_shards_are_all_ready(self) -> None:
        if not self.term._advancing.caught_up:
            return
        gates: dict[int, list[Migration]] = {}
        for row in self.world.records().values():
            if row.gated and row.migration_status is not Status.COMPLETE:
                gates.setdefault(row.gate_id, []).append(row)
        for rows in gates.values():
            waiting = [
                row
                for row in rows
                if not ready_so_far(row)
                or (row.migration_status is Status.QUEUED and not self.term._advancing._startable(row))
            ]
            assert waiting, rows
            broken = [row for row in rows if row.migration_status in BROKEN]
            for row in rows if broken else []:
                told = all(f"shard {other.shard}, " in row.message for other in broken)
                assert told or not row.migration_status.pending or row.cancel_requested or row.message, row

    @invariant()
    def a_hold_that_is_answered_can_be_kept(self) -> None:
        self.world.records()
        for row in self.world.versions[self.holds_checked :]:
            if row.event is not None and row.event.fact in ("completion_postponed", "completion_gated"):
                assert row.postponable, row
        self.holds_checked = len(self.world.versions)

    @invariant()
    def what_a_gate_lets_through_begins_at_once(self) -> None:
        """On every shard: no shard is ahead because another one waits behind somebody."""
        opened: set[tuple[str, str]] = set()
        for event in self.world.events:
            key = (event.shard, event.migration_uuid)
            if key in opened:
                assert event.fact in ("ready", "completed"), event
                opened.discard(key)
            if event.fact == "gate_opened" and event.migration_status is Status.QUEUED:
                opened.add(key)
        assert not opened

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


def busy(row: Migration) -> bool:
    return row.migration_status is not Status.QUEUED


def held_back(row: Migration) -> bool:
    return row.postpone_launch or row.paused or (row.is_immediate_operation and row.postpone_completion)


def by_place(lane: list[Migration]) -> list[Migration]:
    """In the order in which they may complete."""

    def keeps_out(other: Migration, row: Migration) -> bool:
        if other.id <= row.id or not busy(other) or not other.in_order_completion:
            return False
        to_the_end = other.exclusive and not other.tail_phases
        same = other.mysql_table.casefold() == row.mysql_table.casefold()
        return (not busy(row) and (same or to_the_end)) or (row.exclusive_wanted and to_the_end)

    return sorted(lane, key=lambda row: max([row.id, *(each.id + 0.5 for each in lane if keeps_out(each, row))]))


def in_the_way(other: Migration, row: Migration) -> bool:
    """Of one that was paused and is to go on."""
    if not busy(other) or other.parked:
        return False
    alone = not other.allow_concurrent and not row.allow_concurrent
    return alone or (row.exclusive_wanted and (other.exclusive or other.exclusive_wanted))


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
