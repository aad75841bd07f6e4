"""``retry``"""

from __future__ import annotations

from alterd_contracts.events import Fact
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_contracts.states import Trigger
from alterd_scheduler.controls.cleanup import AT_ONCE
from alterd_scheduler.controls.effect import Effect
from alterd_scheduler.facts import Moment, moved


def queued_again(row: Migration, moment: Moment, control: Control) -> Effect:
    """As `retried`, with words."""
    new = retried(row, moment, control.caller)
    return new, "queued again" if new else f"is {row.migration_status}; only failed and cancelled ones are retried"


def retried(row: Migration, moment: Moment, caller: str) -> Migration | None:
    """A failed or cancelled migration starts from zero, behind its old place in the order.

    Holds of launch and completion, priority and what was chosen for the cut-over stay; attempts go on counting. What
    a cleanup was asked to drop was the try's before: the new one is kept as it was submitted.
    """
    return moved(
        row,
        Trigger.RETRIED,
        Fact.RETRIED,
        moment,
        caller=caller,
        retries=row.retries + 1,
        first_attempt=row.attempt + 1,
        deaths=0,
        losses=0,
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
        ready_to_complete=row.is_immediate_operation,
        retain_artifacts_seconds=_retention(row),
        in_order_completion_pending_count=0,
        cancel_requested=False,
        cancel_message="",
        paused=False,
        pause_requested=False,
        held=False,
        parked=False,
        gate_spread_ms=-1.0,
        exclusive=False,
        exclusive_wanted=False,
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


def _retention(row: Migration) -> int:
    cleaned = row.retain_artifacts_seconds == AT_ONCE
    return row.retain_artifacts_submitted if cleaned else row.retain_artifacts_seconds
