"""``hold`` and ``release``: a keyspace, or shards of it, in which nothing goes on."""

from __future__ import annotations

from alterd_contracts import subjects
from alterd_contracts.events import CommandGiven, Fact
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Hold, Migration
from alterd_contracts.requests import Answered, Command, ShardEffect
from alterd_scheduler.controls.effect import told, turned
from alterd_scheduler.decisions import Decision, Known
from alterd_scheduler.facts import Moment


def decide_hold(control: Control, known: Known, moment: Moment) -> Decision:
    """Puts a hold on each shard named, or on all; or takes it away. What is pending there follows."""
    places = control.shards or (subjects.EVERYWHERE,)
    before = {hold.shard: hold for hold in known.holds if hold.keyspace == control.keyspace}
    holding = control.command is Command.HOLD
    if holding:
        changing = tuple(
            Hold(
                keyspace=control.keyspace,
                shard=shard,
                since=moment.now,
                caller=control.caller,
                message=control.message,
            )
            for shard in places
            if shard not in before
        )
        after = [*before.values(), *changing]
    else:
        # without shards: every hold of the keyspace, as nobody wants to find out one by one
        changing = tuple(hold for shard, hold in before.items() if not control.shards or shard in places)
        after = [hold for hold in before.values() if hold not in changing]
    records = tuple(new for row in known.pending(control.keyspace) if (new := _follows(row, after, moment, control)))
    changed = {hold.shard for hold in changing}
    asked = places if holding or control.shards else tuple(sorted(changed)) or places
    return Decision(
        records=records,
        held=changing if holding else (),
        released=() if holding else changing,
        told=_told(control, changed, moment) if changing else None,
        outcome=Answered(
            migration_uuid="",
            effects=tuple(_effect(shard, shard in changed, holding, records, after) for shard in asked),
            affected=len(changing),
        ),
    )


def _told(control: Control, shards: set[str], moment: Moment) -> CommandGiven:
    holding = control.command is Command.HOLD
    named = tuple(sorted(shards - {subjects.EVERYWHERE}))
    fact, text = (Fact.HELD, "on hold") if holding else (Fact.HOLD_RELEASED, "no longer on hold")
    return told(control, fact, moment, text, named)


def _follows(row: Migration, holds: list[Hold], moment: Moment, control: Control) -> Migration | None:
    held = any(hold.covers(row.keyspace, row.shard) for hold in holds)
    if held == row.held or (moment.input_seq and row.input_seq >= moment.input_seq):
        return None
    fact = Fact.HELD if held else Fact.HOLD_RELEASED
    text = "its shard is on hold" if held else "its shard is no longer on hold"
    return turned(row, moment, control, fact, text, held=held, paused=held or row.pause_requested or row.parked)


def _effect(shard: str, changed: bool, holding: bool, records: tuple[Migration, ...], after: list[Hold]) -> ShardEffect:
    if not changed:
        text = "is on hold already" if holding else "is not on hold"
        if not holding and any(hold.shard == subjects.EVERYWHERE for hold in after):
            text = "is on hold with its whole keyspace: release that"
    else:
        count = sum(shard in (subjects.EVERYWHERE, record.shard) for record in records)
        what = "migration" if count == 1 else "migrations"
        text = f"{'held' if holding else 'released'}, with {count} pending {what}"
    return ShardEffect(shard=shard, affected=int(changed), message=text)
