"""The whole story of a migration: what happened, on which shard, when, and at whose word."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

import msgspec

from alterd_cli.display import rows
from alterd_cli.history import PROGRESS, messages, read_event
from alterd_cli.link import open_bus
from alterd_cli.options import Output
from alterd_cli.output import echo, echo_json, echo_table, moment, note
from alterd_cli.records import unknown
from alterd_contracts import names, subjects
from alterd_contracts.errors import UnknownMigration
from alterd_contracts.events import CommandGiven, MigrationEvent

Told = MigrationEvent | CommandGiven
HEAD = ("time", "shard", "what", "attempt", "who", "message")


async def show_story(*, uuid: str, keyspace: str, shards: Sequence[str], output: Output) -> None:
    """Prints the facts of a migration, oldest first, and what was said to its keyspace meanwhile.

    The events outlive the record. Raises `InvalidName`, `UnknownMigration`, `BusUnreachable`.
    """
    names.check_uuid(uuid)
    wanted = [names.check_shard(shard) for shard in shards]
    async with open_bus() as bus:
        where = names.check_keyspace(keyspace) if keyspace else "*"
        own = subjects.events(keyspace=where, entity=uuid)
        around = subjects.events(keyspace=where, shard=subjects.EVERYWHERE, entity=subjects.EVERYWHERE)
        facts: list[Told] = []
        async with contextlib.aclosing(messages(bus, subjects.EVENTS, own, around)) as stream:
            async for message in stream:
                event = read_event(message.data)
                if isinstance(event, Told):
                    facts.append(event)
    told = story_of(facts, uuid, wanted)
    if not told:
        raise _untold(uuid, keyspace, wanted)
    if output is Output.JSON:
        echo_json([msgspec.to_builtins(event) for event in told])
        return
    first = next(event for event in told if isinstance(event, MigrationEvent))
    echo(
        f"{uuid} {first.keyspace} {first.ddl_action} {first.mysql_table} · {first.strategy}"
        f" · context {first.migration_context}"
    )
    echo_table(HEAD, [cells(event) for event in told], spare=("attempt",))
    if summary := summary_of(told):
        note(summary)


def story_of(facts: Sequence[Told], uuid: str, shards: Sequence[str] = ()) -> list[Told]:
    """Facts of the migration, and commands to its keyspace while it was pending somewhere; with `shards`, what concerns
    them. Nothing where there is no fact of its own. Pure.
    """
    own = [event for event in facts if isinstance(event, MigrationEvent) and event.migration_uuid == uuid]
    if not own:
        return []
    begin, keyspace = own[0].time, own[0].keyspace
    last = {event.shard: event for event in own}
    pending = any(event.migration_status.pending for event in last.values())
    end = None if pending else max(event.time for event in own)
    told = [
        event
        for event in facts
        if event.keyspace == keyspace
        and (event.migration_uuid == uuid or (begin <= event.time and (end is None or event.time <= end)))
        and (not shards or _about(event, shards))
    ]
    return told if any(isinstance(event, MigrationEvent) for event in told) else []


def _about(event: Told, shards: Sequence[str]) -> bool:
    if isinstance(event, MigrationEvent):
        return event.shard in shards
    return not event.shards or any(shard in shards for shard in event.shards)


def cells(event: Told) -> tuple[str, ...]:
    """One fact as a line of the table."""
    if isinstance(event, CommandGiven):
        shards = ", ".join(event.shards) or "all"
        return moment(event.time), shards, event.fact.value, "", event.caller, event.message
    reached = rows(event) if event.fact in PROGRESS else ""
    message = event.message or (event.error.message if event.error else "")
    return (
        moment(event.time),
        event.shard,
        event.fact.value,
        str(event.attempt) if event.attempt else "",
        event.caller or event.tablet,
        f"{message} ({reached})" if reached else message,
    )


def summary_of(told: Sequence[Told]) -> str:
    """How each shard ended or stands, with its attempts."""
    last: dict[str, MigrationEvent] = {}
    for event in told:
        if isinstance(event, MigrationEvent):
            last[event.shard] = event
    return " · ".join(
        f"shard {shard} {event.migration_status}, attempt {event.attempt}" for shard, event in sorted(last.items())
    )


def _untold(uuid: str, keyspace: str, shards: Sequence[str]) -> UnknownMigration:
    place = f" on shard {', '.join(shards)}" if shards else ""
    hint = f"`alterd history {uuid}` tells of all shards" if shards else unknown(uuid, keyspace).hint
    return UnknownMigration(f"no event tells of {uuid}{place}", hint=hint, uuid=uuid)
