"""The file that holds the cut-over back: there from before gh-ost begins, gone only while it may complete.

gh-ost looks at it once a second before each attempt at the cut-over. From its removal on nothing asks again, so it is
put back whenever the users want it otherwise, and when an attempt has not come to its end for a while. What users take
back is ended at once: killed before its RENAME, the attempt leaves the table as it was, and gh-ost waits again.
"""

from __future__ import annotations

import contextlib
import re
import time
from pathlib import Path
from typing import Final

from alterd_contracts.errors import StatementFailed
from alterd_contracts.strategy import Task
from alterd_ghost.command import POSTPONE
from alterd_runtime.failpoints import failpoint

BACK_AFTER: Final = 10.0
"""Seconds after which the file is put back: the next attempt asks afresh."""
ASK_AGAIN: Final = 5.0
"""Seconds between two fresh questions while the answer is no."""

_SESSION: Final = re.compile(r"INFO Session (?:locking original & magic|renaming) tables is (\d+)")


class Holding:
    """The flag file of one attempt."""

    def __init__(self, task: Task, workdir: Path, user: str) -> None:
        """`user`: gh-ost's account."""
        self._task, self._file, self._user = task, workdir / POSTPONE, user
        self._opened: float | None = None
        self._locking: list[int] = []
        self._asked = -ASK_AGAIN
        self._wanted = task.wanted
        self.attempts = task.migration.cutover_attempts

    @property
    def open(self) -> bool:
        """The cut-over may come at any moment."""
        return self._opened is not None

    def hear(self, line: str) -> None:
        """One line of gh-ost's output: it names the sessions of its cut-over."""
        if found := _SESSION.search(line):
            self._locking.append(int(found[1]))

    def hold(self) -> None:
        """From now on no cut-over begins. One that has begun may still succeed."""
        self._file.touch(mode=0o600)
        self._opened = None

    async def offer(self) -> None:
        """Only the cut-over is left: lets it go if it may, by a fresh answer."""
        now = time.monotonic()
        if now < self._asked + ASK_AGAIN and self._task.wanted == self._wanted:
            return
        self._asked, self._wanted = now, self._task.wanted
        if not await self._task.may_complete():
            return
        failpoint("ghost.swap_allowed")
        self._file.unlink(missing_ok=True)  # from here on nobody is asked
        self.attempts += 1
        self._opened, self._asked = time.monotonic(), -ASK_AGAIN
        self._task.log.info(f"cut-over attempt {self.attempts}: gh-ost may cut over")
        await self._task.phase("cut-over")

    async def look(self) -> None:
        """Puts the file back where that is due."""
        if self._opened is None:
            return
        if not self._task.wanted.may_complete:
            self.hold()
            self._task.log.info(f"cut-over attempt {self.attempts} is taken back: it may not complete any more")
            await self._end_the_attempt()
            await self._task.phase("catch-up")
        elif time.monotonic() > self._opened + BACK_AFTER:
            self.hold()
            self._task.log.info(f"cut-over attempt {self.attempts} takes long: the next one is asked for anew")
            await self._task.phase("catch-up")

    async def _end_the_attempt(self) -> None:
        """Kills the RENAME and what holds the table for it, or waits to: the newest first."""
        session = await self._task.primary()
        try:
            rows = await session.query(
                "SELECT PROCESSLIST_ID AS `id` FROM performance_schema.threads WHERE PROCESSLIST_USER = %s"
                " AND (PROCESSLIST_ID IN %s OR PROCESSLIST_INFO LIKE 'lock /* gh-ost */%'"
                " OR PROCESSLIST_INFO LIKE 'rename /* gh-ost */%') ORDER BY PROCESSLIST_ID DESC",
                (self._user, (0, *self._locking)),
            )
            for row in rows:
                with contextlib.suppress(StatementFailed):  # it has ended by itself
                    await session.execute(f"KILL CONNECTION {row['id']}")
        finally:
            await session.close()
