"""``priority``"""

from __future__ import annotations

from alterd_contracts.errors import InvalidInput
from alterd_contracts.events import Fact
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_contracts.requests import HIGHEST_PRIORITY
from alterd_contracts.states import Status
from alterd_scheduler.controls.effect import Effect, ended, turned
from alterd_scheduler.facts import Moment


def prioritized(row: Migration, moment: Moment, control: Control) -> Effect:
    """Of what may begin on a shard, the higher priority goes first; rules about one table and orders stay."""
    if row.migration_status.terminal:
        return ended(row)
    if row.priority == control.priority:
        return None, f"has priority {row.priority} already"
    text = f"priority {control.priority}"
    new = turned(row, moment, control, Fact.PRIORITIZED, text, priority=control.priority)
    return new, text if row.migration_status is Status.QUEUED else f"{text}, once it is queued again"


def check_priority(priority: int) -> None:
    """Raises `InvalidInput`."""
    if abs(priority) > HIGHEST_PRIORITY:
        raise InvalidInput(
            f"priority {priority} is out of range", hint=f"from -{HIGHEST_PRIORITY} to {HIGHEST_PRIORITY}; 0 is usual"
        )
