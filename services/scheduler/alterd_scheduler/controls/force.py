"""``force-cutover`` and ``unforce-cutover``"""

from __future__ import annotations

from alterd_contracts.events import Fact
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_scheduler.controls.effect import Effect, ended, no_cutover, turned
from alterd_scheduler.facts import Moment


def forced(row: Migration, moment: Moment, control: Control) -> Effect:
    """From now on cut-overs end what is in their way. A hold stays."""
    if row.migration_status.terminal:
        return ended(row)
    if why := no_cutover(row):
        return None, why
    if row.force_cutover:
        return None, "is forced already"
    text = "forced from the next cut-over attempt on"
    answer = f"{text}; completion is still postponed" if row.postpone_completion else text
    return turned(row, moment, control, Fact.CUTOVER_FORCED, text, force_cutover=True), answer


def unforced(row: Migration, moment: Moment, control: Control) -> Effect:
    """From the next attempt on cut-overs give way again, until `--force-cut-over-after` says otherwise."""
    if row.migration_status.terminal:
        return ended(row)
    if not row.force_cutover:
        return None, "is not forced"
    text = "no longer forced, from the next cut-over attempt on"
    return turned(row, moment, control, Fact.CUTOVER_UNFORCED, text, force_cutover=False), text
