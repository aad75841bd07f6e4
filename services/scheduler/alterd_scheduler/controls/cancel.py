"""``cancel``"""

from __future__ import annotations

from alterd_contracts.events import Fact
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status, Trigger
from alterd_scheduler.controls.effect import Effect, ended
from alterd_scheduler.facts import Moment, changed, moved


def cancelled(row: Migration, moment: Moment, control: Control) -> Effect:
    """What has not begun ends at once; what may have touched the shard ends by its executor's word."""
    text = control.message or f"CANCEL {'' if control.migration_uuid else 'ALL '}issued by user"
    if row.migration_status.terminal:
        return ended(row)
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
