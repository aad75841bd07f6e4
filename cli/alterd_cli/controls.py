"""A user's command to a migration, or to all of a keyspace, and the answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from alterd_cli.failures import RefusedByService
from alterd_cli.keyspaces import find as find_keyspace
from alterd_cli.keyspaces import read_all as read_keyspaces
from alterd_cli.link import caller, open_bus
from alterd_cli.options import Output
from alterd_cli.output import count, echo_json, echo_table, note
from alterd_cli.records import Selection, find_migration, read_records
from alterd_contracts import names, subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import InvalidInput, NotFound, NothingToDo, ServiceUnreachable
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Answered, Command, Outcome, Refusal, ShardEffect
from alterd_contracts.states import Status
from alterd_contracts.topology import Keyspace
from alterd_runtime.bus import Bus

ALL = "all"
"""Stands in the place of a uuid."""
ANSWER_TIMEOUT = 5.0
"""Seconds for the scheduler's word."""
PUBLISH_BUDGET = 10.0
"""Seconds in which the command is given to NATS."""
THROTTLING = frozenset({Command.THROTTLE, Command.UNTHROTTLE})

_outcome: Reader[Outcome] = Reader(Outcome)


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
        answered = await give(bus, control)
    if answered is None:
        note(f"recorded, not decided yet: no scheduler answered in {ANSWER_TIMEOUT:g} s; it will be obeyed in order")
        if output is Output.JSON:
            echo_json({"migration_uuid": control.migration_uuid, "decided": False, "effects": []})
        return None
    if not any(effect.affected for effect in answered.effects):
        why = "; ".join(
            f"shard {effect.shard} {effect.message or f'is {effect.migration_status}'}" for effect in answered.effects
        )
        raise NothingToDo(
            f"{what} changed nothing: {why or 'there is no migration on which it has an effect'}",
            uuid=control.migration_uuid or ALL,
        )
    _print(answered, output)
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


async def give(bus: Bus, control: Control) -> Answered | None:
    """The answer to a command, to whomever it goes; None when the scheduler is silent.

    What the scheduler takes by uuid only is given to each migration on which it can have an effect.
    Raises `RefusedByService`, `ServiceUnreachable`, `BusUnreachable`.
    """
    if control.migration_uuid or not control.command.needs_uuid:
        return await ask(bus, control)
    effects: list[ShardEffect] = []
    for uuid in await _named(bus, control):
        one = msgspec.structs.replace(control, migration_uuid=uuid)
        answered = await ask(bus, one)
        if answered is None:
            return None
        effects += [
            msgspec.structs.replace(effect, migration_uuid=uuid) for effect in answered.effects if effect.affected
        ]
    return Answered(migration_uuid="", effects=tuple(effects), affected=len(effects))


async def _named(bus: Bus, control: Control) -> list[str]:
    rows = await read_records(bus, Selection(keyspace=control.keyspace, shards=control.shards))
    concerned = (
        row
        for row in rows
        if _concerned(control.command, row)
        and (not control.migration_context or row.migration_context == control.migration_context)
    )
    return list(dict.fromkeys(row.migration_uuid for row in concerned))


def _concerned(what: Command, row: Migration) -> bool:
    if what is Command.RETRY:
        return row.migration_status in (Status.FAILED, Status.CANCELLED)
    if what is Command.CLEANUP:
        return row.migration_status.terminal and bool(row.artifacts) and row.retain_artifacts_seconds >= 0
    return row.migration_status.terminal and not row.artifacts


async def ask(bus: Bus, control: Control) -> Answered | None:
    """The word of the scheduler, or of the throttler; None when the scheduler's does not come in time.

    Raises `RefusedByService`, `ServiceUnreachable`, `BusUnreachable`.
    """
    if control.command in THROTTLING:
        return await _ask_throttler(bus, control)
    async with bus.inbox(_outcome) as (inbox, wait):
        await bus.publish(
            subjects.control(control.keyspace),
            control,
            id=names.new_request_id(),
            about=control.migration_uuid,
            reply_to=inbox,
            budget=PUBLISH_BUDGET,
        )
        try:
            outcome = await wait(ANSWER_TIMEOUT)
        except TimeoutError:
            return None
    if isinstance(outcome, Refusal):
        raise RefusedByService(outcome.errors)
    assert isinstance(outcome, Answered)
    return outcome


async def _ask_throttler(bus: Bus, control: Control) -> Answered:
    try:
        outcome = await bus.ask(subjects.THROTTLE_RULE, control, _outcome, timeout=ANSWER_TIMEOUT)
    except ServiceUnreachable as error:
        raise ServiceUnreachable(
            f"no throttler has answered: {error.message}", hint="start one: `alterd up`, or `alterd serve throttler`"
        ) from None
    if isinstance(outcome, Refusal):
        raise RefusedByService(outcome.errors)
    assert isinstance(outcome, Answered)
    return outcome


def _check_shards(there: Sequence[str], shards: Sequence[str], what: str) -> None:
    for shard in shards:
        if shard not in there:
            raise NotFound(f"{what} has no shard {shard}", hint=f"it has {', '.join(there)}", shard=shard)


def _print(answered: Answered, output: Output) -> None:
    if output is Output.JSON:
        echo_json(
            {
                "migration_uuid": answered.migration_uuid,
                "decided": True,
                "affected": answered.affected,
                "effects": [msgspec.to_builtins(effect) for effect in answered.effects],
            }
        )
        return
    of_many = not answered.migration_uuid and any(effect.migration_uuid for effect in answered.effects)
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
            for each in answered.effects
        ],
    )
    if (left := answered.affected - sum(effect.affected for effect in answered.effects)) > 0:
        note(f"and {count(left)} more")
