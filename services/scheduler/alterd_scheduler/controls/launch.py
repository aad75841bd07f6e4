"""``launch``"""

from __future__ import annotations

from alterd_contracts.events import Fact
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status
from alterd_scheduler.controls.effect import Effect, turned
from alterd_scheduler.facts import Moment


def launched(row: Migration, moment: Moment, control: Control) -> Effect:
    """It may begin when its turn comes. In any state: what has ended begins without a launch once it is retried."""
    if not row.postpone_launch:
        return None, "its launch is not postponed"
    text = "begins when its turn comes" if row.migration_status is Status.QUEUED else f"is {row.migration_status}"
    return turned(row, moment, control, Fact.LAUNCHED, "launched", postpone_launch=False), text
