"""Parts of the command line that need no server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from alterd_cli import supervision, watching
from alterd_cli.doctor import nats
from alterd_cli.output import echo_fields, echo_table, fitting, one_line, seconds
from alterd_cli.records import Latest, document, joined
from alterd_cli.selection import Selection
from alterd_cli.views import Lines
from alterd_cli.views_bars import Bars
from alterd_contracts.errors import InvalidName
from alterd_contracts.migration import COLUMNS, Migration
from alterd_contracts.states import Status
from alterd_contracts.work import Progress
from alterd_runtime.bus import Entry

UUID = "9e8a9249_3976_11ed_9442_0a43f95f28a3"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def record(**fields: Any) -> Migration:
    values: dict[str, Any] = {
        "id": 1,
        "migration_uuid": UUID,
        "keyspace": "shop",
        "shard": "0",
        "mysql_schema": "shop",
        "mysql_table": "orders",
        "migration_statement": "drop table orders",
        "strategy": "mysql",
        "ddl_action": "drop",
    }
    return Migration(**{**values, **fields})


def progress(attempt: int = 1, **fields: Any) -> Progress:
    values: dict[str, Any] = {
        "keyspace": "shop",
        "shard": "0",
        "migration_uuid": UUID,
        "attempt": attempt,
        "executor": "e",
        "liveness_timestamp": NOW,
    }
    return Progress(**{**values, **fields})


@pytest.mark.parametrize(
    ("value", "text"), [(-1, ""), (0, "0s"), (59.9, "59s"), (75, "1m15s"), (3600, "1h00m"), (90061, "25h01m")]
)
def test_seconds(value: float, text: str) -> None:
    assert seconds(value) == text


def test_no_control_character_reaches_a_cell() -> None:
    assert one_line("a\n b\x1b[2J\tc\r") == "a b [2J c"


def test_a_table_off_a_terminal_is_aligned_and_whole(capsys: pytest.CaptureFixture[str]) -> None:
    echo_table(("name", "what"), [("a", "x" * 300), ("longer", "")])
    assert capsys.readouterr().out.splitlines() == ["name    what", "a       " + "x" * 300, "longer"]


def test_a_narrow_terminal_loses_spare_columns_first() -> None:
    columns, rows = ["uuid", "spare", "told"], [["x" * 36, "y" * 20, "z" * 500]]
    assert fitting(columns, rows, ("spare",), 200) == [0, 1, 2]
    assert fitting(columns, rows, ("spare",), 80) == [0, 2]
    assert fitting(columns, rows, ("spare",), 10) == [0, 2]


def test_fields_keep_the_lines_of_a_value(capsys: pytest.CaptureFixture[str]) -> None:
    echo_fields([("a", "1\n2"), ("long", "")])
    assert capsys.readouterr().out == "   a: 1\n      2\nlong:\n"


@pytest.mark.parametrize(
    ("word", "patterns"),
    [
        ("all", ("open.*.*.*", "done.*.*.*")),
        ("running", ("open.*.*.*",)),
        ("complete", ("done.*.*.*",)),
        (UUID, (f"open.*.*.{UUID}", f"done.*.*.{UUID}")),
        ("deploy:42", ("open.*.*.*", "done.*.*.*")),
    ],
)
def test_only_the_keys_that_can_match_are_read(word: str, patterns: tuple[str, ...]) -> None:
    assert Selection.read(word).patterns() == patterns


def test_keyspace_and_a_single_shard_narrow_the_keys() -> None:
    assert Selection.read("failed", "shop", ["-80"]).patterns() == ("done.shop.-80.*",)
    assert Selection.read("failed", "shop", ["-80", "80-"]).patterns() == ("done.shop.*.*",)


@pytest.mark.parametrize("word", ["a b", "x" * 2000, UUID.replace("_", "-"), UUID.upper()])
def test_malformed_words_are_refused(word: str) -> None:
    with pytest.raises(InvalidName):
        Selection.read(word)


def test_recent_means_seven_days() -> None:
    selection = Selection.read("recent")
    assert selection.matches(record(requested_timestamp=NOW - timedelta(days=6)), NOW)
    assert not selection.matches(record(requested_timestamp=NOW - timedelta(days=8)), NOW)


def test_progress_counts_for_its_own_attempt_while_it_runs() -> None:
    running = record(migration_status=Status.RUNNING, attempt=2)
    assert joined(running, progress(2, progress=50.0, stage="copying")).stage == "copying"
    assert joined(running, progress(1, progress=50.0)) == running
    done = record(migration_status=Status.COMPLETE, attempt=2, progress=100.0)
    assert joined(done, progress(2, progress=50.0)) == done
    assert joined(done, None) == done


def test_a_document_has_all_columns_in_order() -> None:
    assert tuple(document(record())) == COLUMNS


def entry(key: str, row: Migration | None, revision: int) -> Entry:
    return Entry(key=key, value=None if row is None else msgspec.json.encode(row), revision=revision)


def test_while_a_record_moves_the_newest_counts() -> None:
    latest = Latest()
    running, complete = record(migration_status=Status.RUNNING), record(migration_status=Status.COMPLETE)
    key = latest.take(entry(running.open_key, running, 1))
    latest.take(entry(complete.done_key, complete, 2))
    assert latest.get(key) == complete
    latest.take(entry(running.open_key, None, 3))
    assert latest.all() == [complete]
    latest.take(entry(running.open_key, record(), 4))  # retried: the new row first
    assert latest.all() == [record()]
    latest.take(entry(complete.done_key, None, 5))
    assert latest.all() == [record()]


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        ((Status.COMPLETE, Status.COMPLETE), 0),
        ((Status.COMPLETE, Status.CANCELLED), 6),
        ((Status.CANCELLED, Status.FAILED), 1),
    ],
)
def test_exit_codes_of_ends(statuses: tuple[Status, ...], code: int) -> None:
    assert watching.exit_code(statuses) == code


def test_lines_show_each_state_and_not_each_percent(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(stderr=False)
    for row in (
        record(),
        record(),
        record(migration_status=Status.RUNNING, progress=1.0),
        record(migration_status=Status.RUNNING, progress=2.0),
        record(migration_status=Status.COMPLETE),
    ):
        lines.show(row, NOW)
    assert [line.split()[5:] for line in capsys.readouterr().out.splitlines()] == [
        ["queued"],
        ["running", "1%"],
        ["complete"],
    ]


def test_bars_end_with_the_whole_text_of_a_failure(capsys: pytest.CaptureFixture[str]) -> None:
    bars = Bars(stderr=False)
    bars.show(record(migration_status=Status.RUNNING, progress=10.0), NOW)
    bars.show(record(migration_status=Status.FAILED, message="[red]" + "x" * 300), NOW)
    bars.close()
    assert capsys.readouterr().err == "shop/0: [red]" + "x" * 300 + "\n"


@pytest.mark.parametrize(
    ("version", "good"), [("2.15.1", True), ("2.11.0-beta", True), ("3.0", True), ("2.10.29", False), ("?", False)]
)
def test_versions_of_nats(version: str, good: bool) -> None:
    assert nats.new_enough(version) is good


async def test_a_port_where_nobody_answers_is_not_ready() -> None:
    assert "does not answer" in await supervision.not_ready(supervision.free_port())
