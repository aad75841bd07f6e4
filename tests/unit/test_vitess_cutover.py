"""Decisions about the cut-over: flags, force, who may be ended, how far replicas are behind."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alterd_contracts.errors import InvalidStrategy
from alterd_contracts.migration import Migration
from alterd_contracts.statement import StatementKind
from alterd_contracts.strategy import Wanted
from alterd_direct.direct import Direct
from alterd_direct.mysql import Mysql
from alterd_runtime.ddl_strategy import check_options, options_of, parse_ddl_strategy, zero_dates_allowed
from alterd_vitess.blockers import BACKUPS, End, found_in
from alterd_vitess.cutover import lock_patience
from alterd_vitess.flags import Asked, threshold_of
from alterd_vitess.gtid import GtidSet
from alterd_vitess.replicas import Samples
from alterd_vitess.vitess import Vitess

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SOURCE = "3e11fa47-71ca-11e1-9e33-c80aa9429562"


def record(options: str, kind: StatementKind = StatementKind.ALTER_TABLE) -> Migration:
    return Migration(
        id=1,
        migration_uuid="9e8a9249_3976_11ed_9442_0a43f95f28a3",
        keyspace="commerce",
        shard="0",
        mysql_schema="commerce",
        mysql_table="t",
        migration_statement="ALTER TABLE t ADD a INT",
        strategy="vitess",
        options=options,
        statement_kind=kind,
    )


def row(**columns: Any) -> dict[str, Any]:
    """A client that has an idle transaction on the table."""
    return {
        "object": "TABLE",
        "table": "t",
        "type": "SHARED_WRITE",
        "id": 17,
        "user": "app",
        "host": "10.0.0.7",
        "thread": "thread/sql/one_connection",
        "command": "Sleep",
        "since": 5,
        "program": None,
        "age": 5.0,
        "autocommit": "NO",
        "xa": None,
        **columns,
    }


class TestFlags:
    def test_what_is_not_written_keeps_its_default(self) -> None:
        assert Asked.of(record("")) == Asked()
        options = options_of(record(""), Vitess().declare())
        assert options.seconds("cut-over-threshold") == 10
        assert options.seconds("retain-artifacts") == 0

    def test_what_is_written(self) -> None:
        asked = Asked.of(record("--allow-zero-in-date -analyze-table --force-cut-over-after=1h --postpone-completion"))
        assert asked == Asked(zero_dates=True, analyze_source=True, force_after=3600)

    @pytest.mark.parametrize(
        ("strategy", "flags"),
        [
            (Vitess(), "--cut-over-threshold=4s"),
            (Vitess(), "--cut-over-threshold=31s"),
            (Vitess(), "--force-cut-over-after=-1s"),
            (Vitess(), "--force-cut-over-after"),
            (Vitess(), "--retain-artifacts=10ms"),
            (Vitess(), "--analyze-table=true"),
            (Direct(), "--postpone-completion"),
            (Mysql(), "--allow-zero-in-date"),
            (Mysql(), "--force-cut-over-after=1s"),
            (Direct(), "--retain-artifacts=1h"),
        ],
    )
    def test_what_is_refused(self, strategy: Vitess | Mysql | Direct, flags: str) -> None:
        declaration = strategy.declare()
        with pytest.raises(InvalidStrategy):
            check_options(parse_ddl_strategy(f"{declaration.strategy} {flags}"), declaration)

    @pytest.mark.parametrize(
        ("strategy", "flags"), [(Mysql(), "--retain-artifacts=1h"), (Direct(), "--allow-zero-in-date")]
    )
    def test_what_the_others_have(self, strategy: Mysql | Direct, flags: str) -> None:
        declaration = strategy.declare()
        assert check_options(parse_ddl_strategy(f"{declaration.strategy} {flags}"), declaration).given

    def test_every_flag_explains_itself(self) -> None:
        assert all(flag.help for flag in Vitess().declare().flags)

    def test_zero_dates_are_found_in_whatever_else_is_written(self) -> None:
        assert zero_dates_allowed("--max-load=Threads_running=9 -allow-zero-in-date")
        assert not zero_dates_allowed("--label='--allow-zero-in-date please'")


class TestForce:
    def test_never_unless_asked_for(self) -> None:
        assert not Asked().forced(Wanted(), due_for=1e9)
        assert Asked().forced(Wanted(force_cutover=True), due_for=0)

    @given(st.floats(0.002, 1e6), st.floats(0, 2e6))
    def test_after_so_long_and_not_before(self, after: float, due_for: float) -> None:
        assert Asked(force_after=after).forced(Wanted(), due_for) == (due_for >= after)

    @given(st.floats(1e-9, 0.001), st.floats(0, 1e6))
    def test_up_to_a_millisecond_means_at_once(self, after: float, due_for: float) -> None:
        assert Asked(force_after=after).forced(Wanted(), due_for)

    def test_the_threshold_is_the_records(self) -> None:
        assert threshold_of(Wanted()) == 10
        assert threshold_of(Wanted(cutover_threshold_seconds=25)) == 25


class TestWhoMayBeEnded:
    @pytest.mark.parametrize(
        "columns",
        [
            {},
            {"command": "Query"},
            {"autocommit": None, "age": None, "type": "SHARED_READ_ONLY"},  # LOCK TABLES
            {"xa": "ACTIVE"},
            {"object": "VIEW", "type": ""},
            {"object": "VIEW", "type": "", "command": "Query"},
        ],
    )
    def test_a_session_that_holds_something(self, columns: dict[str, Any]) -> None:
        [found] = found_in([row(**columns)], 1)
        assert (found.id, found.end) == (17, End.SESSION)

    @pytest.mark.parametrize("columns", [{"autocommit": "YES"}, {"autocommit": None, "age": None}])
    def test_a_statement_alone(self, columns: dict[str, Any]) -> None:
        [found] = found_in([row(command="Query", **columns)], 1)
        assert found.end is End.STATEMENT

    @pytest.mark.parametrize(
        "columns",
        [
            {"id": None, "user": None},
            {"xa": "PREPARED"},
            {"object": "BACKUP LOCK", "type": "SHARED"},
            {"object": "GLOBAL", "type": "SHARED"},
            {"object": "COMMIT", "type": "SHARED"},
            {"type": "SHARED_NO_WRITE"},
            {"user": "system user", "command": "Query"},
            {"user": "event_scheduler"},
            {"thread": "thread/sql/replica_worker"},
            {"thread": "thread/sql/slave_sql"},
            {"thread": "thread/group_rpl/THD_applier_module_receiver"},
            {"program": "alterd:9e8a9249_3976_11ed_9442_0a43f95f28a3:2:commerce/0"},
            *({"program": program} for program in BACKUPS),
        ],
    )
    def test_nobody_else(self, columns: dict[str, Any]) -> None:
        [found] = found_in([row(**columns)], 1)
        assert found.end is End.NOTHING
        assert found.words

    @given(st.permutations(["TABLE", "VIEW", "BACKUP LOCK", "GLOBAL", "COMMIT"]))
    def test_who_takes_a_backup_is_spared_whatever_else_it_holds(self, objects: list[str]) -> None:
        assert {each.end for each in found_in([row(object=name) for name in objects], 1)} == {End.NOTHING}

    def test_what_must_not_be_ended_comes_first(self) -> None:
        found = found_in([row(id=1), row(id=2, xa="PREPARED"), row(id=3)], 1)
        assert [each.id for each in found] == [2, 1, 3]

    def test_a_young_transaction_is_over_soon_but_a_backup_is_not(self) -> None:
        assert found_in([row(age=0.5)], 1) == []
        assert len(found_in([row(age=0.5)], 0)) == 1
        assert len(found_in([row(age=0.5, type="SHARED_NO_WRITE")], 1)) == 1


def gtids(last: int) -> GtidSet:
    return GtidSet.of(SOURCE, 1, last)


class TestReplicas:
    def test_near_enough(self) -> None:
        samples = Samples()
        for second in range(5):
            samples.take(second, gtids(10 + second))
        assert samples.behind(4.0, gtids(14), allowed=5) is None
        assert samples.behind(4.0, gtids(10), allowed=5) is None
        assert samples.behind(4.0, gtids(10), allowed=3) == 4
        assert samples.behind(4.0, gtids(9), allowed=5) == 4

    def test_what_has_not_been_seen_yet_is_not_believed(self) -> None:
        samples = Samples()
        samples.take(0.0, gtids(10))
        assert samples.behind(0.0, gtids(9), allowed=5) == 0

    @given(st.lists(st.floats(0, 10), min_size=1, max_size=30), st.integers(0, 30), st.floats(0, 20))
    def test_it_says_near_only_for_what_was_seen_within_the_time(
        self, gaps: list[float], has: int, allowed: float
    ) -> None:
        samples, now, taken = Samples(), 0.0, []
        for number, gap in enumerate(gaps):
            now += gap
            samples.take(now, gtids(number + 1))
            taken.append(now)
        near = samples.behind(now, gtids(has) if has else GtidSet(), allowed) is None
        assert near == any(now - at <= allowed for number, at in enumerate(taken) if number + 1 <= has)


def test_the_locks_are_waited_for_longer_each_time_they_were_not_had_and_never_much_longer() -> None:
    assert [lock_patience(missed) for missed in (0, 1, 2, 3, 4, 10_000)] == [0.3, 0.6, 1.2, 2.4, 2.4, 2.4]
