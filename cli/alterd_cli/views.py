"""How running migrations are shown: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Protocol

from alterd_cli.output import STYLES, echo, note, one_line, seconds
from alterd_cli.records import Key
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status

LINE_INTERVAL = 1.0
"""Seconds between lines of one shard migration whose state stays the same."""


class View(Protocol):
    """Shows a shard migration each time something about it changes."""

    def show(self, row: Migration, now: datetime) -> None: ...


@contextlib.contextmanager
def open_view(*, stderr: bool) -> Iterator[View]:
    """Bars where stdout (or stderr) is a terminal, lines elsewhere."""
    stream = sys.stderr if stderr else sys.stdout
    if not stream.isatty():
        yield Lines(stderr=stderr)
        return
    bars = Bars(stderr=stderr)
    try:
        yield bars
    finally:
        bars.close()


def describe(row: Migration) -> str:
    """What is worth knowing beside state and percentage."""
    if row.migration_status is Status.RUNNING:
        if row.reason_throttled:
            return f"throttled: {row.reason_throttled}"
        eta = seconds(row.eta_seconds)
        stage = "" if row.stage == Status.RUNNING else row.stage
        parts = (stage, f"eta {eta}" if eta else "", "cancel requested" if row.cancel_requested else "")
        return ", ".join(part for part in parts if part) or row.message
    return row.message


class Lines:
    """A line for each change of state; while the state stays the same, at most one a second."""

    def __init__(self, *, stderr: bool) -> None:
        self._write = note if stderr else echo
        self._shown: dict[Key, tuple[Status, str, float]] = {}

    def show(self, row: Migration, now: datetime) -> None:
        percent = f" {row.progress:.0f}%" if row.migration_status is Status.RUNNING else ""
        told = one_line(describe(row))
        line = (
            f"{row.migration_uuid} {row.keyspace}/{row.shard} {row.ddl_action} {row.mysql_table} "
            f"{row.migration_status}{percent} {told}"
        ).rstrip()
        key = (row.keyspace, row.shard, row.migration_uuid)
        status, before, at = self._shown.get(key, (None, "", 0.0))
        if line == before or (status is row.migration_status and time.monotonic() - at < LINE_INTERVAL):
            return
        self._shown[key] = (row.migration_status, line, time.monotonic())
        self._write(f"{now:%H:%M:%S} {one_line(line)}")


class Bars:
    """A bar for each shard migration."""

    def __init__(self, *, stderr: bool) -> None:
        from rich import progress  # noqa: PLC0415 - only where a terminal shows it
        from rich.console import Console  # noqa: PLC0415

        self._progress = progress.Progress(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(bar_width=24),
            progress.TextColumn("{task.percentage:>3.0f}%"),
            progress.TextColumn("[{task.fields[style]}]{task.fields[status]}"),
            progress.TextColumn("{task.fields[told]}", markup=False),
            console=Console(stderr=stderr, highlight=False),
        )
        self._tasks: dict[Key, progress.TaskID] = {}
        self._failed: dict[Key, str] = {}
        self._progress.start()

    def show(self, row: Migration, now: datetime) -> None:  # noqa: ARG002
        key = (row.keyspace, row.shard, row.migration_uuid)
        self._failed.pop(key, None)
        told = one_line(describe(row))
        if row.migration_status is Status.FAILED:
            self._failed[key], told = told, ""
        percent = 100.0 if row.migration_status is Status.COMPLETE else row.progress
        fields: dict[str, Any] = {
            "status": row.migration_status.value,
            "style": STYLES[row.migration_status],
            "told": told,
        }
        if key in self._tasks:
            self._progress.update(self._tasks[key], completed=percent, refresh=True, **fields)
            return
        label = f"{row.migration_uuid[:8]} {row.keyspace}/{row.shard} {row.ddl_action} {row.mysql_table}"
        self._tasks[key] = self._progress.add_task(one_line(label), total=100, completed=int(percent), **fields)

    def close(self) -> None:
        """Leaves the bars as they are; a failure's text follows in full."""
        self._progress.stop()
        for (keyspace, shard, _), text in self._failed.items():
            note(f"{keyspace}/{shard}: {text}")
