"""Tells a person of migrations that need one: failed, stale, blocked.

One line each on standard output. With ``ALTERD_ALERT_COMMAND`` (words as a shell would split them, no shell runs) that
program gets the fact as JSON on its standard input; until it ends with 0 the fact comes again.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence

import msgspec
import structlog

from alterd_consumers.facts import follow
from alterd_contracts.errors import AlterdError, InvalidSetting
from alterd_contracts.events import Event, Fact, MigrationEvent
from alterd_runtime.bus import Delivery
from alterd_runtime.service import Context

log = structlog.get_logger(__name__)

VARIABLE = "ALTERD_ALERT_COMMAND"
TOLD = frozenset({Fact.FAILED, Fact.STALE, Fact.BLOCKED})
CONCURRENCY = 4
TIME_LIMIT = 10.0
"""Seconds for the command."""
FIRST_DELAY, LONGEST_DELAY = 2.0, 60.0
"""Seconds before a fact whose command failed comes again; doubled each time."""


class CommandFailed(AlterdError):
    """The alert command did not succeed."""

    code = "alert_command_failed"
    retryable = True


async def main(context: Context) -> None:
    """Raises `InvalidSetting` for a command that cannot be split."""
    command = command_of(os.environ)
    tries: dict[str, int] = {}

    async def take(event: Event, delivery: Delivery) -> None:
        if not isinstance(event, MigrationEvent) or event.fact not in TOLD:
            return
        failed_before = tries.get(event.id, 0)
        if not failed_before:
            await asyncio.to_thread(_say, text(event))
        if not command:
            return
        try:
            await run_command(command, msgspec.json.encode(event))
        except CommandFailed as error:
            tries[event.id] = failed_before + 1
            delay = min(FIRST_DELAY * 2**failed_before, LONGEST_DELAY)
            log.error("alert.failed", fact=event.id, error=error.message, again_in=delay)
            await delivery.back(delay)
        else:
            tries.pop(event.id, None)

    await follow(context, "alert", take, concurrency=CONCURRENCY)


def command_of(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The program and its arguments; empty for none. Raises `InvalidSetting`."""
    try:
        return tuple(shlex.split(environ.get(VARIABLE, "")))
    except ValueError as error:
        raise InvalidSetting(f"{VARIABLE} cannot be split into words: {error}", setting=VARIABLE) from None


def text(event: MigrationEvent) -> str:
    """The fact as one line."""
    what = f"{event.ddl_action} {event.mysql_table} ({event.strategy})"
    words = f"{event.time:%Y-%m-%dT%H:%M:%SZ} {event.fact} {event.keyspace}/{event.shard} {event.migration_uuid} {what}"
    message = event.error.message if event.error else event.message
    whole = f"{words}: {message}" if message else words
    # what MySQL or a tool said may hold line feeds and terminal codes
    return "".join(letter if letter.isprintable() else " " for letter in whole)


async def run_command(command: Sequence[str], given: bytes, *, limit: float = TIME_LIMIT) -> None:
    """Runs the program with `given` on its standard input. Raises `CommandFailed`; nothing of it is left then."""
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        raise CommandFailed(f"{command[0]} cannot be started: {error.strerror}") from error
    try:
        async with asyncio.timeout(limit):
            _, said = await process.communicate(given)
    except TimeoutError:
        raise CommandFailed(f"{command[0]} was still running after {limit:g} s") from None
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
    if process.returncode:
        last = said.decode(errors="replace").strip().rpartition("\n")[2][:200]
        raise CommandFailed(f"{command[0]} ended with {process.returncode}: {last}".rstrip(": "))


def _say(words: str) -> None:
    sys.stdout.write(words + "\n")
    sys.stdout.flush()
