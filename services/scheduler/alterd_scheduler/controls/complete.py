"""``complete`` and ``postpone-complete``"""

from __future__ import annotations

from alterd_contracts.events import Fact
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status
from alterd_scheduler.controls.effect import Effect, ended, turned
from alterd_scheduler.facts import Moment


def permitted(row: Migration, moment: Moment, control: Control) -> Effect:
    """The hold is removed; nothing is made ready by it. With a gate it stays until all shards are ready."""
    if control.gate and row.migration_status is not Status.COMPLETE:
        return _gated(row, moment, control)
    if row.migration_status.terminal:
        return ended(row)
    if not row.postpone_completion:
        return None, "is not postponed: it completes by itself when it is ready"
    text = "completes now" if row.ready_to_complete else "completes when it is ready"
    columns = {"postpone_completion": False, "gated": False, "gate_id": 0}
    new = turned(row, moment, control, Fact.COMPLETION_PERMITTED, text, **columns)
    return new, f"{text}; it is paused" if row.paused else text


def _gated(row: Migration, moment: Moment, control: Control) -> Effect:
    if row.gated:
        return None, "waits for all shards already"
    text = "completes with all other shards, once each of them is ready"
    if row.migration_status.terminal:
        text = f"is {row.migration_status}: the gate stays shut until it is retried"
    columns = {"postpone_completion": True, "gated": True, "gate_id": moment.input_seq}
    return turned(row, moment, control, Fact.COMPLETION_GATED, text, **columns), text


def postponed(row: Migration, moment: Moment, control: Control) -> Effect:
    """The hold is put on; a run reads it afresh right before its point of no return. A gate is taken away."""
    if row.migration_status.terminal:
        return ended(row)
    if row.postpone_completion and not row.gated:
        return None, "is postponed already"
    text = "waits for `alterd complete`"
    columns = {"postpone_completion": True, "gated": False, "gate_id": 0}
    return turned(row, moment, control, Fact.COMPLETION_POSTPONED, text, **columns), text
