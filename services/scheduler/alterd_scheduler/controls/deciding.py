"""Which rows a command names, and the answer."""

from __future__ import annotations

from collections.abc import Callable

from alterd_contracts.errors import InvalidInput, UnknownMigration
from alterd_contracts.flags import check_cut_over_threshold
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_contracts.requests import MOST_EFFECTS, Answered, Command, Refusal, ShardEffect
from alterd_scheduler.controls.cancel import cancelled
from alterd_scheduler.controls.cleanup import cleaned
from alterd_scheduler.controls.complete import gated_with, permitted, postponed
from alterd_scheduler.controls.effect import Effect
from alterd_scheduler.controls.force import forced, unforced
from alterd_scheduler.controls.hold import decide_hold
from alterd_scheduler.controls.launch import launched
from alterd_scheduler.controls.pause import paused, resumed
from alterd_scheduler.controls.priority import check_priority, prioritized
from alterd_scheduler.controls.purge import decide_purge
from alterd_scheduler.controls.retry import queued_again
from alterd_scheduler.controls.threshold import bounded
from alterd_scheduler.decisions import Decision, Known
from alterd_scheduler.facts import Moment

_EFFECTS: dict[Command, Callable[[Migration, Moment, Control], Effect]] = {
    Command.CANCEL: cancelled,
    Command.RETRY: queued_again,
    Command.LAUNCH: launched,
    Command.COMPLETE: permitted,
    Command.POSTPONE_COMPLETE: postponed,
    Command.CLEANUP: cleaned,
    Command.FORCE_CUTOVER: forced,
    Command.UNFORCE_CUTOVER: unforced,
    Command.CUTOVER_THRESHOLD: bounded,
    Command.PAUSE: paused,
    Command.RESUME: resumed,
    Command.PRIORITY: prioritized,
}


def decide_control(control: Control, known: Known, moment: Moment) -> Decision:
    """Applies the command to each row it names; the answer says what it did on each shard."""
    try:
        _check(control)
    except InvalidInput as error:
        return Decision(outcome=Refusal(errors=(error.info(),)), ignored="malformed_command")
    if control.command.of_keyspace:
        return decide_hold(control, known, moment)
    if not control.migration_uuid:
        return _to_all(control, known, moment)
    rows = [
        row
        for row in known.rows(control.keyspace, control.migration_uuid)
        if not control.shards or row.shard in control.shards
    ]
    if not rows:
        unknown = UnknownMigration(
            f"there is no migration {control.migration_uuid} in keyspace {control.keyspace}"
            + (f" on shard {', '.join(control.shards)}" if control.shards else ""),
            hint="`alterd show UUID` names its shards, `alterd show all` the migrations there are",
            uuid=control.migration_uuid,
        )
        return Decision(outcome=Refusal(errors=(unknown.info(),)), ignored="unknown_migration")
    if control.command is Command.PURGE:
        return decide_purge(control, known.rows(control.keyspace, control.migration_uuid), moment)
    records, effects = _apply(control, rows, moment)
    return Decision(
        records=tuple(records),
        outcome=Answered(
            migration_uuid=control.migration_uuid, effects=tuple(effects[:MOST_EFFECTS]), affected=len(records)
        ),
    )


def _to_all(control: Control, known: Known, moment: Moment) -> Decision:
    """In order of submission. What stays as it was is not answered one by one."""
    rows = [
        row
        for row in known.pending(control.keyspace)
        if (not control.shards or row.shard in control.shards)
        and (not control.migration_context or row.migration_context == control.migration_context)
    ]
    records, effects = _apply(control, rows, moment)
    changed = [effect for effect in effects if effect.affected]
    return Decision(
        records=tuple(records),
        outcome=Answered(migration_uuid="", effects=tuple(changed[:MOST_EFFECTS]), affected=len(records)),
    )


def _apply(control: Control, rows: list[Migration], moment: Moment) -> tuple[list[Migration], list[ShardEffect]]:
    records: list[Migration] = []
    effects: list[ShardEffect] = []
    effect_on = _EFFECTS[control.command]
    if control.command is Command.COMPLETE and control.gate:
        effect_on = gated_with(rows)
    for row in rows:
        if moment.input_seq and row.input_seq >= moment.input_seq:  # this very command, delivered again
            new, text = None, "done already"
        else:
            new, text = effect_on(row, moment, control)
        if new is not None:
            records.append(new)
        effects.append(
            ShardEffect(
                shard=row.shard,
                affected=0 if new is None else 1,
                migration_status=(new or row).migration_status,
                message=text,
                migration_uuid="" if control.migration_uuid else row.migration_uuid,
            )
        )
    return records, effects


def _check(control: Control) -> None:
    """Raises `InvalidInput`."""
    command = control.command
    if command in (Command.THROTTLE, Command.UNTHROTTLE):
        raise InvalidInput(f"{command} is not for the scheduler", hint="ask the throttler: `alterd throttle`")
    if command.of_keyspace and control.migration_uuid:
        raise InvalidInput(f"{command} is given to a keyspace or its shards", hint="`alterd pause` is for migrations")
    if command.needs_uuid and not control.migration_uuid:
        raise InvalidInput(f"{command} names no migration", hint="give a uuid")
    if command is Command.CUTOVER_THRESHOLD:
        check_cut_over_threshold(control.cutover_threshold_seconds)
    if command is Command.PRIORITY:
        check_priority(control.priority)
