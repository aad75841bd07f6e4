"""``cleanup``"""

from __future__ import annotations

from alterd_contracts.events import Fact
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_scheduler.controls.effect import Effect, turned
from alterd_scheduler.facts import Moment

AT_ONCE = -1
"""Of `retain_artifacts_seconds`."""


def cleaned(row: Migration, moment: Moment, control: Control) -> Effect:
    """Artifacts of what has ended are not kept any longer; an executor collects them, throttled, and says so."""
    if row.migration_status.pending:
        return None, f"is {row.migration_status}: only what has ended is cleaned up"
    if not row.artifacts:
        return None, "has left nothing behind"
    if row.retain_artifacts_seconds == AT_ONCE:
        return None, "is being cleaned up already"
    text = f"not kept any longer: {', '.join(name for name in row.artifacts.split(',') if name)}"
    return turned(row, moment, control, Fact.CLEANUP_REQUESTED, text, retain_artifacts_seconds=AT_ONCE), text
