"""One attempt from beginning to end.

prepare (names, memory, account) ──► copy (and compare) ──► cut-over
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from alterd_contracts.errors import AlterdError, Ambiguous, DuplicateRows
from alterd_contracts.migration import Migration
from alterd_contracts.strategy import Facts, Session, Task

from alterd_spirit.command import CONF, Call, conf, grants
from alterd_spirit.errors import SpiritFailed
from alterd_spirit.flags import passed_on
from alterd_spirit.memory import Memory, Verdict, judge, recall, remember, server_of
from alterd_spirit.obstacles import server_obstacles
from alterd_spirit.output import DUPLICATES
from alterd_spirit.program import Program, locate
from alterd_spirit.tables import (
    Names,
    checkpointed,
    definition,
    existing,
    identity,
    put_up_sentinel,
    rows_there,
    tidy,
)
from alterd_spirit.watching import Watching

NO_ENVIRONMENT: Final[Mapping[str, str]] = {}


async def alter(task: Task) -> Facts:
    """Runs the ALTER of `task` by spirit. Raises an AlterdError; what the table is then, `recover` finds out."""
    await task.phase("prepare")
    program = await locate()
    record = task.migration
    names = Names(table=record.mysql_table)
    await task.foreign_artifacts(names.all)
    session = await task.primary()
    try:
        for obstacle in await server_obstacles(session):
            raise obstacle
        memory = await recall(session, record)
        goes_on = memory is not None and await resumable(session, record, memory, program)
        rows = await rows_there(session, record.mysql_schema, names.new) if goes_on else 0
        left = await existing(session, record.mysql_schema, names.all)
    finally:
        await session.close()
    if left and not goes_on:
        await tidy(task)  # what a dead attempt left that cannot be taken up: spirit would drop it unasked
        await task.foreign_artifacts(names.all)
    session = await task.primary()
    try:
        await remember(task, session, await _beginning(session, record, program, memory))
        await put_up_sentinel(task, session)
        literal = bool(await session.value("SELECT @@global.partial_revokes"))
    finally:
        await session.close()
    account = await task.account(grants(record.mysql_schema, literal=literal))
    _write_private(task.workdir / CONF, conf(account))
    call = Call(
        program=program.path,
        workdir=task.workdir,
        login=task.login(),
        schema=record.mysql_schema,
        statement=record.migration_statement,
        passed=passed_on(record.options),
    )
    task.log.info(f"spirit {program.shown} {'goes on where an attempt before stood' if goes_on else 'begins'}")
    await task.phase("copy")
    while (watching := await _run(task, call, rows)).waited_too_long and not watching.let_go:
        rows = watching.rows.copied
        task.log.info("spirit waits no longer than 48 hours for its cut-over: it is called again, and goes on")
    return await _finish(task, watching)


async def resumable(session: Session, record: Migration, memory: Memory, program: Program) -> bool:
    """Whether spirit takes up the work of a dead attempt: its new table and its checkpoint are there, of the very same
    statement, it is the same program (README "Resume from Checkpoint") and the same server. The rest it decides itself.
    """
    names, schema = Names(table=record.mysql_table), record.mysql_schema
    if memory.server != await server_of(session):
        return False  # the checkpoint names a place in that server's binary log: another's has other changes there
    there = await existing(session, schema, names.all)
    if memory.program != program.digest or not {names.new, names.checkpoint} <= there:
        return False
    return await checkpointed(session, schema, names) == record.migration_statement


async def look(session: Session, record: Migration, memory: Memory) -> Verdict:
    """What the facts on the server say of the change."""
    schema, names = record.mysql_schema, Names(table=record.mysql_table)
    there = await existing(session, schema, (names.table, names.new))
    if names.table not in there:
        return Verdict.UNCLEAR
    return judge(
        memory,
        await server_of(session),
        await identity(session, schema, names.table),
        await definition(session, schema, names.table),
        new_is_there=names.new in there,
        at_once=bool(record.special_plan),
    )


async def _beginning(session: Session, record: Migration, program: Program, memory: Memory | None) -> Memory:
    """What an attempt begins with. Where others came before, `recover` has found the table as it was."""
    server = await server_of(session)
    if memory is not None and memory.server == server:
        return msgspec.structs.replace(memory, program=program.digest)
    return Memory(
        program=program.digest,
        server=server,
        before=await identity(session, record.mysql_schema, record.mysql_table),
        definition=await definition(session, record.mysql_schema, record.mysql_table),
    )


async def _run(task: Task, call: Call, rows_before: int) -> Watching:
    """Returns when spirit has ended well, or has waited too long. Cancelled, it ends it by a signal."""
    watching = Watching(task, rows_before)
    running = asyncio.create_task(task.subprocess(call.argv(), NO_ENVIRONMENT, watching.hear))
    looking = asyncio.create_task(watching.forever())
    try:
        await asyncio.wait({running, looking}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            looking.result()  # it ends by an error only
        code = running.result()
    finally:
        looking.cancel()
        running.cancel()
        await asyncio.wait({running, looking})
    if code and not watching.waited_too_long:
        raise failed(watching.output.words, code)
    return watching


async def _finish(task: Task, watching: Watching) -> Facts:
    """It says that it is done: so must the table."""
    record = task.migration
    session = await task.primary()
    try:
        memory = await recall(session, record)
        assert memory is not None, "written down before spirit began"
        verdict = await look(session, record, memory)
        left = await existing(session, record.mysql_schema, (Names(table=record.mysql_table).new,))
    finally:
        await session.close()
    if verdict is not Verdict.SWAPPED and (watching.let_go or left):
        raise Ambiguous(
            f"spirit ended well, and {record.mysql_table} is not the new table",
            hint="look at the table's definition and at the migration's log",
            table=record.mysql_table,
        )
    await tidy(task)
    rows = watching.rows.copied
    if not watching.let_go:
        return Facts(message="MySQL did it in place, as spirit asked it to")
    return Facts(message="spirit cut over, and dropped the old table", rows_copied=rows, table_rows=rows)


def failed(words: str, code: int) -> AlterdError:
    """What its last words mean. Pure."""
    said = words or f"it ended with exit code {code}"
    if DUPLICATES in words:
        return DuplicateRows(
            f"two rows have the same value in a unique key of the new table: {said}", hint="remove the duplicates first"
        )
    return SpiritFailed(f"spirit failed: {said}", hint="`alterd logs` shows all that it said", exit_code=code)


def _write_private(path: Path, text: str) -> None:
    """A new file that only this process's user can read, from its first byte on."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
