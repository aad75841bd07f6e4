"""``cutover-threshold``"""

from __future__ import annotations

from alterd_contracts.events import Fact
from alterd_contracts.flags import DEFAULT_CUT_OVER_THRESHOLD
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_scheduler.controls.effect import Effect, ended, no_cutover, turned
from alterd_scheduler.facts import Moment


def bounded(row: Migration, moment: Moment, control: Control) -> Effect:
    """Another cut-over threshold, from the next attempt on."""
    if row.migration_status.terminal:
        return ended(row)
    if why := no_cutover(row):
        return None, why
    seconds = control.cutover_threshold_seconds or DEFAULT_CUT_OVER_THRESHOLD
    if seconds == row.cutover_threshold_seconds:
        return None, f"has a cut-over threshold of {seconds} s already"
    text = f"a cut-over threshold of {seconds} s from the next attempt on"
    if row.special_plan:
        text += ", if it has to be copied after all"
    return turned(row, moment, control, Fact.CUTOVER_THRESHOLD, text, cutover_threshold_seconds=seconds), text
