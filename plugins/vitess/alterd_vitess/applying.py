"""The apply: touched keys are deleted from the shadow and inserted anew from the source, in one fenced transaction."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from alterd_contracts.errors import StatementFailed
from alterd_contracts.strategy import Session
from alterd_runtime.failpoints import failpoint
from alterd_vitess.collisions import Collisions
from alterd_vitess.locating import prepare_keys, shadow_rows
from alterd_vitess.proof import Proof
from alterd_vitess.ranges import Range
from alterd_vitess.run import Run
from alterd_vitess.sessions import AGAIN, DUPLICATE_ENTRY, errno, open_rows
from alterd_vitess.unfit import with_its_row

APP = "vplayer"
"""What the throttler knows the apply as; Vitess's name."""
BATCH = 1000
"""Keys of one transaction; from 500 to 2000 made no difference when measured."""
ALONE = 200
"""Keys up to which one session does it."""
SLOWED = 1.0
"""Seconds between two rounds while the throttler says wait: the apply is slowed, never stopped."""


class Applying:
    """Applies what `run.touched` gives; a key is in one batch at a time."""

    def __init__(self, run: Run, proof: Proof) -> None:
        self._run, self._proof = run, proof
        self._sessions: list[Session] = []
        self._round = asyncio.Lock()
        self._collisions = Collisions(run)
        self.applied = 0

    async def open(self) -> None:
        run = self._run
        # two spellings of one key must not be applied side by side
        for _ in range(run.settings.apply_sessions if run.mapping.key.ordered else 1):
            session = await open_rows(run.task, run.zone)
            self._sessions.append(session)
            await prepare_keys(run, session)

    async def close(self) -> None:
        for session in self._sessions:
            await session.close()
        await self._collisions.close()

    async def forever(self) -> None:
        """Raises `StatementFailed`, `DuplicateRows`."""
        run = self._run
        while True:
            if not run.touched.waiting:
                await run.bell.heard()
                continue
            while run.task.wanted.paused:  # what a throttler only slows, a pause stops
                await run.task.wanted_changed()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SLOWED):
                    await run.task.throttle.wait(APP)
            await self._proof.prove()
            async with contextlib.nullcontext() if run.mapping.key.ordered else run.turn, self._round:
                keys = run.touched.take(self._proof.visible, BATCH * len(self._sessions))
                if keys:
                    await self._apply(sorted(keys))
            run.bell.ring()

    @contextlib.asynccontextmanager
    async def paused(self) -> AsyncIterator[None]:
        """No batch is under way within the block."""
        async with self._round:
            yield

    async def copy_through(self, chunk: Range) -> int:
        """Copies a chunk whose rows older rows of the shadow are in the way of; those are applied with it.

        Returns its rows. Raises `StatementFailed`, `DuplicateRows`.
        """
        async with self._round:
            return await self._collisions.settle((), chunk)

    async def together(self, keys: Sequence[bytes]) -> None:
        """Applies keys, and what is in their way, in one transaction. Raises `DuplicateRows`."""
        async with self._round:
            await self._collisions.settle(keys)

    async def _apply(self, keys: Sequence[bytes]) -> None:
        """One round: the keys over all sessions, then the barrier."""
        run = self._run
        count = 1 if len(keys) <= ALONE else len(self._sessions)
        size = -(-len(keys) // count)
        parts = [keys[start : start + size] for start in range(0, len(keys), size)]
        results = await asyncio.gather(
            *(self._transaction(session, part) for session, part in zip(self._sessions, parts, strict=False)),
            return_exceptions=True,
        )
        again: list[bytes] = []
        for part, result in zip(parts, results, strict=True):
            if isinstance(result, StatementFailed) and errno(result) in {DUPLICATE_ENTRY, *AGAIN}:
                again += part
            elif isinstance(result, StatementFailed):
                raise await with_its_row(run, self._sessions[0], result, part) from result
            elif isinstance(result, BaseException):
                raise result
            else:
                run.touched.applied(part)
                self.applied += len(part)
        if again:
            try:
                await self._collisions.settle(again)
            except StatementFailed as error:
                raise await with_its_row(run, self._sessions[0], error, again) from error
            run.touched.applied(again)
            self.applied += len(again)

    async def _transaction(self, session: Session, keys: Sequence[bytes]) -> None:
        """One statement deletes, one inserts: what one snapshot has."""
        run = self._run
        async with run.task.fenced(session):
            await remove(run, session, keys)
            await session.execute(run.statements.insert(keys, left_out=run.left_out))
            failpoint("vitess.batch_applied")
        failpoint("vitess.batch_committed")


async def remove(run: Run, session: Session, keys: Sequence[bytes]) -> None:
    """Deletes the shadow's rows of source keys."""
    await session.execute(f"DELETE {await shadow_rows(run, session, keys)}")
