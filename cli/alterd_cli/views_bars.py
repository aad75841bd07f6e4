"""Bars on a terminal. Imported where one is there: rich takes its time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from rich import progress
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.text import Text

from alterd_cli.display import describe
from alterd_cli.output import STYLES, note, one_line
from alterd_cli.records import Key
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status

BAR = 24
"""Width of a bar."""
INDENT = 2


class Bars:
    """For each shard migration a bar, and below it what it does."""

    def __init__(self, *, stderr: bool, console: Console | None = None) -> None:
        self._progress = _Bars(
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(bar_width=BAR),
            progress.TextColumn("{task.percentage:>3.0f}%"),
            progress.TextColumn("[{task.fields[style]}]{task.fields[status]}"),
            console=console or Console(stderr=stderr, highlight=False),
        )
        self._tasks: dict[Key, progress.TaskID] = {}
        self._labels: dict[Key, str] = {}
        self._failed: dict[Key, str] = {}
        self._progress.start()

    def show(self, row: Migration, now: datetime) -> None:  # noqa: ARG002
        key = (row.keyspace, row.shard, row.migration_uuid)
        self._failed.pop(key, None)
        told = one_line(describe(row))
        if row.migration_status is Status.FAILED:
            self._failed[key], told = told, ""
        fields: dict[str, Any] = {
            "completed": 100.0 if row.migration_status is Status.COMPLETE else row.progress,
            "status": row.migration_status.value,
            "style": STYLES[row.migration_status],
            "told": told,
        }
        if key in self._tasks:
            self._progress.update(self._tasks[key], refresh=True, **fields)
            return
        label = f"{row.migration_uuid[:8]} {row.keyspace}/{row.shard} {row.ddl_action} {row.mysql_table}"
        self._labels[key] = one_line(label)
        self._tasks[key] = self._progress.add_task(self._labels[key], total=100, **fields)
        width = max(map(len, self._labels.values()))
        for other, task in self._tasks.items():
            self._progress.update(task, description=self._labels[other].ljust(width))

    def close(self) -> None:
        """Leaves the bars as they are; a failure's text follows in full."""
        self._progress.stop()
        for (keyspace, shard, _), text in self._failed.items():
            note(f"{keyspace}/{shard}: {text}")


class _Bars(progress.Progress):
    def get_renderables(self) -> Iterable[RenderableType]:
        for task in self.tasks:
            yield self.make_tasks_table([task])
            if task.fields["told"]:
                yield Padding(Text(task.fields["told"], style="dim", overflow="fold"), (0, 0, 0, INDENT))
