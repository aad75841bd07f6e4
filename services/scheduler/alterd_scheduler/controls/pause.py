"""``pause`` and ``resume``"""

from __future__ import annotations

from alterd_contracts.events import Fact
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status
from alterd_scheduler.controls.effect import Effect, ended, turned
from alterd_scheduler.facts import Moment


def paused(row: Migration, moment: Moment, control: Control) -> Effect:
    """It does not begin; a run of it writes no more from its next border on, and does not complete."""
    if row.migration_status.terminal:
        return ended(row)
    if row.pause_requested:
        return None, "is paused already"
    waits = "its run waits from the next border on" if row.migration_status is Status.RUNNING else "it does not begin"
    text = f"{waits}, until `alterd resume`"
    return turned(row, moment, control, Fact.PAUSED, text, pause_requested=True, paused=True), text


def resumed(row: Migration, moment: Moment, control: Control) -> Effect:
    """It goes on where it was; where its shard is on hold, when that ends."""
    if row.migration_status.terminal:
        return ended(row)
    on_hold = "its keyspace or shard is on hold: `alterd release` ends that"
    if not row.pause_requested:
        return None, on_hold if row.held else "is not paused"
    text = f"resumed, but {on_hold}" if row.held else "goes on"
    return turned(row, moment, control, Fact.RESUMED, text, pause_requested=False, paused=row.held), text
