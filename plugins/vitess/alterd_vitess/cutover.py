"""The cut-over: lock, drain, rename, unlock, in one session.

    look ──► wait ──► LOCK TABLES ──► same definitions? ──► drain to gtid_executed ──► counter ──► RENAME ──► UNLOCK
      ▲                    │                   │                    │                     │
      └──── back-off ◄─────┴── UNLOCK ◄────────┴────────────────────┴─────────────────────┘

Nothing sleeps or polls under the lock. Whoever is paused under it loses it: the server ends an idle session.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

import msgspec

from alterd_contracts.errors import LostSession, StatementFailed
from alterd_contracts.strategy import Session
from alterd_runtime.failpoints import failpoint
from alterd_runtime.mysql.quoting import identifier
from alterd_runtime.mysql.sidecar import FENCE
from alterd_vitess.applying import BATCH, Applying
from alterd_vitess.errors import TableChanged
from alterd_vitess.following import Following
from alterd_vitess.gtid import GtidSet
from alterd_vitess.run import Run
from alterd_vitess.sessions import AGAIN, DUPLICATE_ENTRY, errno, open_rows, show_create
from alterd_vitess.shadow import marker

T = TypeVar("T")

LOCK_PATIENCE = 0.3
"""Seconds to wait for the locks: every new statement on the table waits with us."""
HOLD_PATIENCE = 1.0
"""Seconds for the stream, and for the answer whether the migration may complete, under the lock."""
RENAME_PATIENCE = 1.0
IDLE = 3
"""Seconds after which the server ends the locking session when it hears nothing: this process was stopped."""


class NotNow(Exception):
    """The attempt failed; nothing has changed. The text says why."""


class Swapped(msgspec.Struct, frozen=True, kw_only=True):
    """How the swap went, in seconds."""

    locking: float
    """Until the locks were had: statements queued behind us from the beginning of it."""
    holding: float
    """From the locks to the new table."""
    keys: int
    """Applied under the lock."""


class CutOver:
    """Attempts of one run."""

    def __init__(self, run: Run, following: Following, applying: Applying, old: str) -> None:
        self._run, self._following, self._applying, self._old = run, following, applying, old

    async def attempt(self) -> Swapped:
        """Raises `NotNow` with the table as it was, `DuplicateRows`, `TableChanged`, `Fenced`; `LostSession` when
        nobody knows."""
        run = self._run
        async with self._applying.paused():
            session = await open_rows(
                run.task, run.zone, lock_wait_timeout=1, innodb_lock_wait_timeout=1, wait_timeout=IDLE
            )
            try:
                await self._show(session)
                # autocommit is off before the lock: BEGIN under it would release it in silence
                await session.execute("SET SESSION autocommit = 0")
                swapped, left = await self._locked(session)
            finally:
                await session.close()
        if swapped is None:
            # a duplicate under the lock: it is looked into, with the writers going on
            await self._applying.together(left)
            raise NotNow("a duplicate had to be looked into")
        return swapped

    async def _locked(self, session: Session) -> tuple[Swapped | None, list[bytes]]:
        run = self._run
        began = time.monotonic()
        async with self._lock(session):
            locked = time.monotonic()
            failpoint("vitess.locked")
            may_complete = asyncio.create_task(run.task.may_complete())
            try:
                await run.task.check_fence(session)
                counter = await self._show(session)
                executed = GtidSet.parse(str(await session.value("SELECT @@global.gtid_executed")))
                await _within(HOLD_PATIENCE, self._following.reached(executed), "the change stream is behind")
                keys = run.touched.take_all()
                try:
                    await self._drain(session, keys)
                except StatementFailed as error:
                    run.touched.put_back(keys)
                    if errno(error) == DUPLICATE_ENTRY:
                        return None, keys
                    raise
                except BaseException:
                    run.touched.put_back(keys)
                    raise
                run.touched.applied(keys)
                failpoint("vitess.drained")
                await self._carry_counter(session, counter)
                if not await _within(HOLD_PATIENCE, may_complete, "no word whether it may complete"):
                    raise NotNow("completion was postponed or cancelled meanwhile")
            except StatementFailed as error:
                raise NotNow(error.message) from error
            finally:
                may_complete.cancel()
                await asyncio.gather(may_complete, return_exceptions=True)
            await self._rename(session)
            run.swapped = True
            failpoint("vitess.renamed")
        failpoint("vitess.unlocked")
        return Swapped(locking=locked - began, holding=time.monotonic() - locked, keys=len(keys)), []

    @contextlib.asynccontextmanager
    async def _lock(self, session: Session) -> AsyncIterator[None]:
        run = self._run
        tables = f"{identifier(run.table)} WRITE, {identifier(run.plan.shadow)} WRITE, {FENCE} READ"
        try:
            async with asyncio.timeout(LOCK_PATIENCE):
                await session.execute(f"LOCK TABLES {tables}")
        except TimeoutError as error:
            raise NotNow(f"the locks were not had within {LOCK_PATIENCE:g} s") from error
        except StatementFailed as error:
            raise NotNow(f"the locks were not had: {error.message}") from error
        try:
            yield
        finally:
            await asyncio.shield(asyncio.ensure_future(_unlock(session)))

    async def _show(self, session: Session) -> int:
        """The table's counter. Raises `TableChanged` unless both tables are what they were when the copy began."""
        run = self._run
        try:
            table, shadow = await show_create(session, run.table), await show_create(session, run.plan.shadow)
        except StatementFailed as error:
            raise self._changed() from error
        if (table.definition, shadow.definition) != (run.plan.definition, run.plan.shadow_definition):
            raise self._changed()
        return table.counter

    async def _drain(self, session: Session, keys: list[bytes]) -> None:
        """All that is left, in this session: no proof is needed, as nobody writes."""
        keys.sort()
        statements = self._run.statements
        parts = [keys[start : start + BATCH] for start in range(0, len(keys), BATCH)]
        for part in parts:
            await session.execute(statements.delete(part))
        for part in parts:
            await session.execute(statements.insert(part))
        await session.execute("COMMIT")

    async def _carry_counter(self, session: Session, counter: int) -> None:
        """The next AUTO_INCREMENT number, so that no id is handed out twice; the ALTER's own word goes before."""
        run = self._run
        if run.plan.carries_counter and counter > (await show_create(session, run.plan.shadow)).counter:
            mark = marker(run.record.migration_uuid)
            await session.execute(f"{mark} ALTER TABLE {identifier(run.plan.shadow)} AUTO_INCREMENT = {counter}")

    async def _rename(self, session: Session) -> None:
        run = self._run
        sql = (
            f"{marker(run.record.migration_uuid)} RENAME TABLE {identifier(run.table)} TO {identifier(self._old)},"
            f" {identifier(run.plan.shadow)} TO {identifier(run.table)}"
        )
        try:
            async with asyncio.timeout(RENAME_PATIENCE):
                await session.execute(sql)
        except TimeoutError as error:
            if not await _is_there(session, self._old):
                raise NotNow(f"the RENAME did not come through within {RENAME_PATIENCE:g} s") from error
        except StatementFailed as error:
            if errno(error) in AGAIN or not await _is_there(session, self._old):
                raise NotNow(error.message) from error

    def _changed(self) -> TableChanged:
        return TableChanged(
            f"{self._run.table} is not defined as it was when the copy began",
            hint="look who changed it, then retry the migration: it starts over",
            table=self._run.table,
        )


async def _within(seconds: float, work: Awaitable[T], otherwise: str) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError as error:
        raise NotNow(otherwise) from error


async def _unlock(session: Session) -> None:
    with contextlib.suppress(LostSession):  # then the server has unlocked
        await session.execute("ROLLBACK")
        await session.execute("UNLOCK TABLES")


async def _is_there(session: Session, table: str) -> bool:
    return bool(
        await session.value(
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = %s",
            (table,),
        )
    )
