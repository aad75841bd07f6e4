"""Strategies that lie about what they leave behind, where they write passwords, and what they declare."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

from alterd_contracts.strategy import Facts, Session, Task
from alterd_contracts.testing import Promise
from tests.conformance.honest import Work
from tests.conformance.liar import Liar


class Littering(Liar):
    """It puts a trigger on the table, and leaves it there."""

    name = "littering-triggers"
    promise, says = Promise.LEAVES_NOTHING, "triggers are left: watcher"

    async def swap(self, task: Task, session: Session, work: Work) -> None:
        await super().swap(task, session, work)
        await session.execute(
            f"CREATE TRIGGER watcher AFTER DELETE ON `{task.statement.table}` FOR EACH ROW SET @deleted = 1"
        )


class Accounting(Liar):
    """It makes an account of its own."""

    name = "littering-accounts"
    promise, says = Promise.LEAVES_NOTHING, "accounts are left: conformance_left@%"

    async def swap(self, task: Task, session: Session, work: Work) -> None:
        await super().swap(task, session, work)
        await session.execute("CREATE USER IF NOT EXISTS 'conformance_left'@'%' ACCOUNT LOCK")


class Detached(Liar):
    """It starts a program by itself, which outlives it."""

    name = "littering-processes"
    lasts = True
    promise, says = Promise.LEAVES_NOTHING, "processes are left: "

    async def call(self, task: Task, password: str) -> None:
        await super().call(task, password)
        nothing = subprocess.DEVNULL
        subprocess.Popen(  # noqa: ASYNC220
            ["sleep", "20"], stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
        )


class Scattering(Liar):
    """It leaves a file outside of its folder."""

    name = "littering-files"
    promise, says = Promise.LEAVES_NOTHING, "files are left: "

    async def call(self, task: Task, password: str) -> None:
        await super().call(task, password)
        (task.workdir.parent / "left-over").touch()


class Falling(Liar):
    name = "falling"
    promise, says = Promise.PROGRESS, "its rows fall from "

    def tell(self, task: Task, work: Work) -> None:
        task.progress(rows_copied=max(1, work.whole - work.copied), table_rows=2 * work.whole)


class Boasting(Liar):
    name = "boasting"
    promise, says = Promise.PROGRESS, "it tells of 200 percent"

    def tell(self, task: Task, work: Work) -> None:
        task.progress(rows_copied=work.copied, percent=200.0)


class InArguments(Liar):
    name = "tells-in-arguments"
    promise, says = Promise.SECRETS, "a password is in the arguments of a program"

    def argv(self, task: Task, password: str) -> Sequence[str]:
        return (*super().argv(task, password), f"--password={password}")


class InLog(Liar):
    name = "tells-in-log"
    promise, says = Promise.SECRETS, "a password is in the log"

    async def call(self, task: Task, password: str) -> None:
        await super().call(task, password)
        task.log.info(f"connects as {task.login().user} with {task.login().password}")


class InProgress(Liar):
    name = "tells-in-progress"
    promise, says = Promise.SECRETS, "a password is in how far it says to be"

    def tell(self, task: Task, work: Work) -> None:
        task.progress(rows_copied=work.copied, table_rows=work.whole, message=task.login().password)


class InMessage(Liar):
    name = "tells-in-message"
    promise, says = Promise.SECRETS, "a password is in a message"

    async def run(self, task: Task) -> Facts:
        return Facts(message=f"{(await super().run(task)).message} {task.login().password}")


class Early(Liar):
    """It makes a table, and never says so until it drops it."""

    name = "early"
    promise, says = Promise.ARTIFACTS, "the table _early is there, and nobody has declared it (run, at artifact shd)"

    async def prepare(self, task: Task, session: Session) -> Work:
        await session.execute("CREATE TABLE IF NOT EXISTS _early (id INT PRIMARY KEY)")
        return await super().prepare(task, session)

    async def copy(self, task: Task, session: Session, work: Work) -> None:
        await super().copy(task, session, work)
        await session.execute("DROP TABLE _early")


class Undeclared(Liar):
    """It keeps rows in a table that nobody knows of, when it is cancelled."""

    name = "undeclared"
    scenario = "cancelled in cut-over"
    promise, says = Promise.LEAVES_NOTHING, "tables are left: _kept"

    async def cleanup(self, task: Task) -> None:
        await super().cleanup(task)
        session = await task.primary()
        try:
            await session.execute("CREATE TABLE IF NOT EXISTS _kept (id INT PRIMARY KEY)")
        finally:
            await session.close()
