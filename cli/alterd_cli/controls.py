"""A user's command to a migration, and the scheduler's answer."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from alterd_cli.failures import RefusedByService
from alterd_cli.link import caller, open_bus
from alterd_cli.options import Output
from alterd_cli.output import echo_json, echo_table, note
from alterd_cli.records import find_migration
from alterd_contracts import names, subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import NotFound, NothingToDo
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Answered, Command, Outcome, Refusal
from alterd_runtime.bus import Bus

ANSWER_TIMEOUT = 5.0
"""Seconds for the scheduler's word."""
PUBLISH_BUDGET = 10.0
"""Seconds in which the command is given to NATS."""

_outcome: Reader[Outcome] = Reader(Outcome)


async def command(
    what: Command,
    uuid: str,
    keyspace: str,
    shards: Sequence[str],
    message: str,
    output: Output,
    *,
    cutover_threshold_seconds: int = 0,
) -> int | None:
    """Gives the command, prints its effect on each shard.

    Raises `InvalidName`, `NotFound`, `NothingToDo` where it changed nothing, `RefusedByService`, `BusUnreachable`.
    """
    names.check_uuid(uuid)
    async with open_bus() as bus:
        rows = await find_migration(bus, uuid, keyspace)
        _check_shards(rows, shards)
        answered = await _ask(
            bus,
            Control(
                command=what,
                keyspace=rows[0].keyspace,
                migration_uuid=uuid,
                shards=tuple(shards),
                caller=caller(),
                message=message,
                cutover_threshold_seconds=cutover_threshold_seconds,
            ),
        )
    if answered is None:
        note(f"recorded, not decided yet: no scheduler answered in {ANSWER_TIMEOUT:g} s; it will be obeyed in order")
        if output is Output.JSON:
            echo_json({"migration_uuid": uuid, "decided": False, "effects": []})
        return None
    if not any(effect.affected for effect in answered.effects):
        why = "; ".join(
            f"shard {effect.shard} {effect.message or f'is {effect.migration_status}'}" for effect in answered.effects
        )
        raise NothingToDo(f"{what} changed nothing: {why}", uuid=uuid)
    _print(answered, output)
    return None


async def _ask(bus: Bus, control: Control) -> Answered | None:
    """The scheduler's word; None when it does not come in time."""
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


def _check_shards(rows: Sequence[Migration], shards: Sequence[str]) -> None:
    there = [row.shard for row in rows]
    for shard in shards:
        names.check_shard(shard)
        if shard not in there:
            raise NotFound(f"the migration has no shard {shard}", hint=f"it has {', '.join(there)}", shard=shard)


def _print(answered: Answered, output: Output) -> None:
    if output is Output.JSON:
        effects = [msgspec.to_builtins(effect) for effect in answered.effects]
        echo_json({"migration_uuid": answered.migration_uuid, "decided": True, "effects": effects})
        return
    echo_table(
        ("shard", "affected", "migration_status", "message"),
        [(each.shard, str(each.affected), each.migration_status.value, each.message) for each in answered.effects],
    )
