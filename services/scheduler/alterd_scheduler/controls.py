"""A user's commands: their effect in each state. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alterd_contracts.errors import InvalidInput, UnknownMigration
from alterd_contracts.events import Fact
from alterd_contracts.flags import DEFAULT_CUT_OVER_THRESHOLD, check_cut_over_threshold
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Answered, Command, Refusal, ShardEffect
from alterd_contracts.states import Status, Trigger
from alterd_scheduler.decisions import Decision, Known
from alterd_scheduler.facts import Moment, changed, moved

Effect = tuple[Migration | None, str]
"""The record afterwards, None where nothing changes, and what the caller is told of it."""


def decide_control(control: Control, known: Known, moment: Moment) -> Decision:
    """Applies the command to each row it names; the answer says what it did on each shard."""
    rows = [
        row
        for row in known.rows(control.keyspace, control.migration_uuid)
        if not control.shards or row.shard in control.shards
    ]
    if not rows:
        error = UnknownMigration(
            f"there is no migration {control.migration_uuid} in keyspace {control.keyspace}"
            + (f" on shard {', '.join(control.shards)}" if control.shards else ""),
            uuid=control.migration_uuid,
        )
        return Decision(outcome=Refusal(errors=(error.info(),)), ignored="unknown_migration")
    if refusal := _malformed(control):
        return Decision(outcome=refusal, ignored="malformed_command")
    records: list[Migration] = []
    effects: list[ShardEffect] = []
    for row in rows:
        if moment.input_seq and row.input_seq >= moment.input_seq:  # this very command, delivered again
            new, text = None, "done already"
        else:
            new, text = _EFFECTS[control.command](row, moment, control)
        if new is not None:
            records.append(new)
        effects.append(
            ShardEffect(
                shard=row.shard,
                affected=0 if new is None else 1,
                migration_status=(new or row).migration_status,
                message=text,
            )
        )
    return Decision(
        records=tuple(records), outcome=Answered(migration_uuid=control.migration_uuid, effects=tuple(effects))
    )


def _malformed(control: Control) -> Refusal | None:
    try:
        if control.command is Command.CUTOVER_THRESHOLD:
            check_cut_over_threshold(control.cutover_threshold_seconds)
    except InvalidInput as error:
        return Refusal(errors=(error.info(),))
    return None


def permitted(row: Migration, moment: Moment, control: Control) -> Effect:
    """The hold is removed; nothing is made ready by it."""
    if row.migration_status.terminal:
        return None, f"is {row.migration_status} already"
    if not row.postpone_completion:
        return None, "is not postponed: it completes by itself when it is ready"
    text = "completes now" if row.ready_to_complete else "completes when it is ready"
    return _turned(row, moment, control, Fact.COMPLETION_PERMITTED, text, postpone_completion=False), text


def postponed(row: Migration, moment: Moment, control: Control) -> Effect:
    """The hold is put on; a run reads it afresh right before its point of no return."""
    if row.migration_status.terminal:
        return None, f"is {row.migration_status} already"
    if row.postpone_completion:
        return None, "is postponed already"
    text = "waits for `alterd complete`"
    return _turned(row, moment, control, Fact.COMPLETION_POSTPONED, text, postpone_completion=True), text


def forced(row: Migration, moment: Moment, control: Control) -> Effect:
    """From now on cut-overs end what is in their way; there is no way back. A hold stays."""
    if row.migration_status.terminal:
        return None, f"is {row.migration_status} already"
    if row.force_cutover:
        return None, "is forced already"
    text = "forced from the next cut-over attempt on"
    told = f"{text}; completion is still postponed" if row.postpone_completion else text
    return _turned(row, moment, control, Fact.CUTOVER_FORCED, text, force_cutover=True), told


def bounded(row: Migration, moment: Moment, control: Control) -> Effect:
    """Another cut-over threshold, from the next attempt on."""
    if row.migration_status.terminal:
        return None, f"is {row.migration_status} already"
    seconds = control.cutover_threshold_seconds or DEFAULT_CUT_OVER_THRESHOLD
    if seconds == row.cutover_threshold_seconds:
        return None, f"has a cut-over threshold of {seconds} s already"
    text = f"a cut-over threshold of {seconds} s from the next attempt on"
    return _turned(row, moment, control, Fact.CUTOVER_THRESHOLD, text, cutover_threshold_seconds=seconds), text


def _turned(row: Migration, moment: Moment, control: Control, fact: Fact, text: str, **columns: Any) -> Migration:
    return changed(row, fact, moment, caller=control.caller, saying=control.message or text, **columns)


def cancelled(row: Migration, moment: Moment, control: Control) -> Effect:
    """What has not begun ends at once; what may have touched the shard ends by its executor's word."""
    text = control.message or "CANCEL issued by user"
    if row.migration_status.terminal:
        return None, f"is {row.migration_status} already"
    untouched = row.migration_status is Status.QUEUED or (
        row.migration_status is Status.READY and row.started_timestamp is None
    )
    if untouched:
        new = moved(
            row,
            Trigger.CANCELLED,
            Fact.CANCELLED,
            moment,
            caller=control.caller,
            message=text,
            cancelled_timestamp=moment.now,
            cancel_requested=True,
        )
        return new, "cancelled"
    if row.cancel_requested:
        return None, "is being cancelled already"
    new = changed(
        row,
        Fact.CANCEL_REQUESTED,
        moment,
        caller=control.caller,
        message=text,
        cancel_requested=True,
        cancel_message=text,
    )
    return new, "cancel requested; ends by its executor's word"


def queued_again(row: Migration, moment: Moment, control: Control) -> Effect:
    """As `retried`, with words."""
    new = retried(row, moment, control.caller)
    return new, "queued again" if new else f"is {row.migration_status}; only failed and cancelled ones are retried"


def retried(row: Migration, moment: Moment, caller: str) -> Migration | None:
    """A failed or cancelled migration starts from zero, behind its old place in the order."""
    return moved(
        row,
        Trigger.RETRIED,
        Fact.RETRIED,
        moment,
        caller=caller,
        retries=row.retries + 1,
        first_attempt=row.attempt + 1,
        deaths=0,
        tablet="",
        incarnation="",
        tablet_failure=False,
        message="",
        stage="",
        error_code="",
        progress=0.0,
        eta_seconds=-1,
        rows_copied=0,
        table_rows=0,
        vreplication_lag_seconds=0,
        cutover_attempts=0,
        component_throttled="",
        reason_throttled="",
        ready_to_complete=False,
        in_order_completion_pending_count=0,
        cancel_requested=False,
        cancel_message="",
        dispatch_delay=0.0,
        ready_timestamp=None,
        started_timestamp=None,
        liveness_timestamp=None,
        completed_timestamp=None,
        cancelled_timestamp=None,
        cleanup_timestamp=None,
        ready_to_complete_timestamp=None,
        last_cutover_attempt_timestamp=None,
        last_throttled_timestamp=None,
        shadow_analyzed_timestamp=None,
    )


_EFFECTS: dict[Command, Callable[[Migration, Moment, Control], Effect]] = {
    Command.CANCEL: cancelled,
    Command.RETRY: queued_again,
    Command.COMPLETE: permitted,
    Command.POSTPONE_COMPLETE: postponed,
    Command.FORCE_CUTOVER: forced,
    Command.CUTOVER_THRESHOLD: bounded,
}
