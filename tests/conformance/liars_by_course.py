"""Strategies that lie about how they go along and how they end."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
from collections.abc import Sequence

from alterd_contracts.errors import MigrationFailed
from alterd_contracts.strategy import Recovery, Resume, Session, StartOver, Task
from alterd_contracts.testing import Promise
from tests.conformance.honest import Work, there_is
from tests.conformance.liar import Liar


class WrongOrder(Liar):
    name = "wrong-order"
    phases = ("copy", "prepare", "cut-over")
    promise, says = Promise.PHASES, "it enters 'copy' after 'prepare', declared in the other order"


class Unnamed(Liar):
    name = "unnamed"
    promise, says = Promise.PHASES, "it enters 'tidy', which is not declared"

    async def swap(self, task: Task, session: Session, work: Work) -> None:
        await super().swap(task, session, work)
        await self.enter(task, "tidy")


class NeverThere(Liar):
    name = "never-there"
    phases = ("prepare", "copy", "checksum", "cut-over")
    promise, says = Promise.PHASES, "alter_table: declared and never entered: checksum"


class Pushing(Liar):
    """It asks for its place, and does not wait for it."""

    name = "pushing"
    promise, says = Promise.EXCLUSIVE, "it goes on before the place for 'copy' was given: throttle.wait"

    async def enter(self, task: Task, phase: str) -> None:
        if phase != "copy":
            await super().enter(task, phase)
            return
        self._asking = asyncio.create_task(super().enter(task, phase))
        await asyncio.sleep(0.15)

    async def permitted(self, task: Task) -> None:
        await self._asking
        await super().permitted(task)


class Impatient(Liar):
    name = "impatient"
    promise, says = Promise.HOLDS, "it completes without leave: the last answer was no"

    async def permitted(self, task: Task) -> None:
        if not await task.may_complete():
            await task.ready()


class Secretive(Liar):
    """It waits for its leave, and nobody hears of it."""

    name = "secretive"
    lasts = True
    promise, says = Promise.HOLDS, "it never says that only the completion is left"

    async def permitted(self, task: Task) -> None:
        while not await task.may_complete():  # noqa: ASYNC110 - it is told by nothing else
            await asyncio.sleep(0.1)


class Hasty(Liar):
    """It asks for leave, and does not wait for the answer."""

    name = "hasty"
    lasts = True
    scenario = "throttled"
    step = 10
    promise, says = Promise.THROTTLES, "it copies while it is throttled: "

    async def copy(self, task: Task, session: Session, work: Work) -> None:
        self._asking = asyncio.create_task(super().leave(task))
        await super().copy(task, session, work)
        await self._asking

    async def leave(self, task: Task) -> None:
        if self._asking.done():
            self._asking = asyncio.create_task(super().leave(task))
        await asyncio.sleep(0.15)


class Deaf(Liar):
    """It asks once, and never again."""

    name = "deaf"
    scenario = "throttled"
    promise, says = Promise.THROTTLES, "it never says that it waits for the throttler"

    async def leave(self, task: Task) -> None:
        if task.migration.attempt > 1:
            await super().leave(task)


class Forgetful(Liar):
    """It says that it resumes, and begins anew."""

    name = "forgetful"
    scenario = "dies in mid-copy"
    promise, says = Promise.RESUMES, "rows were copied, and recover answers StartOver"

    def unfinished(self) -> Recovery:
        return StartOver()

    async def prepare(self, task: Task, session: Session) -> Work:
        work = await super().prepare(task, session)
        await session.execute(f"DELETE FROM `{work.new}`")
        work.copied = 0
        return work


class Overdone(Liar):
    """It resumes, and has declared that it does not."""

    name = "overdone"
    resumable = False
    scenario = "dies in mid-copy"
    promise, says = Promise.RESUMES, "recover answers Resume, which is not declared"


class Shell(Liar):
    """It hands flags on through a shell's eyes."""

    name = "shell"
    scenario = "flags"
    promise, says = Promise.FLAGS, "--conformance-probe does not reach the program as one argument"

    def argv(self, task: Task, password: str) -> Sequence[str]:
        with contextlib.suppress(ValueError):
            return [word for text in super().argv(task, password) for word in shlex.split(text.replace("'", ""))]
        return [word for text in super().argv(task, password) for word in text.split()]


class Swallowing(Liar):
    name = "swallowing"
    scenario = "flags"
    promise, says = Promise.FLAGS, "--conformance-probe reaches no program, though unknown flags are passed on"

    def argv(self, task: Task, password: str) -> Sequence[str]:
        return super().argv(task, password)[:1]


class Stubborn(Liar):
    """It goes on when it is cancelled, and changes the table behind everybody's back."""

    name = "stubborn"
    scenario = "cancelled in copy"
    promise, says = Promise.CANCELS, "the table is not as it was"

    async def cleanup(self, task: Task) -> None:
        await super().cleanup(task)
        session = await task.primary()
        try:
            await session.execute(f"DELETE FROM `{task.statement.table}` WHERE id = 1")
        finally:
            await session.close()


class Mistaken(Liar):
    """It takes a swap that has happened for one that has not."""

    name = "mistaken"
    scenario = "dies at run run done"
    promise, says = Promise.RECOVERS, "recover answers Resume, and the table is not as it was"

    async def recover(self, task: Task, last_attempt: int) -> Recovery:  # noqa: ARG002
        return Resume()

    async def prepare(self, task: Task, session: Session) -> Work:
        if task.attempt > 1:
            raise MigrationFailed("the table is not as it should be")
        return await super().prepare(task, session)


class Changeable(Liar):
    """It answers otherwise when it is asked again."""

    name = "changeable"
    scenario = "dies in mid-copy"
    promise, says = Promise.RECOVERS, "recover answers Resume, and asked again StartOver"

    async def recover(self, task: Task, last_attempt: int) -> Recovery:
        asked = task.workdir / "asked"
        found = await super().recover(task, last_attempt)
        if asked.exists():
            return StartOver()
        asked.touch()
        return found


class Once(Liar):
    """Its clean-up cannot be repeated."""

    name = "once"
    scenario = "cancelled in copy"
    promise, says = Promise.RECOVERS, "cleanup raises "

    async def cleanup(self, task: Task) -> None:
        session = await task.primary()
        try:
            cleaned = await there_is(task, session, task.statement.table) and (task.workdir / "cleaned")
            if cleaned and cleaned.exists():
                raise MigrationFailed("it has been cleaned up")
            (task.workdir / "cleaned").touch()
        finally:
            await session.close()
        await super().cleanup(task)


class Careless(Liar):
    """It loses a row."""

    name = "careless"
    promise, says = Promise.COMPLETES, "the table is not as MySQL's own statement leaves it: 299 rows"

    async def swap(self, task: Task, session: Session, work: Work) -> None:
        await session.execute(f"DELETE FROM `{work.new}` WHERE id = 17")
        await super().swap(task, session, work)
