"""One attempt: the tool's dry run, then its real run, asked for leave before each chunk and before the swap."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from pathlib import Path

from alterd_contracts.errors import AlterdError, Cancelled
from alterd_contracts.names import ArtifactKind
from alterd_contracts.strategy import Facts, Task
from alterd_ptosc.channel import listening
from alterd_ptosc.command import (
    CONFIG,
    DEFAULTS,
    ENVIRONMENT,
    PLUGIN,
    alter_text,
    argv,
    check_names,
    defaults_file,
    dsn,
)
from alterd_ptosc.counting import check_rows
from alterd_ptosc.errors import RowsChanged
from alterd_ptosc.exits import failed
from alterd_ptosc.obstacles import expected_renames, sets_counter
from alterd_ptosc.output import Listener
from alterd_ptosc.passing import STRATEGY, arguments, with_variables
from alterd_ptosc.program import find
from alterd_ptosc.server import Server, grants, parents_of, read_server
from alterd_ptosc.tables import carry_counter, exists
from alterd_runtime.ddl_strategy import Options, zero_dates_allowed
from alterd_runtime.failpoints import failpoint
from alterd_runtime.mysql.tables import read_table
from alterd_tools.programs import Program
from alterd_tools.secrets import write_private

PREPARE, COPY, CUT_OVER = "prepare", "copy", "cut-over"
COUNTER_WAIT = 1
"""Seconds for which writers wait at most that the new table's counter is set."""
HELD_LOOK = 1.0
"""Seconds between two questions whether a held swap may go on."""
_SOURCE = Path(__file__).with_name(PLUGIN)


async def alter(task: Task, options: Options, path: str) -> Facts:
    """Carries the change out. Raises what the tool ended with, and what alterd found of it."""
    record = task.migration
    passed = arguments(options)
    check_names(record.mysql_schema, record.mysql_table)
    tool = await find(path)
    task.log.info(f"pt-online-schema-change {tool.shown}: {tool.path}")
    await task.phase(PREPARE)
    new, old = await task.artifact(ArtifactKind.SHADOW), await task.artifact(ArtifactKind.OLD)
    session = await task.primary()
    try:
        server = await read_server(session)
        table = await read_table(session, record.mysql_schema, record.mysql_table)
    finally:
        await session.close()
    run = Run(task, tool, server, new=new, old=old, passed=passed, estimate=table.estimate if table is not None else 0)
    await run.sign_in()
    await run.once(execute=False)
    await task.phase(COPY)
    failpoint("ptosc.tried")
    await run.once(execute=True)
    failpoint("ptosc.swapped")
    return Facts(message=f"the old table is {old}", rows_copied=run.rows, table_rows=run.rows)


