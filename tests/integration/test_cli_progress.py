"""The progress of a running migration as `show`, `watch` and `events` tell it, on a real NATS and a real terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from alterd_contracts import subjects
from alterd_contracts.events import Fact
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status
from alterd_contracts.work import Progress
from alterd_runtime.bus import Bus
from tests.integration.cli_support import ENCODE, UUID, CommandLine, tell, write
from tests.integration.cli_support import record as any_record

NOW = datetime.now(UTC)
COPYING: dict[str, Any] = {
    "phase": "copy",
    "progress": 24.7,
    "rows_copied": 123456,
    "table_rows": 500000,
    "eta_seconds": 75,
    "vreplication_lag_seconds": 0.84,
    "keys_waiting": 12,
}
CUT_OVER: dict[str, Any] = {
    **COPYING,
    "phase": "cut over",
    "rows_copied": 500000,
    "progress": 100.0,
    "cutover_attempts": 3,
    "message": "waits for connection 7 of app@10.0.0.7",
}


@pytest.fixture(autouse=True)
def copying(alterd: CommandLine) -> None:
    """One attempt runs and has copied some rows."""

    async def fill(bus: Bus) -> None:
        await write(bus, record())
        await run_says(bus, **COPYING)

    alterd.on_bus(fill)


def record(**fields: Any) -> Migration:
    return any_record(**{"migration_status": Status.RUNNING, "attempt": 1, "started_timestamp": NOW, **fields})


async def run_says(bus: Bus, attempt: int = 1, **fields: Any) -> None:
    progress = Progress(
        keyspace="shop", shard="0", migration_uuid=UUID, attempt=attempt, executor="e", liveness_timestamp=NOW, **fields
    )
    await bus.bucket(subjects.PROGRESS).put(f"shop.0.{UUID}", ENCODE(progress))


def test_show_has_all_of_it(alterd: CommandLine) -> None:
    [shown] = alterd.json("show", UUID)
    assert (shown["stage"], shown["rows_copied"], shown["table_rows"]) == ("copy", 123456, 500000)
    assert (shown["vreplication_lag_seconds"], shown["keys_waiting"], shown["eta_seconds"]) == (0.8, 12, 75)
    out, _ = alterd.run("show", UUID)
    told = dict(line.strip().split(": ", 1) for line in out.splitlines())
    assert (told["keys_waiting"], told["vreplication_lag_seconds"], told["rows_copied"]) == ("12", "0.8", "123456")


def test_the_table_has_a_cell_and_what_is_waited_for(alterd: CommandLine) -> None:
    out, _ = alterd.run("show")
    assert "running           25% 123k/500k  1m15s" in out
    assert out.splitlines()[1].endswith("  copy")

    async def block(bus: Bus) -> None:
        await run_says(bus, **CUT_OVER)

    alterd.on_bus(block)
    [shown] = alterd.json("show", "running")
    assert (shown["message"], shown["cutover_attempts"]) == ("waits for connection 7 of app@10.0.0.7", 3)
    out, _ = alterd.run("show")
    assert out.splitlines()[1].endswith("  cut over, cut-over attempt 3: waits for connection 7 of app@10.0.0.7")


def test_watch_in_plain_lines(alterd: CommandLine) -> None:
    process = alterd.start("watch", UUID)
    assert process.stdout is not None
    lines = [process.stdout.readline()]

    async def throttled(bus: Bus) -> None:
        await run_says(bus, **COPYING, reason_throttled="lag 7.30 > 5", component_throttled="copy")

    async def goes_on(bus: Bus) -> None:
        for rows in range(200000, 400000, 5000):
            await run_says(bus, **{**COPYING, "rows_copied": rows})
        await run_says(bus, **CUT_OVER)

    alterd.on_bus(throttled)
    lines.append(process.stdout.readline())
    alterd.on_bus(goes_on)
    while "cut over" not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], lines

    async def finish(bus: Bus) -> None:
        await write(bus, record(migration_status=Status.COMPLETE, message="done"))

    alterd.on_bus(finish)
    out, _ = process.communicate(timeout=20)
    told = [line.split(" orders ", 1)[1].rstrip() for line in lines]
    numbers = "123,456 / 500,000 rows, eta 1m15s, lag 0.8s, 12 keys waiting"
    assert told[:2] == [f"running 25% copy, {numbers}", f"running 25% copy, {numbers}, throttled: lag 7.30 > 5"]
    assert told[-1] == (
        "running 100% cut over, 500,000 / 500,000 rows, eta 1m15s, lag 0.8s, 12 keys waiting, "
        "cut-over attempt 3: waits for connection 7 of app@10.0.0.7"
    )
    assert len(told) <= 6, "many ticks, few lines"
    assert out.rstrip().endswith(" orders complete done")
    assert "\x1b" not in "".join(lines) + out


def rows_of(text: str) -> list[int]:
    return [int(number.replace(",", "")) for number in re.findall(r"([\d,]+) / 500,000 rows", text)]


def test_rows_never_fall_while_attempts_come_and_go(alterd: CommandLine) -> None:
    """The bucket's key vanishes, the record moves on, and the next attempt begins: in whatever order that is seen."""
    process = alterd.start("watch", UUID)
    assert process.stdout is not None
    first = process.stdout.readline()

    async def hand_over(bus: Bus) -> None:
        await bus.bucket(subjects.PROGRESS).delete(f"shop.0.{UUID}")
        known = {"rows_copied": 123456, "table_rows": 500000, "progress": 24.7}
        await write(bus, record(migration_status=Status.READY, attempt=2, message="the executor stops", **known))
        await write(bus, record(attempt=2, **known))
        await run_says(bus, 2, **{**COPYING, "phase": "again", "rows_copied": 5})
        await run_says(bus, 2, **{**COPYING, "phase": "further", "rows_copied": 200000})

    async def complete(bus: Bus) -> None:
        await write(bus, record(migration_status=Status.COMPLETE, rows_copied=500000, table_rows=500000))

    alterd.on_bus(hand_over)
    lines = [first]
    while "200,000 /" not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1], lines
    alterd.on_bus(complete)
    out, _ = process.communicate(timeout=20)
    assert process.returncode == 0
    rows = rows_of("".join(lines) + out)
    assert rows == sorted(rows)
    assert {123456, 200000} <= set(rows)


