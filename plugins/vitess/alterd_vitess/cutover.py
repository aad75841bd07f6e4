"""The cut-over: lock, drain, rename, unlock, in one session.

    look ──► wait ──► LOCK TABLES ──► same definitions? ──► drain to gtid_executed ──► counter ──► RENAME ──► UNLOCK
      ▲                    │                   │                    │                     │
      └──── back-off ◄─────┴── UNLOCK ◄────────┴────────────────────┴─────────────────────┘

Nothing sleeps or polls under the lock. Whoever is paused under it loses it: the server ends an idle session.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import msgspec

from alterd_contracts.errors import LostSession, StatementFailed
from alterd_contracts.strategy import Session
from alterd_runtime.failpoints import failpoint
from alterd_runtime.mysql.quoting import identifier, qualified
from alterd_runtime.mysql.sidecar import FENCE
from alterd_vitess.applying import BATCH, Applying, remove
from alterd_vitess.blockers import Place
from alterd_vitess.errors import TableChanged
from alterd_vitess.flags import Asked
from alterd_vitess.following import Following
from alterd_vitess.forcing import Forcing
from alterd_vitess.gtid import GtidSet
from alterd_vitess.locating import prepare_keys
from alterd_vitess.relations import Relations, settle
from alterd_vitess.run import Run
from alterd_vitess.sessions import AGAIN, DUPLICATE_ENTRY, errno, open_rows, show_create
from alterd_vitess.shadow import marker

T = TypeVar("T")

LOCK_PATIENCE = 0.3
LONGEST_PATIENCE = 2.4
"""Seconds to wait for the locks, doubling with each attempt that did not get them. Every new statement on the table
waits with us; but transactions that are seldom over in 0.3 s would keep us out for ever. Those of a second are seen and
waited for without a lock, so the longest patience has some room for a slow server.
"""
HOLD_PATIENCE = 1.0
"""Seconds for the stream, and for the answer whether the migration may complete, under the lock."""
FRESH = 0.05
"""Seconds for which the answer is believed: it is asked for at the beginning of the lock, and again after a long drain.
Usually nothing is added to the lock by it."""
POSTPONED = "completion was postponed or cancelled meanwhile"
RENAME_PATIENCE = 1.0
IDLE = 3
"""Seconds after which the server ends the locking session when it hears nothing: this process was stopped."""


class NotNow(Exception):
    """The attempt failed; nothing has changed. The text says why."""


def lock_patience(missed: int) -> float:
    """Seconds to wait for the locks after so many attempts that did not get them. Pure."""
    return min(LOCK_PATIENCE * 2.0 ** min(missed, 10), LONGEST_PATIENCE)


class Swapped(msgspec.Struct, frozen=True, kw_only=True):
    """How the swap went, in seconds."""

    locking: float
    """Until the locks were had: statements queued behind us from the beginning of it."""
    holding: float
    """From the locks to the new table."""
    keys: int
    """Applied under the lock."""
    killed: int = 0
    """Connections that were in the way, over all attempts."""


class CutOver:
    """Attempts of one run."""

    def __init__(self, run: Run, following: Following, applying: Applying, old: str) -> None:
        self._run, self._following, self._applying, self._old = run, following, applying, old
        self._related = Asked.of(run.record).foreign_keys
        self._missed = 0
        """Attempts that did not get the locks."""

    async def places(self, session: Session) -> list[Place]:
        """The tables that are locked."""
        related = (await self._relations(session)).others if self._related else []
        return [(self._run.schema, self._run.table), (self._run.schema, self._run.plan.shadow), *related]

    async def attempt(self, *, threshold: float, forcing: Forcing | None = None) -> Swapped:
        """Locks the tables for `threshold` seconds at most, and for the RENAME. `forcing` ends who holds them.

        Raises `NotNow` with the table as it was, `DuplicateRows`, `TableChanged`, `Fenced`; `LostSession` when
        nobody knows.
        """
        run = self._run
        async with run.checks.paused(), self._applying.paused():
            patience = math.ceil(lock_patience(self._missed))  # it ends also where this process does not end it
            session = await open_rows(
                run.task, run.zone, lock_wait_timeout=patience, innodb_lock_wait_timeout=1, wait_timeout=IDLE
            )
            try:
                if self._related:  # an attempt may have died in the middle
                    await settle(run.task, session, run.plan.shadow)
                await self._show(session)
                await prepare_keys(run, session)
                relations = await self._relations(session)
                # autocommit is off before the lock: BEGIN under it would release it in silence
                await session.execute("SET SESSION autocommit = 0")
                swapped, left = await self._locked(session, relations, threshold, forcing)
            finally:
                await session.close()
        if swapped is None:
            # a duplicate under the lock: it is looked into, with the writers going on
            await self._applying.together(left)
            raise NotNow("a duplicate had to be looked into")
        return swapped

    async def _locked(
        self, session: Session, relations: Relations, threshold: float, forcing: Forcing | None
    ) -> tuple[Swapped | None, list[bytes]]:
        run = self._run
        began = time.monotonic()
        async with _forced(forcing) as locks_are_had, self._lock(session, relations):
            locks_are_had()
            locked = time.monotonic()
            failpoint("vitess.locked")
            asked, may_complete = time.monotonic(), asyncio.create_task(run.task.may_complete())
            try:
                async with asyncio.timeout(threshold):
                    await run.task.check_fence(session)
                    counter = await self._show(session)
                    if not await relations.unchanged(session):
                        raise NotNow("foreign keys changed just now")
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
                    if different := await run.checks.under_lock(session):
                        raise NotNow(different)
                    await self._carry_counter(session, counter)
                    await _permitted(may_complete)
                    await relations.before(session)
                    await self._still_permitted(asked)
                await self._rename(session)
            except StatementFailed as error:
                raise NotNow(error.message) from error
            except TimeoutError as error:
                raise NotNow(f"the table was locked for the cut-over threshold of {threshold:g} s") from error
            finally:
                may_complete.cancel()
                await asyncio.gather(may_complete, return_exceptions=True)
            run.swapped = True
            failpoint("vitess.renamed")
            await relations.after(session)
        failpoint("vitess.unlocked")
        return Swapped(locking=locked - began, holding=time.monotonic() - locked, keys=len(keys)), []

    async def _still_permitted(self, asked: float) -> None:
        """`asked`: when it was asked last, in monotonic seconds. A hold that was put on since is obeyed."""
        task = self._run.task
        if time.monotonic() - asked > FRESH:
            await _permitted(task.may_complete())
        if not task.wanted.may_complete:  # what was heard costs nothing to look at
            raise NotNow(POSTPONED)

    @contextlib.asynccontextmanager
    async def _lock(self, session: Session, relations: Relations) -> AsyncIterator[None]:
        run = self._run
        tables = f"{identifier(run.table)} WRITE, {identifier(run.plan.shadow)} WRITE, {FENCE} READ"
        tables += "".join(f", {qualified(*place)} WRITE" for place in relations.others)
        patience = lock_patience(self._missed)
        self._missed += 1
        try:
            async with asyncio.timeout(patience):
                await session.execute(f"LOCK TABLES {tables}")
        except TimeoutError as error:
            raise NotNow(f"the locks were not had within {patience:g} s") from error
        except StatementFailed as error:
            raise NotNow(f"the locks were not had: {error.message}") from error
        self._missed = 0
        try:
            yield
        except NotNow:
            await relations.undo(session)
            raise
        finally:
            await asyncio.shield(asyncio.ensure_future(_unlock(session)))

    async def _relations(self, session: Session) -> Relations:
        return await Relations.read(self._run.task, session, self._run.plan.shadow, self._old)

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
            await remove(self._run, session, part)
        # two spellings of one row must be in one statement, or it would be there twice
        for part in parts if self._run.mapping.key.ordered or not keys else [keys]:
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


@contextlib.asynccontextmanager
async def _forced(forcing: Forcing | None) -> AsyncIterator[Callable[[], None]]:
    """Ends who holds the tables until what is yielded is called; its last look is awaited when the lock is given up."""
    stop = asyncio.Event()
    ending = asyncio.create_task(forcing.beside_the_lock(stop)) if forcing else None
    try:
        yield stop.set
    finally:
        stop.set()
        if ending is not None:
            await ending


async def _within(seconds: float, work: Awaitable[T], otherwise: str) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError as error:
        raise NotNow(otherwise) from error


async def _permitted(answer: Awaitable[bool]) -> None:
    if not await _within(HOLD_PATIENCE, answer, "no word whether it may complete"):
        raise NotNow(POSTPONED)


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