class Run:
    """What one attempt does with the tool."""

    def __init__(
        self, task: Task, tool: Program, server: Server, *, new: str, old: str, passed: tuple[str, ...], estimate: int
    ) -> None:
        self._task, self._tool, self._server = task, tool, server
        self._new, self._old, self._passed, self._estimate = new, old, passed, estimate
        self._zero_dates = zero_dates_allowed(task.migration.options)
        self._own_counter = sets_counter(task.migration.migration_statement)
        self._renames = expected_renames(task.migration.migration_statement)
        self._listener = Listener(task.log)
        self._refusal: Exception | None = None
        """Why alterd said no: that, and not the tool's word on it, is what went wrong."""
        self._copied = self._swaps = 0
        self.rows = 0
        """Counted right before the swap."""

    async def sign_in(self) -> None:
        """The account, and the files that the tool reads."""
        record, workdir = self._task.migration, self._task.workdir
        session = await self._task.primary()
        try:
            parents = await parents_of(session, record.mysql_schema, record.mysql_table)
        finally:
            await session.close()
        tables = (record.mysql_table, self._new, self._old)
        account = await self._task.account(grants(self._server, record.mysql_schema, tables, parents))
        write_private(workdir / DEFAULTS, defaults_file(account, encrypted=self._server.encrypted))
        write_private(workdir / CONFIG, "")
        shutil.copyfile(_SOURCE, workdir / PLUGIN)

    async def once(self, *, execute: bool) -> None:
        """One run of the tool. Raises `ToolFailed` and its kinds, or why alterd refused it something."""
        task, record, login = self._task, self._task.migration, self._task.login()
        self._listener = Listener(task.log)
        command = argv(
            str(self._tool.path),
            task.workdir,
            dsn(task.workdir, host=login.host, port=login.port, schema=record.mysql_schema, table=record.mysql_table),
            alter=alter_text(record.migration_statement),
            new_table=self._new,
            passed=with_variables(self._passed, self._server.variables(zero_dates=self._zero_dates)),
            renames=bool(self._renames),
            execute=execute,
        )
        async with listening(task.workdir, self._answer):
            code = await task.subprocess(command, ENVIRONMENT, self._hear)
        if self._refusal is not None:
            raise self._refusal
        if code:
            raise failed(code, self._listener.last_words, during="its real run" if execute else "its dry run")
        if execute and not await self._swapped():
            raise failed(code, "it ended well, and the tables are not swapped", during="its real run")

    def _hear(self, line: str) -> None:
        self._listener.hear(line)
        self._tell()

    def _tell(self) -> None:
        rows = self.rows or self._copied
        self._task.progress(
            rows_copied=rows,
            table_rows=max(self._estimate, rows) if not self.rows else rows,
            eta_seconds=0 if self.rows else self._listener.eta_seconds,
            cutover_attempts=self._task.migration.cutover_attempts + self._swaps,
        )

    # What the tool asks ----------------------------------------------------------------------------------------

    async def _answer(self, question: str) -> str:
        """Whatever goes wrong is raised where the tool has ended."""
        try:
            return await self._asked(question)
        except asyncio.CancelledError:
            return "no the run ends"
        except Exception as error:  # noqa: BLE001
            self._refusal = error
            return f"no {error.message if isinstance(error, AlterdError) else type(error).__name__}"

    async def _asked(self, question: str) -> str:
        word, _, rest = question.partition(" ")
        match word:
            case "renames":
                return self._judge_renames(rest)
            case "copy":
                self._copied += int(rest) if rest.isdecimal() else 0
                self._tell()
                self._check_values()
                await self._task.throttle.wait(STRATEGY)
                failpoint("ptosc.copying")
                return "go"
            case "swap":
                return await self._swap()
        return f"no alterd does not know the question {word!r}"

    def _judge_renames(self, told: str) -> str:
        pairs = [pair.split("=") for pair in told.split()]
        found = {_text(old).lower(): _text(new).lower() for old, new in pairs}
        if found == self._renames:
            return "go"
        missed = sorted(set(self._renames.items()) ^ set(found.items()))
        names = ", ".join(f"{old} to {new}" for old, new in missed)
        self._refusal = RowsChanged(
            f"pt-online-schema-change {self._tool.shown} misreads which columns are renamed ({names}): their values "
            "would be lost",
            hint="rename them by CHANGE, or use the strategy vitess",
        )
        return f"no {self._refusal.message}"

    def _check_values(self) -> None:
        if self._listener.changed:
            raise RowsChanged(
                f"the copy changes values: {self._listener.changed}",
                hint="make the rows fit the new table first, or use the strategy vitess",
                table=self._task.migration.mysql_table,
            )

    async def _swap(self) -> str:
        """Once all rows are there and the users let it. Asked again when a rename had to give way."""
        task = self._task
        self._check_values()
        self._swaps += 1
        if self._swaps == 1:
            await task.phase(CUT_OVER)
            await self._count()
            await task.ready()
        self._tell()
        while not await task.may_complete():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HELD_LOOK):
                    await task.wanted_changed()
            if task.wanted.cancel_requested:
                raise Cancelled
            task.alive()
        record = task.migration
        failpoint("ptosc.swap_allowed")
        session = await task.primary({"lock_wait_timeout": COUNTER_WAIT})
        try:
            await task.check_fence(session)
            names = record.mysql_schema, record.mysql_table, self._new
            if not self._own_counter and not await carry_counter(session, *names):
                task.log.info("the next AUTO_INCREMENT number is the one after the highest: the new table is in use")
        finally:
            await session.close()
        return f"go {self._old}"

    async def _count(self) -> None:
        record = self._task.migration
        session = await self._task.primary()
        try:
            self.rows = await check_rows(session, record.mysql_schema, record.mysql_table, self._new)
        finally:
            await session.close()

    async def _swapped(self) -> bool:
        session = await self._task.primary()
        try:
            return await exists(session, self._task.migration.mysql_schema, self._old)
        finally:
            await session.close()


def _text(digits: str) -> str:
    return bytes.fromhex(digits).decode(errors="replace")
