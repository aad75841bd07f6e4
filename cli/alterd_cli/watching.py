"""Follows migrations to their ends, from wherever they stand."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Sequence
from datetime import UTC, datetime

from alterd_cli.aggregate import advice, by_migration
from alterd_cli.failures import CANCELLED, FAILED
from alterd_cli.output import note
from alterd_cli.records import Key, Latest, joined, read_progress, unknown
from alterd_cli.views import View, open_view
from alterd_contracts import subjects
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status
from alterd_contracts.work import Progress
from alterd_runtime.bus import Bus, Entry


async def follow(bus: Bus, uuids: Sequence[str], *, expected: Collection[Key] = (), stderr: bool = False) -> int:
    """Shows each change until all are at their end; 0 all complete, 1 any failed, 6 else (cancelled).

    `expected`: shard migrations whose records may not be written yet. Without it an unknown uuid raises
    `UnknownMigration`.
    """
    uuids = tuple(dict.fromkeys(uuids))  # the server refuses to watch one key twice
    patterns = [key for uuid in uuids for key in (subjects.open_key("*", "*", uuid), subjects.done_key("*", "*", uuid))]
    records = bus.bucket(subjects.STATE).watch(*patterns)
    progress = bus.bucket(subjects.PROGRESS).watch(*(subjects.progress_key("*", "*", uuid) for uuid in uuids))
    with open_view(stderr=stderr) as view:
        board = _Board(view)
        async with contextlib.aclosing(_merged(records, progress)) as changes:
            async for source, entry in changes:
                if source == 1:
                    if entry is not None:
                        board.take_progress(entry)
                    continue
                if entry is None:
                    board.caught_up(() if expected else uuids)
                else:
                    board.take_record(entry)
                if board.ended(expected):
                    break
    for rows in by_migration(board.rows.values()):
        for line in advice(rows):
            note(line)
    return exit_code([row.migration_status for row in board.rows.values()])


def exit_code(statuses: Collection[Status]) -> int:
    """What the ends of all shard migrations amount to."""
    if all(status is Status.COMPLETE for status in statuses):
        return 0
    return FAILED if Status.FAILED in statuses else CANCELLED


class _Board:
    """All that is known of the followed migrations."""

    def __init__(self, view: View) -> None:
        self.rows: dict[Key, Migration] = {}
        self._view = view
        self._latest = Latest()
        self._keys: set[Key] = set()
        self._progress: dict[Key, Progress] = {}
        self._caught_up = False

    def take_record(self, entry: Entry) -> None:
        key = self._latest.take(entry)
        row = self._latest.get(key)
        self._keys.add(key)
        if row is None:
            self.rows.pop(key, None)
            return
        self.rows[key] = row
        if self._caught_up:
            self._show(key)

    def take_progress(self, entry: Entry) -> None:
        keyspace, shard, uuid = entry.key.split(".")
        key = (keyspace, shard, uuid)
        progress = read_progress(entry)
        if progress is None:
            return  # what was known last still says where the run stood
        self._progress[key] = progress
        if self._caught_up:
            self._show(key)

    def caught_up(self, wanted: Sequence[str]) -> None:
        """All that was there has been read. Raises `UnknownMigration` for a wanted uuid that is not."""
        self._caught_up = True
        known = {uuid for _, _, uuid in self._keys}
        for uuid in wanted:
            if uuid not in known:
                raise unknown(uuid)
        for key in sorted(self.rows, key=lambda key: (self.rows[key].id, key)):
            self._show(key)

    def ended(self, expected: Collection[Key]) -> bool:
        """A row that is on its way from `done` to `open` is missing for a moment, and not at its end."""
        keys = self._keys | set(expected)
        return self._caught_up and all(key in self.rows and self.rows[key].migration_status.terminal for key in keys)

    def _show(self, key: Key) -> None:
        if key in self.rows:
            self._view.show(joined(self.rows[key], self._progress.get(key)), datetime.now(UTC))


async def _merged(*sources: AsyncIterator[Entry | None]) -> AsyncGenerator[tuple[int, Entry | None], None]:
    """What the sources give, as it comes, each with its source's number."""
    waiting = {asyncio.ensure_future(anext(source)): number for number, source in enumerate(sources)}
    try:
        while True:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                number = waiting.pop(task)
                yield number, task.result()
                waiting[asyncio.ensure_future(anext(sources[number]))] = number
    finally:
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for source in sources:
            await source.aclose()  # type: ignore[attr-defined]
