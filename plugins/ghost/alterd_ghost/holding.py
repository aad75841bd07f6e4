"""The file that holds the cut-over back: there from before gh-ost begins, gone only while it may complete.

gh-ost looks at it once a second before each attempt at the cut-over. From its removal on nothing asks again, so it is
put back whenever the users want it otherwise, and when an attempt has not come to its end for a while. What users take
back is ended at once: killed before its RENAME, the attempt leaves the table as it was, and gh-ost waits again. An
attempt may have begun as long as gh-ost does not say that it waits for the file; until then it is looked for again.

The file is touched at each look: what removes old files leaves it alone, and if it is gone it comes back.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from pathlib import Path
from typing import Final

from alterd_contracts.errors import StatementFailed
from alterd_contracts.strategy import Session, Task
from alterd_ghost.command import POSTPONE
from alterd_ghost.status import COPIED
from alterd_runtime.failpoints import failpoint

BACK_AFTER: Final = 10.0
"""Seconds after which the file is put back: the next attempt asks afresh."""
ASK_AGAIN: Final = 5.0
"""Seconds between two fresh questions while the answer is no."""
SEARCH_EVERY: Final = 0.02
"""Seconds between two searches for an attempt that is not to be seen yet, first of all."""
SEARCHES: Final = 25
"""So many."""
EAGER: Final = 10.0
"""Seconds for which it is looked for at each look after that; then every `ASK_AGAIN`, and when it names a session."""
SETTLED: Final = 1.0
"""Seconds after which gh-ost has either seen that the file is back, or begun an attempt and says so."""

_BEGINS: Final = re.compile(r"INFO Grabbing voluntary lock: gh-ost\.(\d+)\.lock")
_SESSION: Final = re.compile(r"INFO Session (?:locking original & magic|renaming) tables is (\d+)")


class Holding:
    """The flag file of one attempt."""

    def __init__(self, task: Task, workdir: Path, user: str) -> None:
        """`user`: gh-ost's account."""
        self._task, self._file, self._user = task, workdir / POSTPONE, user
        self._opened: float | None = None
        self._held = time.monotonic()
        self._copied = False
        self._begun = False
        """An attempt may be under way."""
        self._unasked = False
        """It has begun without a question."""
        self._ending: float | None = None
        """Since when it is being ended."""
        self._search = 0.0
        """When it is looked for next."""
        self._sessions: set[int] = set()
        """Those of the newest attempt."""
        self._asked = -ASK_AGAIN
        self._wanted = task.wanted
        self.attempts = task.migration.cutover_attempts

    @property
    def open(self) -> bool:
        """The cut-over may come at any moment."""
        return self._opened is not None

    def hear(self, line: str) -> None:
        """One line of gh-ost's output: it names the sessions of its cut-over."""
        if COPIED in line:
            self._copied = True
        elif found := _BEGINS.search(line):
            self._sessions = {int(found[1])}  # those before it are used for other things by now
            self._search = 0.0
        elif found := _SESSION.search(line):
            self._sessions.add(int(found[1]))
            self._search = 0.0

    def waits(self, since: float) -> None:
        """gh-ost was asked at `since`, on the monotonic clock, and said that it waits for the file to go."""
        if self._opened is None and since > self._held + SETTLED:
            self._begun = self._unasked = False
            self._sessions.clear()

    def hold(self) -> None:
        """From now on no cut-over begins. One that has begun may still succeed."""
        self._file.touch(mode=0o600)
        self._opened, self._held = None, time.monotonic()

    async def offer(self) -> None:
        """Only the cut-over is left: lets it go if it may, by a fresh answer."""
        now = time.monotonic()
        if now < self._asked + ASK_AGAIN and self._task.wanted == self._wanted:
            return
        self._asked, self._wanted = now, self._task.wanted
        if not await self._task.may_complete():
            return
        failpoint("ghost.swap_allowed")
        self._begun, self._unasked, self._ending = True, False, None
        self._sessions.clear()
        self._file.unlink(missing_ok=True)  # from here on nobody is asked
        self.attempts += 1
        self._opened, self._asked = time.monotonic(), -ASK_AGAIN
        self._task.log.info(f"cut-over attempt {self.attempts}: gh-ost may cut over")
        await self._task.phase("cut-over")

    async def look(self) -> None:
        """Keeps the file, puts it back where that is due, and ends an attempt that is not wanted."""
        wanted, was_open = self._task.wanted.may_complete, self.open
        if self._opened is None:
            self._keep()
        elif not wanted:
            self.hold()
        elif time.monotonic() > self._opened + BACK_AFTER:
            self.hold()
            self._task.log.info(f"cut-over attempt {self.attempts} takes long: the next one is asked for anew")
        if not self._begun or not self._copied or (wanted and not self._unasked):
            self._ending = None
        else:
            await self._end_the_attempt()
        if was_open and not self.open:
            await self._task.phase("catch-up")

    def _keep(self) -> None:
        if not self._file.exists():
            self._task.log.warning(
                f"the file that holds the cut-over back was gone, and not by alterd: {self._file} is put back"
            )
            self.hold()
            self._begun = self._unasked = True
        elif not self._copied and time.monotonic() > self._held + SETTLED:
            self._begun = self._unasked = False  # it was not so far
        self._file.touch(mode=0o600)

    async def _end_the_attempt(self) -> None:
        """Kills what is seen of it. What has begun may have nothing yet by which it is known."""
        now, searches = time.monotonic(), 1
        if self._ending is None:
            why = "nobody was asked for it" if self._unasked else "it may not complete any more"
            self._task.log.info(f"cut-over attempt {self.attempts} is taken back: {why}")
            self._ending, searches = now, SEARCHES
        elif now < self._search:
            return
        self._search = now if now < self._ending + EAGER else now + ASK_AGAIN
        session = await self._task.primary()
        try:
            for _ in range(searches):
                if await self._kill(session):
                    break
                await asyncio.sleep(SEARCH_EVERY)
        finally:
            await session.close()

    async def _kill(self, session: Session) -> bool:
        """Kills the RENAME and what holds the table for it, or waits to: the newest first. Whether there was any."""
        rows = await session.query(
            "SELECT PROCESSLIST_ID AS `id` FROM performance_schema.threads WHERE PROCESSLIST_USER = %s"
            " AND (PROCESSLIST_ID IN %s OR PROCESSLIST_INFO LIKE 'lock /* gh-ost */%'"
            " OR PROCESSLIST_INFO LIKE 'rename /* gh-ost */%') ORDER BY PROCESSLIST_ID DESC",
            (self._user, (0, *self._sessions)),
        )
        for row in rows:
            with contextlib.suppress(StatementFailed):  # it has ended by itself
                await session.execute(f"KILL CONNECTION {row['id']}")
        return bool(rows)
