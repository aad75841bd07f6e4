"""A small strategy that keeps all promises: it copies into a new table by steps, and swaps.

What it does is split into methods, so that others can lie about one thing each.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from alterd_contracts.declaration import Declaration, KindDeclaration, Phase
from alterd_contracts.names import Artifact, ArtifactKind
from alterd_contracts.statement import StatementKind
from alterd_contracts.strategy import (
    AlreadyCompleted,
    Facts,
    Recovery,
    Resume,
    Session,
    StartOver,
    Strategy,
    Task,
)
from alterd_runtime.ddl_strategy import options_of

PROGRAM: Final = "echo"
ASK_AGAIN: Final = 0.5
RESERVED: Final = ("host", "password")
_LISTED: Final = (
    "SELECT `name`, `kind` FROM _alterd.artifacts WHERE `migration_uuid` = %s AND `table_schema` = %s"
    " AND `collected_at` IS NULL ORDER BY `created_at`"
)
_THERE: Final = "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"


@dataclass
class Work:
    """What an attempt works on."""

    new: str
    old: str
    copied: int
    whole: int


class Honest(Strategy):
    """Of no use where anybody writes: the copy sees no changes."""

    name: ClassVar[str] = "honest"
    phases: ClassVar[tuple[str, ...]] = ("prepare", "copy", "cut-over")
    resumable: ClassVar[bool] = True
    step: ClassVar[int] = 60
    """Rows copied at once."""

    def declare(self) -> Declaration:
        kind = KindDeclaration(
            kind=StatementKind.ALTER_TABLE,
            phases=tuple(Phase(name=name, exclusive=name == "copy") for name in self.phases),
            postpone_completion=True,
        )
        return Declaration(
            strategy=self.name,
            version="1.0",
            kinds=(kind,),
            resumable=self.resumable,
            throttleable=True,
            reserved_flags=RESERVED,
            passes_unknown_flags=True,
        )

    async def run(self, task: Task) -> Facts:
        await self.enter(task, "prepare")
        account = await task.account([f"SELECT ON `{task.migration.mysql_schema}`.*"])
        await self.call(task, account.password)
        session = await task.primary()
        try:
            work = await self.prepare(task, session)
            await self.enter(task, "copy")
            await self.copy(task, session, work)
            await self.enter(task, "cut-over")
            await self.permitted(task)
            await self.swap(task, session, work)
        finally:
            await session.close()
        return Facts(message=f"the old table is {work.old}", rows_copied=work.copied)

    async def recover(self, task: Task, last_attempt: int) -> Recovery:  # noqa: ARG002 - the facts tell alone
        session = await task.primary()
        try:
            new, old = await tables(task, session)
            if old and await there_is(task, session, old):
                return AlreadyCompleted(facts=Facts(message=f"found swapped; the old table is {old}"))
            if new and await there_is(task, session, new):
                return self.unfinished()
            return StartOver()
        finally:
            await session.close()

    async def cleanup(self, task: Task) -> None:
        session = await task.primary()
        try:
            for name in filter(None, await tables(task, session)):
                if not await there_is(task, session, name):
                    await task.forget_artifact(name)
        finally:
            await session.close()

    # What can be lied about ------------------------------------------------------------------------------------

    async def enter(self, task: Task, phase: str) -> None:
        await task.phase(phase)

    async def call(self, task: Task, password: str) -> None:
        """Its program, with the users' flags."""
        await task.subprocess(self.argv(task, password), {"SECRET": password}, lambda _: None)

    def argv(self, task: Task, password: str) -> Sequence[str]:  # noqa: ARG002
        return (PROGRAM, *options_of(task.migration, self.declare()).passed)

    async def prepare(self, task: Task, session: Session) -> Work:
        """The new table, made or found."""
        new, old = await tables(task, session)
        new = new or await task.artifact(ArtifactKind.SHADOW)
        old = old or await task.artifact(ArtifactKind.OLD)
        table = task.statement.table
        if not await there_is(task, session, new):
            await session.execute(f"CREATE TABLE `{new}` LIKE `{table}`")
            await session.execute(task.statement.sql.replace(table, f"`{new}`", 1))
        whole = int(await session.value(f"SELECT COUNT(*) FROM `{table}`"))
        return Work(new=new, old=old, copied=int(await session.value(f"SELECT COUNT(*) FROM `{new}`")), whole=whole)

    async def copy(self, task: Task, session: Session, work: Work) -> None:
        while work.copied < work.whole:
            await self.leave(task)
            work.copied += await self.chunk(task, session, work)
            self.tell(task, work)

    async def leave(self, task: Task) -> None:
        await task.throttle.wait(self.name)

    async def chunk(self, task: Task, session: Session, work: Work) -> int:
        table = task.statement.table
        async with task.fenced(session):
            return await session.execute(
                f"INSERT INTO `{work.new}` (id, u, b) SELECT id, u, b FROM `{table}`"
                f" WHERE id > (SELECT COALESCE(MAX(id), 0) FROM (SELECT id FROM `{work.new}`) n)"
                f" ORDER BY id LIMIT {self.step}"
            )

    def tell(self, task: Task, work: Work) -> None:
        task.progress(rows_copied=work.copied, table_rows=work.whole)

    async def permitted(self, task: Task) -> None:
        while not await task.may_complete():
            await task.ready()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(ASK_AGAIN):
                    await task.wanted_changed()

    async def swap(self, task: Task, session: Session, work: Work) -> None:
        table = task.statement.table
        await task.check_fence(session)
        await session.execute(f"RENAME TABLE `{table}` TO `{work.old}`, `{work.new}` TO `{table}`")

    def unfinished(self) -> Recovery:
        """There is a new table, and it is not in its place."""
        return Resume()


async def tables(task: Task, session: Session) -> tuple[str, str]:
    """Names of the new table and of the old one, empty where they are not declared."""
    rows: list[dict[str, Any]] = await session.query(
        _LISTED, (task.migration.migration_uuid, task.migration.mysql_schema)
    )
    names = {str(row["kind"]): str(row["name"]) for row in rows if Artifact.parse(str(row["name"]))}
    return names.get(ArtifactKind.SHADOW, ""), names.get(ArtifactKind.OLD, "")


async def there_is(task: Task, session: Session, name: str) -> bool:
    return bool(await session.value(_THERE, (task.migration.mysql_schema, name)))
