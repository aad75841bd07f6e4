"""spirit while it runs: its lines told as progress, its cut-over held by the sentinel table and let go.

spirit copies, compares, and then looks once a second whether the sentinel is there (`pkg/sentinel`). When it is gone,
nothing holds the cut-over any more: the drop is the point of no return.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Final

import msgspec
from alterd_contracts.strategy import Task

from alterd_spirit.memory import remember_new
from alterd_spirit.output import COPIED, WAITED_TOO_LONG, WAITS, Output, Rows, rows_of, state_of
from alterd_spirit.tables import Names, identity, rows_there, take_down_sentinel

LOOK_EVERY: Final = 0.5
"""Seconds between two looks."""
SILENT: Final = 600.0
"""Seconds without a line after which it is taken for hung, and no sign of life is given for it: it says something every
half minute, but for its cut-over."""
ASK_AGAIN: Final = 5.0
"""Seconds between two fresh questions while the answer is no."""
_STAGES: Final = {
    "": "starting",
    "copyRows": "copying",
    "applyChangeset": "catching up",
    "analyzeTable": "analyzing",
    "checksum": "comparing",
    "postChecksum": "catching up",
    "waitingOnSentinelTable": "ready to complete",
    "cutOver": "cutting over",
}


class Watching:
    """One run of spirit."""

    def __init__(self, task: Task, rows_before: int) -> None:
        """`rows_before`: those that a dead attempt has copied."""
        self._task = task
        self.output = Output(task.log)
        self.rows = Rows(copied=rows_before, total=task.migration.table_rows, eta=-1)
        self.let_go = False
        """The sentinel is down: the cut-over may come at any moment."""
        self.waited_too_long = False
        """spirit has ended because the completion was held back for more than 48 hours."""
        self._state = ""
        self._copied = False
        self._percent = 0.0
        self._heard = time.monotonic()
        self._waits = asyncio.Event()
        self._asked = -ASK_AGAIN
        self._wanted = task.wanted

    def hear(self, line: str) -> None:
        """One line of its output."""
        self._task.alive()
        self._heard = time.monotonic()
        self.output.hear(line)
        self._state = state_of(line) or self._state
        if (rows := rows_of(line)) is not None:
            # some versions count anew when they go on
            self.rows = msgspec.structs.replace(rows, copied=max(self.rows.copied, rows.copied))
        if COPIED in line:
            self._copied, self._state = True, "applyChangeset"
        if WAITS in line:
            self._state = "waitingOnSentinelTable"
            self._waits.set()
        self.waited_too_long = self.waited_too_long or WAITED_TOO_LONG in line

    async def forever(self) -> None:
        """Until cancelled."""
        while True:
            self._tell()
            if self._waits.is_set() and not self.let_go:
                await self._task.ready()
                await self._offer()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await (self._task.wanted_changed() if self._waits.is_set() else self._waits.wait())

    async def _offer(self) -> None:
        """Lets the cut-over go if it may come, by a fresh answer."""
        now = time.monotonic()
        if now < self._asked + ASK_AGAIN and self._task.wanted == self._wanted:
            return
        self._asked, self._wanted = now, self._task.wanted
        if not await self._task.may_complete():
            return
        record = self._task.migration
        session = await self._task.primary()
        try:
            new = await identity(session, record.mysql_schema, Names(table=record.mysql_table).new)
            await remember_new(self._task, session, new)
            if not self.rows.copied:  # it was done before the first status
                copied = await rows_there(session, record.mysql_schema, Names(table=record.mysql_table).new)
                self.rows = Rows(copied=copied, total=copied, eta=0)
            await self._task.phase("cut-over")
            self._state = "cutOver"
            if not await self._task.may_complete():  # asked again: what came before took its time
                await self._task.phase("copy")
                return
            self.let_go = True
            await take_down_sentinel(self._task, session)
        finally:
            await session.close()
        self._task.log.info("spirit may cut over")

    def _tell(self) -> None:
        if time.monotonic() > self._heard + SILENT:
            return
        copied, total = self.rows.copied, self.rows.total
        if self._copied:
            self._percent = 100.0
        elif total > 0:  # an estimate, which comes and goes
            self._percent = max(self._percent, min(99.0, 100.0 * copied / total))
        self._task.progress(
            rows_copied=copied,
            table_rows=max(total, copied) if total > 0 else 0,
            percent=self._percent,
            eta_seconds=0 if self._copied else self.rows.eta,
            stage=_STAGES.get(self._state, self._state),
            cutover_attempts=self._task.migration.cutover_attempts + self.let_go,
        )