class Screen:
    """A terminal of 100 columns with ``alterd`` on it."""

    def __init__(self, line: CommandLine, *arguments: str, **environ: str) -> None:
        self._end, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-m", "alterd_cli", *arguments],
            env={**line.environ, "TERM": "xterm", "COLUMNS": "100", **environ},
            stdin=subprocess.DEVNULL,
            stdout=terminal,
            stderr=terminal,
        )
        os.close(terminal)
        self.text = ""

    def until(self, words: str, timeout: float = 20) -> str:
        """All that was written until these words are."""
        deadline = time.monotonic() + timeout
        while words not in self.text:
            assert time.monotonic() < deadline, self.text
            self._read()
        return self.text

    def close(self) -> int:
        """To the end; its exit code."""
        while self._read():
            pass
        os.close(self._end)
        return self.process.wait(20)

    def _read(self) -> bool:
        if not select.select([self._end], [], [], 0.2)[0]:
            return self.process.poll() is None
        try:
            self.text += os.read(self._end, 65536).decode()
        except OSError:  # the other end is closed
            return False
        return True


@pytest.fixture
def screens() -> Iterator[list[Screen]]:
    """What is put in is ended at the end."""
    used: list[Screen] = []
    yield used
    for screen in used:
        screen.process.kill()
        screen.process.wait()


def test_watch_on_a_terminal_draws_bars(alterd: CommandLine, screens: list[Screen]) -> None:
    screen = Screen(alterd, "watch", UUID)
    screens.append(screen)
    shown = screen.until("12 keys waiting")
    assert "9e8a9249 shop/0 alter orders" in shown
    assert "━" in shown
    assert "25%" in shown
    assert "copy, 123,456 / 500,000 rows, eta 1m15s, lag 0.8s, 12 keys waiting" in shown

    async def go_on(bus: Bus) -> None:
        await run_says(bus, **COPYING, reason_throttled="lag 7.30 > 5", component_throttled="copy")

    async def block(bus: Bus) -> None:
        await run_says(bus, **CUT_OVER)

    async def fail(bus: Bus) -> None:
        await write(bus, record(migration_status=Status.FAILED, message="no space left"))

    alterd.on_bus(go_on)
    screen.until("throttled: lag 7.30 > 5")
    alterd.on_bus(block)
    screen.until("connection 7 of app@10.0.0.7")
    assert "cut-over attempt 3: waits " in screen.text
    alterd.on_bus(fail)
    assert screen.close() == 1
    assert screen.text.rstrip().endswith("shop/0: no space left")


def test_a_terminal_that_draws_nothing_gets_lines(alterd: CommandLine, screens: list[Screen]) -> None:
    screen = Screen(alterd, "watch", UUID, TERM="dumb")
    screens.append(screen)
    shown = screen.until("12 keys waiting")
    assert "running 25% copy, 123,456 / 500,000 rows" in shown
    assert "━" not in shown

    async def cancel(bus: Bus) -> None:
        await write(bus, record(migration_status=Status.CANCELLED))

    alterd.on_bus(cancel)
    assert screen.close() == 6
    assert "\x1b" not in screen.text


def test_events_say_how_far_the_run_was(alterd: CommandLine) -> None:
    async def fill(bus: Bus) -> None:
        for fact, message in (
            (Fact.PHASE, "copy"),
            (Fact.THROTTLED, "lag 7.30 > 5"),
            (Fact.UNTHROTTLED, "after 4 s"),
            (Fact.READY_TO_COMPLETE, "only the completion is left"),
            (Fact.CUTOVER_ATTEMPTED, "attempt 1: waits for connection 7"),
            (Fact.COMPLETED, "done"),
        ):
            await tell(bus, fact, strategy="vitess", message=message, rows_copied=123456, table_rows=500000)

    alterd.on_bus(fill)
    out, _ = alterd.run("events", "--uuid", UUID)
    assert [line.split(" #1 ")[1] for line in out.splitlines()] == [
        "copy (123,456 / 500,000 rows)",
        "lag 7.30 > 5 (123,456 / 500,000 rows)",
        "after 4 s (123,456 / 500,000 rows)",
        "only the completion is left (123,456 / 500,000 rows)",
        "attempt 1: waits for connection 7 (123,456 / 500,000 rows)",
        "done",
    ]
    document = alterd.json("events", "--uuid", UUID)[0]
    assert (document["fact"], document["rows_copied"], document["table_rows"]) == ("phase", 123456, 500000)
