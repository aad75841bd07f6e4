"""``alterd shell``: statements as they are typed, one connection for all of them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncGenerator
from typing import Final

import msgspec

from alterd_cli import home, keyspaces
from alterd_cli.failures import FAILED, RefusedByService, refusal_text
from alterd_cli.link import READ_PATIENCE, open_bus
from alterd_cli.output import echo, note
from alterd_cli.services_seen import read_executors
from alterd_cli.sql.completion import Known
from alterd_cli.sql.prompt import COMMANDS, prompt_session
from alterd_cli.sql.running import read_all, run_one
from alterd_cli.sql.session import Session
from alterd_cli.sql.strategies import declared
from alterd_contracts import subjects
from alterd_contracts.errors import AlterdError
from alterd_contracts.migration import Migration
from alterd_runtime.bus import Bus
from alterd_runtime.settings import IntakeSettings

HISTORY: Final = "sql_history"
_LEAVING: Final = frozenset({"exit", "quit", "\\q"})
_migration = msgspec.json.Decoder(Migration)

HELP: Final = """\
Statements end with ; or, for a column a line, with \\G. Tab completes words, arrow up and Ctrl-R bring earlier ones.
  set @@ddl_strategy='vitess --postpone-completion'; set @@migration_context='deploy-42';
  alter table t add column i int;                  any CREATE, ALTER or DROP of a table, view or index
  show vitess_migrations [from keyspace] [like 'uuid, context or state' | where condition];
  alter vitess_migration 'uuid' complete | launch | retry | cancel | cleanup | throttle | unthrottle | pause | resume
                              | postpone complete | force_cutover | unforce_cutover | cutover_threshold '15s'
  alter vitess_migration complete all;             and others for all
  show vitess_migration 'uuid' logs;  show vitess_throttled_apps;  show vitess_throttler status;
  select shard, progress from _vt.schema_migrations;
  use keyspace;  help;  exit (or Ctrl-D)"""


async def run_shell(keyspace: str, settings: IntakeSettings) -> int:
    """Until the user leaves. Where nobody types, the whole of stdin is a script; the exit code of its failure.

    Raises `UnknownKeyspace`, `BusUnreachable`, `ServiceUnreachable`.
    """
    async with open_bus() as bus:
        if keyspace:
            await keyspaces.find(bus, keyspace)
        session = Session(bus, keyspace, settings)
        if not sys.stdin.isatty():
            return await _run(bus, session, sys.stdin.read())
        note("alterd shell: statements end with ; or \\G, help; shows what there is, Ctrl-D leaves")
        async with contextlib.aclosing(_typed(bus, session)) as texts:
            async for text in texts:
                bare = text.strip().rstrip(";").strip().lower()
                if bare in _LEAVING:
                    break
                if bare in COMMANDS:
                    echo(HELP)
                elif bare:
                    await _interruptible(bus, session, text)
    return 0


async def _typed(bus: Bus, session: Session) -> AsyncGenerator[str, None]:
    """What the user types, until Ctrl-D; Ctrl-C drops what stands there."""
    known = Known()
    editor = prompt_session(home.folder() / HISTORY, lambda: known)
    while True:
        known = await look_around(bus, session.keyspace, known)
        try:
            yield await editor.prompt_async(f"{session.keyspace or '(no keyspace)'}> ")
        except KeyboardInterrupt:
            continue
        except EOFError:
            return


async def look_around(bus: Bus, keyspace: str, before: Known) -> Known:
    """Names to complete; those of before while NATS is away."""
    try:
        async with asyncio.timeout(READ_PATIENCE / 10):
            found = await keyspaces.read_all(bus)
            executors = await read_executors(bus)
            entries = await bus.bucket(subjects.STATE).list(subjects.open_key(keyspace or "*", "*", "*"))
    except (AlterdError, TimeoutError):
        return before
    rows = sorted((_migration.decode(entry.value) for entry in entries if entry.value), key=lambda row: -row.id)
    return Known(
        keyspaces=tuple(each.name for each in found),
        shards=tuple(shard.name for each in found if each.name == keyspace for shard in each.shards),
        uuids=tuple(dict.fromkeys(row.migration_uuid for row in rows)),
        contexts=tuple(dict.fromkeys(row.migration_context for row in rows)),
        strategies=tuple(declared(executors)),
    )


async def _interruptible(bus: Bus, session: Session, text: str) -> None:
    """Ctrl-C ends the waiting, not what was begun."""
    task = asyncio.ensure_future(_run(bus, session, text))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        note("stopped waiting; what was accepted goes on")
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def _run(bus: Bus, session: Session, text: str) -> int:
    """The exit code of the first statement that fails; nothing after it is begun."""
    try:
        for piece, statement in read_all(text):
            if code := await run_one(bus, session, piece, statement, None):
                return code
    except RefusedByService as refused:
        for error in refused.errors:
            note(refusal_text(error))
        return max((AlterdError.of(error).exit_code for error in refused.errors), default=FAILED)
    return 0
