"""Facts and log lines, as the streams keep them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from typing import Any

import msgspec

from alterd_cli.display import rows
from alterd_cli.link import open_bus, until_caught_up
from alterd_cli.options import Output
from alterd_cli.output import echo, echo_json, echo_json_line, moment, note
from alterd_cli.records import find_migration
from alterd_contracts import names, subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.events import CommandGiven, Event, Fact, MigrationEvent
from alterd_contracts.work import LogLine
from alterd_runtime.bus import Bus
from alterd_runtime.bus.tail import Message

PROGRESS = frozenset({Fact.PHASE, Fact.READY_TO_COMPLETE, Fact.THROTTLED, Fact.UNTHROTTLED, Fact.CUTOVER_ATTEMPTED})
"""Facts that are shown with the rows copied until then."""

_event: Reader[Event] = Reader(Event)
_line: Reader[LogLine] = Reader(LogLine)


async def show_events(*, uuid: str, keyspace: str, follow: bool, output: Output) -> None:
    """Prints what happened, oldest first. Raises `InvalidName`, `BusUnreachable`."""
    wanted = subjects.events(
        keyspace=names.check_keyspace(keyspace) if keyspace else "*", entity=names.check_uuid(uuid) if uuid else "*"
    )
    async with open_bus() as bus:
        found: list[dict[str, Any]] = []
        async with contextlib.aclosing(messages(bus, subjects.EVENTS, wanted, follow=follow)) as found_events:
            async for message in found_events:
                event = _event.read(message.data)
                if output is Output.TABLE:
                    echo(event_line(event))
                elif follow:
                    echo_json_line(event)
                else:
                    found.append(msgspec.to_builtins(event))
        if output is Output.JSON:
            echo_json(found)


def event_line(event: Event) -> str:
    """One fact on one line."""
    if isinstance(event, MigrationEvent):
        message = event.message or (event.error.message if event.error else "")
        attempt = f" #{event.attempt}" if event.attempt else ""
        reached = rows(event) if event.fact in PROGRESS else ""
        parts = (
            f"{event.fact:<17} {event.keyspace}/{event.shard} {event.migration_uuid} "
            f"{event.ddl_action} {event.mysql_table}{attempt} {message}{f' ({reached})' if reached else ''}"
        )
    elif isinstance(event, CommandGiven):
        place = f"{event.keyspace}/{','.join(event.shards)}" if event.shards else event.keyspace
        about = f" {event.migration_uuid}" if event.migration_uuid else ""
        parts = f"{event.fact:<17} {place}{about} {event.command} {event.message}"
    else:
        reasons = "; ".join(f"[{error.code}] {error.message}" for error in event.errors)
        parts = f"{'refused':<17} {event.keyspace} request {event.request_id} {reasons}"
    return f"{moment(event.time)}  {_plain(parts)}"


def log_line(keyspace: str, shard: str, line: LogLine) -> str:
    """What a run wrote, on one line."""
    return _plain(f"{moment(line.time)}  {keyspace}/{shard} #{line.attempt} {line.level:<7} {line.text}")


async def show_logs(*, uuid: str, follow: bool, output: Output) -> None:
    """Prints the log of the migration's runs. Raises `InvalidName`, `UnknownMigration`, `BusUnreachable`."""
    names.check_uuid(uuid)
    async with open_bus() as bus:
        await find_migration(bus, uuid)
        found: list[dict[str, Any]] = []
        any_line = False
        stream = messages(bus, subjects.LOGS, subjects.log("*", "*", uuid), follow=follow)
        async with contextlib.aclosing(stream) as lines:
            async for message in lines:
                any_line = True
                line = _line.read(message.data)
                keyspace, shard = message.subject.split(".")[2:4]
                document = {"keyspace": keyspace, "shard": shard, **msgspec.to_builtins(line)}
                document.pop("type", None)
                if output is Output.TABLE:
                    echo(log_line(keyspace, shard, line))
                elif follow:
                    echo_json_line(document)
                else:
                    found.append(document)
        if output is Output.JSON:
            echo_json(found)
        elif not any_line:
            note("its runs have written no log lines")


def read_event(payload: bytes) -> Event:
    """Raises `msgspec.DecodeError`."""
    return _event.read(payload)


async def messages(
    bus: Bus, stream: subjects.Stream, *wanted: str, follow: bool = False
) -> AsyncGenerator[Message, None]:
    """What is there, and with `follow` what comes, until the reader stops."""
    tail = bus.tail(stream, *wanted)
    if not follow:
        async with contextlib.aclosing(until_caught_up(tail)) as caught:
            async for message in caught:
                yield message
        return
    async for found in tail:
        if found is not None:
            yield found


def _plain(text: str) -> str:
    """Control characters could play tricks on a terminal; blanks in a row are meant."""
    return "".join(letter if letter.isprintable() else " " for letter in text).rstrip()
