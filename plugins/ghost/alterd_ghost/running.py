"""One attempt from beginning to end.

prepare (the look, the account, the dry run) ──► copy ──► catch-up ──► cut-over
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
from collections.abc import Collection, Mapping
from typing import Final

import msgspec

from alterd_contracts.errors import AlterdError, Ambiguous, DuplicateRows, InvalidSetting, RunLost
from alterd_contracts.strategy import Facts, Session, Task
from alterd_ghost.command import CONF, PANIC, Call, clauses_of, conf, grants
from alterd_ghost.counter import carry_counter
from alterd_ghost.errors import GhostFailed
from alterd_ghost.flags import STRATEGY, Asked
from alterd_ghost.limits import account_limits, server_limits, table_limits
from alterd_ghost.status import DUPLICATE, FATAL, QUIET
from alterd_ghost.tables import (
    CHANGELOG,
    CHECKPOINTS,
    ENDINGS,
    GHOST,
    OLD,
    Checkpoint,
    Group,
    drop_tables,
    go_back_to,
    look,
    read_groups,
    resumable,
)
from alterd_ghost.tool import locate
from alterd_ghost.trial import change_limits
from alterd_ghost.watching import Watching
from alterd_runtime.failpoints import failpoint
from alterd_runtime.mysql.tables import read_table
from alterd_runtime.settings import GhostSettings
from alterd_runtime.sql import split_alter
from alterd_tools.output import Output
from alterd_tools.secrets import write_private

PANICKING: Final = 3.0
"""Seconds for gh-ost to obey the panic flag, before it is ended by a signal."""
NO_ENVIRONMENT: Final[Mapping[str, str]] = {}
OWN_SERVER_IDS: Final = 2**31
"""Far from those that people give: two readers with one id would end each other."""


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt works on."""

    group: Group
    checkpoint: Checkpoint | None
    """Where it takes up the work of an older attempt; None where it begins."""
    gtid: bool
    encrypted: bool
    """Our own session is."""
    unique: frozenset[str]
    """Names of the unique keys that the table has."""
    estimate: int = 0
    """Rows of the table, as the server counts them: gh-ost reads none where EXPLAIN answers as a tree."""


async def alter(task: Task, settings: GhostSettings) -> Facts:
    """Runs the ALTER of `task` by gh-ost. Raises an AlterdError; what the table is then, `recover` finds out."""
    await task.phase("prepare")
    program = await locate(settings)
    if not task.throttle.url:
        raise InvalidSetting(
            "the executor serves no HTTP, where gh-ost asks whether to wait",
            hint="set http.port of the executor to something else than -1",
            setting="http.port",
        )
    session = await task.primary()
    try:
        work = await _prepare(task, session)
    finally:
        await session.close()
    record, asked = task.migration, Asked.of(task.migration)
    account = await task.account(grants(record.mysql_schema))
    failpoint("ghost.account_made")
    write_private(task.workdir / CONF, conf(account))
    call = Call(
        program=program.path,
        workdir=task.workdir,
        login=task.login(),
        schema=record.mysql_schema,
        table=record.mysql_table,
        alter=clauses_of(split_alter(record.migration_statement).clauses),
        prefix=work.group.prefix,
        server_id=OWN_SERVER_IDS + secrets.randbelow(2**31 - 1),
        throttle_url=task.throttle.url,
        gtid=work.gtid,
        checkpoint_seconds=settings.checkpoint_interval,
        zero_dates=asked.zero_dates,
        encrypted=work.encrypted,
        passed=asked.passed,
    )
    if work.checkpoint is None:  # of an attempt that resumes, gh-ost's dry run would drop the table
        await _dry_run(task, call)
    await task.phase("copy")
    await task.throttle.wait(STRATEGY)  # it copies its first rows before it has an answer of its own
    watching = await _real_run(task, call, work, account.user)
    return await _finish(task, work, watching)


async def _prepare(task: Task, session: Session) -> Work:
    """Looks again at the change, and finds or declares the tables.

    Raises `MissingPrivilege`, `CannotRunGhost`, `RunLost`.
    """
    record, asked = task.migration, Asked.of(task.migration)
    for obstacle in await account_limits(session, record.mysql_schema):
        raise obstacle
    for obstacle in await server_limits(session, asked):
        raise obstacle
    for obstacle in await table_limits(session, record.mysql_schema, record.mysql_table):
        raise obstacle
    gtid = str(await session.value("SELECT @@global.gtid_mode")) == "ON"
    encrypted = bool((await session.query("SHOW SESSION STATUS LIKE 'Ssl_cipher'"))[0]["Value"])
    source = await read_table(session, record.mysql_schema, record.mysql_table)
    estimate = source.estimate if source else 0
    unique = frozenset(each.name for each in source.indexes if each.unique) if source else frozenset[str]()
    groups = await read_groups(session, record)
    for group in reversed(groups):
        if (checkpoint := await resumable(session, group)) is not None:
            await task.check_fence(session)
            await go_back_to(session, group, checkpoint)
            task.log.info(f"goes on with {group.name(GHOST)} from {checkpoint.rows_copied} rows: {checkpoint.gtid_set}")
            now = await look(session, record.mysql_schema, group)
            return Work(
                group=now, checkpoint=checkpoint, gtid=True, encrypted=encrypted, unique=unique, estimate=estimate
            )
    check_losses(record.losses, gtid=gtid)
    for group in groups:
        await _clear(task, session, group)
    names = await task.tool_artifacts(ENDINGS)
    prefix = names[0].removeprefix("_").removesuffix(f"_{GHOST}")
    group = Group(prefix=prefix, attempt=task.attempt, schema=record.mysql_schema, there=frozenset())
    judged = await change_limits(session, record, group.name(GHOST))
    for obstacle in judged.obstacles:
        raise obstacle
    return Work(group=group, checkpoint=None, gtid=gtid, encrypted=encrypted, unique=unique, estimate=estimate)


