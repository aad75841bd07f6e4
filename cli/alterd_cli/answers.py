"""Commands given to the scheduler or the throttler, and what they answered."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Sequence

import msgspec

from alterd_cli.failures import RefusedByService
from alterd_cli.records import stream_records
from alterd_cli.selection import Selection
from alterd_contracts import names, subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import BusUnreachable, ErrorInfo, ServiceUnreachable
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Answered, Command, Outcome, Refusal, ShardEffect
from alterd_contracts.states import PENDING, Status
from alterd_runtime.bus import Bus

ANSWER_TIMEOUT = 5.0
"""Seconds for the scheduler's word, or for its next one."""
ALREADY = 0.01
"""Seconds for a word that should be here by now: the scheduler has been silent about another command."""
PUBLISH_BUDGET = 10.0
"""Seconds in which a command is given to NATS."""
AT_ONCE = 500
"""Commands whose answers are waited for at the same time."""
THROTTLING = frozenset({Command.THROTTLE, Command.UNTHROTTLE})
EFFECTIVE = {Command.RETRY: frozenset({Status.FAILED, Status.CANCELLED}), Command.CANCEL: PENDING}
"""In which states a shard migration is changed by it."""

Wait = Callable[[float], Awaitable[Outcome]]

_outcome: Reader[Outcome] = Reader(Outcome)


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a command, to one migration or to many."""

    migration_uuid: str = ""
    """Empty for a command to many."""
    commands: int = 1
    """How many were recorded for it: one for each migration, or one for all."""
    effects: tuple[ShardEffect, ...] = ()
    affected: int = 0
    undecided: tuple[str, ...] = ()
    """Of each command that is recorded and not decided yet the migration; empty text: all of the keyspace."""
    refused: tuple[ErrorInfo, ...] = ()
    """Why some of many were refused; the others were not. It stands among the effects too."""

    @property
    def silence(self) -> str:
        """Says what is recorded and not decided yet."""
        of_many = f" for {len(self.undecided)} of {self.commands} migrations" if self.commands > 1 else ""
        it = "it" if len(self.undecided) == 1 else "they"
        return (
            f"recorded, not decided yet{of_many}: no scheduler answered in {ANSWER_TIMEOUT:g} s;"
            f" {it} will be obeyed in order"
        )


async def give(bus: Bus, control: Control) -> Given:
    """The answer to a command, to whomever it goes.

    What the scheduler takes by uuid only is given to each migration on which it can have an effect; of these answers
    what changed nothing is left out. Raises `RefusedByService`, `ServiceUnreachable`, `BusUnreachable`.
    """
    if control.migration_uuid or not control.command.needs_uuid:
        answered = await ask(bus, control)
        if answered is None:
            return Given(migration_uuid=control.migration_uuid, undecided=(control.migration_uuid,))
        return Given(
            migration_uuid=answered.migration_uuid,
            effects=answered.effects,
            affected=answered.affected or sum(effect.affected for effect in answered.effects),
        )
    uuids = await _concerned_by(bus, control)
    given = await give_each(bus, [msgspec.structs.replace(control, migration_uuid=uuid) for uuid in uuids])
    told = tuple(each for each in given.effects if each.affected or each.shard == subjects.EVERYWHERE)
    return msgspec.structs.replace(given, effects=told)


async def give_each(bus: Bus, controls: Sequence[Control]) -> Given:
    """All of them are recorded, whether or not a scheduler answers; a refusal of one leaves the others as they are.

    Raises `BusUnreachable` that says how many were recorded.
    """
    effects: list[ShardEffect] = []
    undecided: list[str] = []
    refused: list[ErrorInfo] = []
    affected, patience = 0, ANSWER_TIMEOUT
    for start in range(0, len(controls), AT_ONCE):
        async with contextlib.AsyncExitStack() as stack:
            waits: list[tuple[str, Wait]] = []
            for place, control in enumerate(controls[start : start + AT_ONCE], start):
                inbox, wait = await stack.enter_async_context(bus.inbox(_outcome))
                await _record(bus, control, inbox, place, len(controls))
                waits.append((control.migration_uuid, wait))
            for uuid, wait in waits:
                try:
                    outcome = await wait(patience)
                except TimeoutError:
                    patience = ALREADY
                    undecided.append(uuid)
                    continue
                told = _told(outcome, uuid)
                effects += told
                affected += sum(effect.affected for effect in told)
                refused += outcome.errors if isinstance(outcome, Refusal) else ()
    return Given(
        commands=len(controls),
        effects=tuple(effects),
        affected=affected,
        undecided=tuple(undecided),
        refused=tuple(refused),
    )


async def _record(bus: Bus, control: Control, inbox: str, place: int, count: int) -> None:
    try:
        await _publish(bus, control, inbox)
    except BusUnreachable as error:
        raise BusUnreachable(
            f"{error.message}: {place} of {count} commands were recorded before",
            hint="say it again when NATS answers: it has no effect where it was obeyed already",
        ) from None


def _told(outcome: Outcome, uuid: str) -> list[ShardEffect]:
    """What is said of the migration, with its name."""
    if isinstance(outcome, Refusal):
        why = "; ".join(error.message for error in outcome.errors)
        return [
            ShardEffect(shard=subjects.EVERYWHERE, affected=0, message=f"refused: {why}", migration_uuid=uuid),
        ]
    assert isinstance(outcome, Answered)
    return [msgspec.structs.replace(effect, migration_uuid=uuid) for effect in outcome.effects]


async def _concerned_by(bus: Bus, control: Control) -> list[str]:
    """The migrations on which a command about what has ended can have an effect, in the order of submission.

    Only their names are kept: of a great many records there may be few.
    """
    found: dict[str, int] = {}
    selection = Selection(keyspace=control.keyspace, shards=control.shards, ended=True)
    async with contextlib.aclosing(stream_records(bus, selection)) as batches:
        async for batch in batches:
            for _, row in batch.rows:
                of_context = control.migration_context in ("", row.migration_context)
                if of_context and _concerned(control.command, row):
                    found[row.migration_uuid] = row.id
    return sorted(found, key=found.__getitem__)


def _concerned(what: Command, row: Migration) -> bool:
    if what in EFFECTIVE:
        return row.migration_status in EFFECTIVE[what]
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
        await _publish(bus, control, inbox)
        try:
            outcome = await wait(ANSWER_TIMEOUT)
        except TimeoutError:
            return None
    if isinstance(outcome, Refusal):
        raise RefusedByService(outcome.errors)
    assert isinstance(outcome, Answered)
    return outcome


async def _publish(bus: Bus, control: Control, inbox: str) -> None:
    await bus.publish(
        subjects.control(control.keyspace),
        control,
        id=names.new_request_id(),
        about=control.migration_uuid,
        reply_to=inbox,
        budget=PUBLISH_BUDGET,
    )


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
