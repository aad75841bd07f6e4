"""How the command line tells of a running migration."""

from __future__ import annotations

import io
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console

from alterd_cli import views
from alterd_cli.display import describe, doing, lag, progress_cell
from alterd_cli.history import event_line
from alterd_cli.output import compact
from alterd_cli.records import joined
from alterd_cli.views import Lines
from alterd_cli.views_bars import Bars
from alterd_contracts.events import Fact, MigrationEvent
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status
from tests.unit.test_cli_parts import NOW, UUID, progress, record


def running(**fields: Any) -> Migration:
    return record(migration_status=Status.RUNNING, attempt=1, **fields)


COPYING = {
    "stage": "copy",
    "progress": 24.7,
    "rows_copied": 123456,
    "table_rows": 500000,
    "eta_seconds": 75,
    "vreplication_lag_seconds": 0.8,
    "keys_waiting": 1234,
}


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, ""), (0.04, ""), (0.05, "0.1s"), (0.8, "0.8s"), (9.94, "9.9s"), (10.4, "10s"), (75, "1m15s")],
)
def test_lag_has_tenths_below_ten_seconds(value: float, text: str) -> None:
    assert lag(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (999, "999"), (1000, "1.0k"), (9960, "10k"), (123456, "123k"), (999500, "1.0M"), (4_500_000, "4.5M")],
)
def test_compact_numbers(value: int, text: str) -> None:
    assert compact(value) == text


def test_a_progress_cell_is_compact() -> None:
    assert progress_cell(running(**COPYING)) == "25% 123k/500k"
    assert progress_cell(running(progress=42.5)) == "42%"
    assert progress_cell(record(migration_status=Status.COMPLETE, progress=100.0, table_rows=5)) == "100%"
    assert progress_cell(record()) == "0%"


def test_a_copying_one_tells_all_its_numbers() -> None:
    assert describe(running(**COPYING)) == "copy, 123,456 / 500,000 rows, eta 1m15s, lag 0.8s, 1,234 keys waiting"
    assert doing(running(**COPYING)) == "copy"
    assert describe(running(rows_copied=17)) == "17 rows"
    assert describe(running(stage="running")) == ""


def test_what_it_waits_for_is_told() -> None:
    row = running(stage="copy", component_throttled="copy", reason_throttled="lag 7.3 > 5.0", eta_seconds=5)
    assert describe(row) == "copy, eta 5s, throttled: lag 7.3 > 5.0"
    blocked = running(stage="cut over", cutover_attempts=3, message="waits for connection 7 of app@10.0.0.7")
    assert describe(blocked) == "cut over, cut-over attempt 3: waits for connection 7 of app@10.0.0.7"
    assert doing(blocked) == describe(blocked)
    assert describe(running(cutover_attempts=3)) == "cut-over attempt 3"
    assert describe(running(cutover_attempts=3, stage="cut over: cut-over attempt 3")) == "cut over: cut-over attempt 3"
    own_words = "cut-over attempt 3 failed: connection 7; again in 4 s"
    assert describe(running(cutover_attempts=3, message=own_words)) == own_words
    assert describe(running(message="no sign of life for 300 s")) == "no sign of life for 300 s"
    assert describe(running(ready_to_complete=True)) == "ready to complete"
    assert describe(running(ready_to_complete=True, stage="x: ready to complete")) == "x: ready to complete"


def test_a_cancel_is_told_once() -> None:
    row = running(cancel_requested=True, cancel_message="CANCEL issued by user", message="CANCEL issued by user")
    assert describe(row) == "cancel requested"


def test_others_tell_their_message() -> None:
    row = record(migration_status=Status.FAILED, message="no space", rows_copied=5, table_rows=9, stage="copy")
    assert describe(row) == doing(row) == "no space"


@pytest.mark.parametrize(
    ("phase", "stage", "shown"),
    [
        ("copy", "", "copy"),
        ("copy", "chunk 12", "copy: chunk 12"),
        ("copy", "copy", "copy"),
        ("running", "Waiting for table metadata lock", "Waiting for table metadata lock"),
        ("running", "", "running"),
        ("", "", "of the record"),
    ],
)
def test_the_stage_is_the_phase_and_what_is_done_in_it(phase: str, stage: str, shown: str) -> None:
    assert joined(running(stage="of the record"), progress(phase=phase, stage=stage)).stage == shown


def test_a_running_one_shows_what_only_its_run_knows() -> None:
    row = joined(
        running(), progress(keys_waiting=7, vreplication_lag_seconds=3.14159, message="waits for connection 7")
    )
    assert (row.keys_waiting, row.vreplication_lag_seconds, row.message) == (7, 3.1, "waits for connection 7")
    assert joined(running(), progress(vreplication_lag_seconds=12.6)).vreplication_lag_seconds == 13


