"""``pause`` and ``resume``"""

from __future__ import annotations

from typing import Any

from alterd_contracts.events import Fact
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status
from alterd_scheduler.controls.effect import Effect, ended, turned
from alterd_scheduler.facts import Moment


def paused(row: Migration, moment: Moment, control: Control) -> Effect:
    """It does not begin; a run of it writes no more from its next border on, and does not complete.

    What it has of its shard, but for its table, is for others until it is resumed.
    """
    if row.migration_status.terminal:
        return ended(row)
    if row.pause_requested:
        return None, "is paused already"
    if row.migration_status is Status.RUNNING and not row.pausable:
        what = f"{row.ddl_action.upper() or 'statement'} by the strategy {row.strategy}"
        return None, f"is running: a {what} cannot be paused once it runs; `alterd cancel` ends it"
    waits = "its run waits from the next border on" if row.migration_status is Status.RUNNING else "it does not begin"
    text = f"{waits}, until `alterd resume`"
    columns: dict[str, Any] = {"pause_requested": True, "paused": True}
    if row.migration_status is not Status.QUEUED:
        wanted = row.exclusive or row.exclusive_wanted
        columns |= {"parked": True, "exclusive": False, "exclusive_wanted": wanted}
    return turned(row, moment, control, Fact.PAUSED, text, **columns), text


def resumed(row: Migration, moment: Moment, control: Control) -> Effect:
    """It goes on where it was; where its shard is on hold, when that ends."""
    if row.migration_status.terminal:
        return ended(row)
    on_hold = "its keyspace or shard is on hold: `alterd release` ends that"
    if not row.pause_requested:
        return None, on_hold if row.held else "is not paused"
    text = "goes on as soon as there is a place for it" if row.parked else "goes on"
    if row.held:
        text = f"resumed, but {on_hold}"
    paused_still = row.held or row.parked
    return turned(row, moment, control, Fact.RESUMED, text, pause_requested=False, paused=paused_still), text
