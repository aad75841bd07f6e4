"""How running migrations are shown: bars on a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from alterd_cli.display import describe
from alterd_cli.output import echo, note, one_line
from alterd_cli.records import Key
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status

LINE_INTERVAL = 2.0
"""Seconds between lines of one shard migration of which only numbers change."""
_NUMBER = re.compile(r"[0-9][0-9.,]*")


class View(Protocol):
    """Shows a shard migration each time something about it changes."""

    def show(self, row: Migration, now: datetime) -> None: ...


@contextlib.contextmanager
def open_view(*, stderr: bool) -> Iterator[View]:
    """Bars where stdout (or stderr) is a terminal that can draw them, lines elsewhere."""
    stream = sys.stderr if stderr else sys.stdout
    if not stream.isatty() or os.environ.get("TERM") == "dumb":
        yield Lines(stderr=stderr)
        return
    from alterd_cli.views_bars import Bars  # noqa: PLC0415 - only where a terminal shows them

    bars = Bars(stderr=stderr)
    try:
        yield bars
    finally:
        bars.close()


class Lines:
    """A line for each turn: another state, stage, reason to wait, or attempt; for numbers alone, one now and then."""

    def __init__(self, *, stderr: bool) -> None:
        self._write = note if stderr else echo
        self._shown: dict[Key, tuple[tuple[object, ...], str, float]] = {}

    def show(self, row: Migration, now: datetime) -> None:
        percent = f" {row.progress:.0f}%" if row.migration_status is Status.RUNNING else ""
        line = one_line(
            f"{row.migration_uuid} {row.keyspace}/{row.shard} {row.ddl_action} {row.mysql_table} "
            f"{row.migration_status}{percent} {describe(row)}"
        )
        key = (row.keyspace, row.shard, row.migration_uuid)
        turn = _turn(row)
        last, before, at = self._shown.get(key, ((), "", 0.0))
        if line == before or (turn == last and time.monotonic() - at < LINE_INTERVAL):
            return
        self._shown[key] = (turn, line, time.monotonic())
        self._write(f"{now:%H:%M:%S} {line}")


def _turn(row: Migration) -> tuple[object, ...]:
    """What is worth a line at once when it changes; a reason whose numbers move is the same reason."""
    return (
        row.migration_status,
        _NUMBER.sub("#", row.stage),
        _NUMBER.sub("#", row.reason_throttled),
        row.cutover_attempts,
        row.ready_to_complete,
        row.cancel_requested,
    )