def check_losses(losses: int, *, gtid: bool) -> None:
    """Raises `RunLost`: it would begin anew for ever. Pure."""
    if losses > 1 and not gtid:
        raise RunLost(
            f"the executor or the primary died {losses} times under it: without GTIDs gh-ost cannot be resumed, and it "
            "begins anew only once by itself",
            hint="set gtid_mode=ON; `alterd retry` begins anew once more",
        )


async def _clear(task: Task, session: Session, group: Group) -> None:
    """What a dead attempt left that cannot be resumed."""
    await task.check_fence(session)
    await drop_tables(session, group, ENDINGS)
    await forget_unused(task, session, group)


async def forget_unused(task: Task, session: Session, group: Group) -> None:
    """Takes the names off the list under which there is no table."""
    now = await look(session, task.migration.mysql_schema, group)
    for ending in sorted(group.left - now.there):
        await task.forget_artifact(group.name(ending))


async def _dry_run(task: Task, call: Call) -> None:
    output = _output(task)
    task.log.info("dry run")
    code = await task.subprocess(call.argv(execute=False), NO_ENVIRONMENT, output.hear)
    if code:
        raise failed(output.words, code, "the dry run")
    failpoint("ghost.tried")


async def _real_run(task: Task, call: Call, work: Work, user: str) -> Watching:
    """Returns when gh-ost has ended well. Cancelled, it ends it by its panic flag, then by signals."""
    output = _output(task)
    rows = work.checkpoint.rows_copied if work.checkpoint else 0
    watching = Watching(task, user, output, rows_before=rows, estimate=work.estimate)
    watching.holding.hold()
    argv = call.argv(execute=True, resume=work.checkpoint is not None)
    running = asyncio.create_task(task.subprocess(argv, NO_ENVIRONMENT, watching.hear))
    looking = asyncio.create_task(watching.forever())
    try:
        await asyncio.wait({running, looking}, return_when=asyncio.FIRST_COMPLETED)
        if not running.done():
            looking.result()  # it ends by an error only
        code = running.result()
    finally:
        looking.cancel()
        await asyncio.wait({looking})
        if not running.done():
            await _panic(task, running)
    if code:
        raise failed(output.words, code, "gh-ost", work.unique)
    failpoint("ghost.ended")
    return watching


async def _panic(task: Task, running: asyncio.Task[int]) -> None:
    """Ends gh-ost: in order if it obeys, else by a signal."""
    task.log.info("gh-ost is told to end")
    with contextlib.suppress(FileNotFoundError):  # somebody has removed the folder: the signal follows
        (task.workdir / PANIC).touch(mode=0o600)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PANICKING):
            await asyncio.wait({running})
    if not running.done():
        task.log.warning("gh-ost does not obey its panic flag: it gets a signal")
        running.cancel()
        await asyncio.wait({running})


async def _finish(task: Task, work: Work, watching: Watching) -> Facts:
    """It says that it is done: so must the tables."""
    session = await task.primary()
    try:
        group = await look(session, task.migration.mysql_schema, work.group)
        if not group.swapped:
            raise Ambiguous(
                f"gh-ost ended well, and {group.name(OLD)} is not the old table",
                hint="look at the table's definition and at its log",
                table=task.migration.mysql_table,
            )
        await task.check_fence(session)
        await drop_tables(session, group, (CHANGELOG, CHECKPOINTS))
        await forget_unused(task, session, msgspec.structs.replace(group, left=frozenset(ENDINGS)))
    finally:
        await session.close()
    await carry_counter(task, group)
    attempts, rows = watching.holding.attempts, watching.rows
    message = f"gh-ost cut over at attempt {attempts}; the old table is {group.name(OLD)}"
    return Facts(message=message, rows_copied=rows, table_rows=rows)


def _output(task: Task) -> Output:
    return Output(task.log, fatal=FATAL, quiet=QUIET)


def _signal(number: int) -> str:
    with contextlib.suppress(ValueError):
        return signal.Signals(number).name
    return f"signal {number}"


def failed(words: str, code: int, what: str, unique: Collection[str] = ()) -> AlterdError:
    """What its last words mean. `unique`: keys that the table had before. Pure."""
    said = words.removesuffix("; query=") or f"it ended with exit code {code}"
    if code < 0:
        said = f"it was ended by {_signal(-code)}; its last line: {words or 'none'}"
    if found := DUPLICATE.search(words):
        return DuplicateRows(
            f"two rows have the same value in a unique key of the new table: {said}",
            hint="the table has this key already: a value that goes from one row to another while gh-ost copies them "
            "is a duplicate to it. Retry it when less is written, or use the strategy vitess"
            if found[1] in unique
            else "remove the duplicates first",
        )
    return GhostFailed(f"{what} failed: {said}", hint="`alterd logs` shows all that it said", exit_code=code)