def test_rows_never_fall_while_a_later_attempt_begins() -> None:
    first = running(rows_copied=100, table_rows=500, progress=20.0)
    shown = joined(first, progress(1, rows_copied=300, table_rows=500, progress=60.0))
    assert (shown.rows_copied, shown.progress) == (300, 60.0)
    between = first.evolve(migration_status=Status.READY, attempt=2, rows_copied=300, progress=60.0)
    assert joined(between, progress(1, rows_copied=299)) == between
    second = between.evolve(migration_status=Status.RUNNING)
    again = joined(second, progress(2, rows_copied=5, table_rows=510, progress=1.0))
    assert (again.rows_copied, again.table_rows, again.progress) == (300, 510, 60.0)


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(views, "time", SimpleNamespace(monotonic=lambda: self.now))


def test_lines_for_each_turn_and_now_and_then_for_numbers(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, lines = Clock(monkeypatch), Lines(stderr=False)

    def told(seconds: float, **fields: Any) -> list[str]:
        clock.now += seconds
        lines.show(running(**fields), NOW)
        return [line.split(" orders ", 1)[1] for line in capsys.readouterr().out.splitlines()]

    assert told(0, stage="copy", progress=1.0) == ["running 1% copy"]
    assert told(1.9, stage="copy", progress=2.0) == []
    assert told(0.1, stage="copy", progress=3.0) == ["running 3% copy"]
    assert told(2, stage="copy", progress=3.0) == [], "nothing is new"
    assert told(0, stage="copy: chunk 1", progress=3.0) == ["running 3% copy: chunk 1"]
    assert told(0, stage="copy: chunk 2", progress=3.0) == []
    throttled = {"stage": "copy: chunk 2", "progress": 3.0}
    assert told(0, reason_throttled="lag 7.3 > 5", **throttled) == ["running 3% copy: chunk 2, throttled: lag 7.3 > 5"]
    assert told(1, reason_throttled="lag 8.1 > 5", **throttled) == []
    assert told(1, reason_throttled="lag 8.2 > 5", **throttled) == ["running 3% copy: chunk 2, throttled: lag 8.2 > 5"]
    assert told(0, reason_throttled="no word from the throttler", **throttled) != []
    assert told(0, **throttled) == ["running 3% copy: chunk 2"]
    assert told(0, stage="cut over", cutover_attempts=1) == ["running 0% cut over, cut-over attempt 1"]
    assert told(0, stage="cut over", cutover_attempts=2) != []
    assert told(0, stage="cut over", cutover_attempts=2, ready_to_complete=True) != []
    assert told(0, stage="cut over", cutover_attempts=2, ready_to_complete=True, cancel_requested=True) != []


def test_bars_on_a_terminal_show_bar_and_numbers_of_each_shard() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=80, color_system=None)
    bars = Bars(stderr=False, console=console)
    bars.show(running(**COPYING), NOW)
    bars.show(running(shard="-80", reason_throttled="lag 7.3 > 5 \x1b[2J"), NOW)
    cut_over = {**COPYING, "stage": "cut over", "cutover_attempts": 3, "message": "waits for connection 7 of app@h"}
    bars.show(running(**cut_over), NOW)
    bars.close()
    last = screen.getvalue().rsplit("9e8a9249 shop/0 ", 1)[1].splitlines()
    assert last[0].split() == ["drop", "orders", *last[0].split()[2:-2], "25%", "running"]
    assert "━" in last[0]
    text = " ".join(" ".join(last).split())
    assert "cut over, 123,456 / 500,000 rows, eta 1m15s, lag 0.8s, 1,234 keys waiting, cut-over" in text
    assert "attempt 3: waits for connection 7 of app@h" in text
    assert "throttled: lag 7.3 > 5 [2J" in text
    assert all(len(line.rstrip()) <= 80 for line in last)


def test_a_fact_says_how_far_the_run_was() -> None:
    event = MigrationEvent(
        id="1",
        time=datetime(2026, 1, 1, tzinfo=UTC),
        fact=Fact.CUTOVER_ATTEMPTED,
        keyspace="shop",
        shard="0",
        migration_uuid=UUID,
        migration_status=Status.RUNNING,
        strategy="vitess",
        ddl_action="alter",
        mysql_table="orders",
        attempt=1,
        message="attempt 3: waits for connection 7",
        rows_copied=500000,
        table_rows=500000,
    )
    assert event_line(event) == (
        f"2026-01-01 00:00:00  cutover_attempted shop/0 {UUID} alter orders #1 "
        "attempt 3: waits for connection 7 (500,000 / 500,000 rows)"
    )
