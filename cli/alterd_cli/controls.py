"""A user's command to a migration, or to all of a keyspace, and the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from alterd_cli.answers import THROTTLING, Given, give
from alterd_cli.failures import RefusedByService
from alterd_cli.keyspaces import find as find_keyspace
from alterd_cli.keyspaces import read_all as read_keyspaces
from alterd_cli.link import caller, open_bus
from alterd_cli.options import Output
from alterd_cli.output import count, echo_json, echo_table, note
from alterd_cli.records import find_migration
from alterd_contracts import names, subjects
from alterd_contracts.errors import InvalidInput, NotFound, NothingToDo
from alterd_contracts.inputs import Control
from alterd_contracts.requests import Command
from alterd_contracts.topology import Keyspace
from alterd_runtime.bus import Bus

ALL = "all"
"""Stands in the place of a uuid."""


async def command(
    what: Command,
    uuid: str,
    keyspace: str,
    shards: Sequence[str],
    message: str,
    output: Output,
    **fields: Any,
) -> int | None:
    """Gives the command, prints its effect on each shard. `uuid` may be ``all``; `fields`: further ones of `Control`.

    Raises `InvalidName`, `NotFound`, `NothingToDo` where it changed nothing, `RefusedByService`, `BusUnreachable`.
    """
    if uuid != ALL and not what.of_keyspace:
        names.check_uuid(uuid)
        if fields.get("migration_context"):
            raise InvalidInput("a context chooses among all", hint=f"give {ALL} instead of a uuid, or no context")
    async with open_bus() as bus:
        control = await _control(bus, what, uuid, keyspace, shards, message, fields)
        given = await give(bus, control)
    if given.undecided:
        note(given.silence)
    elif not any(effect.affected for effect in given.effects):
        if given.refused:
            raise RefusedByService(given.refused)
        why = "; ".join(
            f"shard {effect.shard} {effect.message or f'is {effect.migration_status}'}" for effect in given.effects
        )
        raise NothingToDo(
            f"{what} changed nothing: {why or 'there is no migration on which it has an effect'}",
            uuid=control.migration_uuid or ALL,
        )
    _print(given, output)
    return None


async def _control(
    bus: Bus, what: Command, uuid: str, keyspace: str, shards: Sequence[str], message: str, fields: dict[str, Any]
) -> Control:
    """Raises `InvalidName`, `NotFound`, `InvalidInput`."""
    for shard in shards:
        names.check_shard(shard)
    if uuid == ALL or what.of_keyspace:
        place, uuid = await one_keyspace(bus, keyspace), ""
        _check_shards([shard.name for shard in place.shards], shards, f"keyspace {place.name}")
        where = place.name
    else:
        where = await _home(bus, what, uuid, keyspace, shards)
    return Control(
        command=what,
        keyspace=where,
        migration_uuid=uuid,
        shards=tuple(shards),
        caller=caller(),
        message=message,
        **fields,
    )


async def _home(bus: Bus, what: Command, uuid: str, keyspace: str, shards: Sequence[str]) -> str:
    """The migration's keyspace. What is throttled need not be there yet."""
    if what in THROTTLING and keyspace:
        return (await find_keyspace(bus, names.check_keyspace(keyspace))).name
    rows = await find_migration(bus, uuid, keyspace)
    _check_shards([row.shard for row in rows], shards, "the migration")
    return rows[0].keyspace


async def one_keyspace(bus: Bus, name: str) -> Keyspace:
    """The one that is named, or the only one. Raises `InvalidName`, `UnknownKeyspace`, `InvalidInput`."""
    if name:
        return await find_keyspace(bus, names.check_keyspace(name))
    known = await read_keyspaces(bus)
    if len(known) != 1:
        raise InvalidInput(
            "there are several keyspaces" if known else "there is no keyspace",
            hint=f"name one with --keyspace: {', '.join(each.name for each in known)}" if known else "",
        )
    return known[0]


def _check_shards(there: Sequence[str], shards: Sequence[str], what: str) -> None:
    for shard in shards:
        if shard not in there:
            raise NotFound(f"{what} has no shard {shard}", hint=f"it has {', '.join(there)}", shard=shard)


def _print(given: Given, output: Output) -> None:
    if output is Output.JSON:
        echo_json(
            {
                "migration_uuid": given.migration_uuid,
                "decided": not given.undecided,
                "undecided": list(given.undecided),
                "affected": given.affected,
                "effects": [msgspec.to_builtins(effect) for effect in given.effects],
            }
        )
        return
    if not given.effects:
        return
    of_many = not given.migration_uuid and any(effect.migration_uuid for effect in given.effects)
    head = ("shard", "affected", "migration_status", "message")
    echo_table(
        ("migration_uuid", *head) if of_many else head,
        [
            (
                *((each.migration_uuid,) if of_many else ()),
                "all" if each.shard == subjects.EVERYWHERE else each.shard,
                str(each.affected),
                each.migration_status.value if each.migration_status else "",
                each.message,
            )
            for each in given.effects
        ],
    )
    if (left := given.affected - sum(effect.affected for effect in given.effects)) > 0:
        note(f"and {count(left)} more")
