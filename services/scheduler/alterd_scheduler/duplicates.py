"""Idempotence within a context: what is complete there is not run again. Pure."""

from __future__ import annotations

from alterd_contracts.events import Fact
from alterd_contracts.migration import Migration
from alterd_contracts.states import Trigger
from alterd_scheduler.facts import Moment, moved


def duplicate(record: Migration, twin: str, moment: Moment) -> Migration | None:
    """The queued record as complete, because the migration `twin` has completed its statement in its context."""
    text = f"duplicate DDL as {twin} for migration context {record.migration_context}"
    return moved(record, Trigger.DUPLICATE, Fact.COMPLETED, moment, message=text, progress=100.0, eta_seconds=0)
