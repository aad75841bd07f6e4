"""``complete`` and ``postpone-complete``"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from alterd_contracts.events import Fact
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status
from alterd_scheduler.controls.effect import Effect, ended, turned
from alterd_scheduler.facts import Moment
from alterd_scheduler.gates import SHUT


def permitted(row: Migration, moment: Moment, control: Control) -> Effect:
    """The hold is removed; nothing is made ready by it. The others of its gate go on without it."""
    if row.migration_status.terminal:
        return ended(row)
    if not row.postpone_completion:
        return None, "is not postponed: it completes by itself when it is ready"
    text = _leaving(row, "completes now" if row.ready_to_complete else "completes when it is ready")
    columns = {"postpone_completion": False, **_no_gate(row)}
    new = turned(row, moment, control, Fact.COMPLETION_PERMITTED, text, **columns)
    return new, f"{text}; it is paused" if row.paused else text


def postponed(row: Migration, moment: Moment, control: Control) -> Effect:
    """The hold is put on; a run reads it afresh right before its point of no return. It leaves its gate."""
    if row.migration_status.terminal:
        return ended(row)
    if row.postpone_completion and not row.gated:
        return None, "is postponed already"
    if why := _why_not(row):
        return None, why
    text = _leaving(row, "waits for `alterd complete`")
    columns = {"postpone_completion": True, **_no_gate(row)}
    return turned(row, moment, control, Fact.COMPLETION_POSTPONED, text, **columns), text


def _no_gate(row: Migration) -> dict[str, Any]:
    columns = {"gated": False, "gate_id": 0, "gate_shards": ()}
    return {**columns, "message": ""} if row.message.startswith(SHUT) else columns


def _leaving(row: Migration, text: str) -> str:
    return f"leaves the gate, {text}" if row.gated else text


def gated_with(rows: list[Migration]) -> Callable[[Migration, Moment, Control], Effect]:
    """The effect of ``complete --gate`` on each of the rows that it names: a gate per migration, of all that can wait.

    What failed keeps it shut until it is retried. A shard that waits in another gate joins this one.
    """
    members: dict[str, list[Migration]] = {}
    for row in rows:
        if row.migration_status is not Status.COMPLETE and not _why_not(row):
            members.setdefault(row.migration_uuid, []).append(row)
    gates = {uuid: tuple(sorted(row.shard for row in own)) for uuid, own in members.items()}
    waiting = {uuid for uuid, own in members.items() if _is_gate(own, gates[uuid])}

    def effect(row: Migration, moment: Moment, control: Control) -> Effect:
        if row.migration_status is Status.COMPLETE:
            return ended(row)
        if why := _why_not(row):
            return None, why
        if row.migration_uuid in waiting:
            return None, "waits for all shards already"
        text = "completes with all other shards, once each of them is ready"
        if row.migration_status.terminal:
            text = f"is {row.migration_status}: the gate stays shut until it is retried"
        gate = {"gate_id": moment.input_seq, "gate_shards": gates[row.migration_uuid]}
        columns: dict[str, Any] = {"postpone_completion": True, "gated": True, **gate}
        return turned(row, moment, control, Fact.COMPLETION_GATED, text, **columns), text

    return effect


def _is_gate(rows: list[Migration], shards: tuple[str, ...]) -> bool:
    """Whether the rows are one shut gate, of these shards, already."""
    return all((row.gated, row.gate_id) == (True, rows[0].gate_id) for row in rows) and rows[0].gate_shards == shards


def _why_not(row: Migration) -> str:
    """Why a hold that is put on now could not be kept. One that is on already is."""
    if row.postpone_completion:
        return ""
    if not row.postponable:
        return f"cannot be held back: the strategy {row.strategy} has no separate completion for it"
    if row.migration_status is Status.RUNNING and _sent(row):
        return "cannot be held back any more: MySQL carries it out; `alterd cancel` ends it"
    return ""


def _sent(row: Migration) -> bool:
    """It asked for the last time before its statement went to the server. What was to be done at once and has to copy
    after all asks again.
    """
    copies = row.stage in row.exclusive_phases or row.stage in row.tail_phases
    return not row.pausable or (row.is_immediate_operation and not copies)
