"""What is seen of a migration from outside: on the server, on this host, in its log, and in what users are shown."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Final

import msgspec

from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.migration import Migration
from alterd_contracts.testing import Left
from alterd_contracts.testing.lab import KNOWN
from alterd_contracts.work import LogLine, Progress, Reached
from alterd_runtime.bus import Bus
from tests.conformance.looking import files, on_server, processes, undeclared
from tests.support.shop import Shop

GONE_WITHIN: Final = 5.0
"""Seconds for sessions and processes to be gone after an ending."""
LOOK_EVERY: Final = 0.1
"""Seconds between two looks at processes and at what users are shown."""
_ON_SERVER: Final = ("triggers", "routines", "accounts", "sessions")
_TEMPLATE: Final = "alterd_executor.template"
_lines: Reader[LogLine] = Reader(LogLine)


class Witness:
    """Of one migration."""

    def __init__(self, bus: Bus, shop: Shop, home: Path, record: Migration) -> None:
        self._bus, self._shop, self._record = bus, shop, record
        self._journals, self._folders = home / "journals", (home / "work", home / "tmp")
        self._over = asyncio.Event()
        self.command_lines: set[str] = set()
        self.words: set[str] = set()
        """What users are shown, as text."""
        self.shown: list[tuple[int, Reached]] = []
        """With the attempts' numbers."""

    async def begin(self) -> None:
        """What is there now is nobody's doing."""
        self._there = await asyncio.to_thread(on_server, self._shop)
        self._processes, self._files = set(self._running()), set(files(*self._folders))
        self._watching = asyncio.create_task(self._watch())

    async def end(self) -> None:
        self._over.set()
        await self._watching

    async def left(self) -> Left:
        """What is there and was not. What takes a moment to be gone is given that moment."""
        deadline = time.monotonic() + GONE_WITHIN
        while True:
            now, strange = await asyncio.to_thread(on_server, self._shop), self._strange()
            if (now.sessions <= self._there.sessions and not strange) or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.05)
        return Left(
            tables=tuple(await asyncio.to_thread(undeclared, self._shop, KNOWN)),
            processes=tuple(sorted(strange)),
            files=tuple(sorted(set(files(*self._folders)) - self._files)),
            **{what: tuple(sorted(getattr(now, what) - getattr(self._there, what))) for what in _ON_SERVER},
        )

    async def log(self) -> list[str]:
        """The migration's, whole."""
        record, lines = self._record, list[str]()
        subject = subjects.log(record.keyspace, record.shard, record.migration_uuid)
        async for message in self._bus.tail(subjects.LOGS, subject):
            if message is None:
                break
            lines.append(_lines.read(message.data).text)
        return lines

    def _strange(self) -> list[str]:
        """Processes that were not there, beside those of the executor's template."""
        now = self._running()
        return [f"{pid} {line}" for pid, line in now.items() if pid not in self._processes and _TEMPLATE not in line]

    def _running(self) -> dict[int, str]:
        return processes(self._folders[0], self._journals)

    async def _watch(self) -> None:
        """Notes command lines and what users are shown, until it is over."""
        record = self._record
        key = subjects.progress_key(record.keyspace, record.shard, record.migration_uuid)
        store = self._bus.bucket(subjects.PROGRESS)
        while not self._over.is_set():
            self.command_lines.update(self._running().values())
            entry = await store.get(key)
            if entry is not None and entry.value is not None:
                now = msgspec.json.decode(entry.value, type=Progress)
                self.words.add(repr(now))
                self.shown.append((now.attempt, now.reached))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._over.wait()
