"""How a record changes, and the fact that tells of it. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from alterd_contracts.errors import ErrorInfo
from alterd_contracts.events import Fact, MigrationEvent
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status, Trigger, after


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """When a decision is taken, and because of what."""

    now: datetime
    """The time the stream's leader gave the input; for what time alone changes, the scheduler's own."""
    input_seq: int = 0
    """0: no input, the records alone."""


def event_of(
    record: Migration, fact: Fact, now: datetime, error: ErrorInfo | None = None, caller: str = "", saying: str = ""
) -> MigrationEvent:
    """The fact, with an id that is the same however often the decision is repeated.

    `saying`: its message; without one, the record's.
    """
    return MigrationEvent(
        id=f"{record.keyspace}.{record.shard}.{record.migration_uuid}:{record.attempt}:{record.input_seq}:{fact}",
        time=now,
        fact=fact,
        keyspace=record.keyspace,
        shard=record.shard,
        migration_uuid=record.migration_uuid,
        migration_context=record.migration_context,
        migration_status=record.migration_status,
        strategy=record.strategy,
        ddl_action=record.ddl_action,
        mysql_table=record.mysql_table,
        attempt=record.attempt,
        tablet=record.tablet,
        message=saying or record.message,
        error=error,
        caller=caller,
        stage=record.stage,
        ready_to_complete=record.ready_to_complete,
        cutover_attempts=record.cutover_attempts,
        rows_copied=record.rows_copied,
        table_rows=record.table_rows,
    )


def changed(
    record: Migration,
    fact: Fact,
    moment: Moment,
    *,
    error: ErrorInfo | None = None,
    caller: str = "",
    saying: str = "",
    **columns: Any,
) -> Migration:
    """The record with new columns, and the event that says so. `saying`: the event's message alone."""
    if "message" in columns:
        columns["message_timestamp"] = moment.now if columns["message"] else None
    new = record.evolve(**columns, input_seq=moment.input_seq or record.input_seq)
    return new.evolve(event=event_of(new, fact, moment.now, error, caller, saying))


def moved(
    record: Migration,
    trigger: Trigger,
    fact: Fact,
    moment: Moment,
    *,
    error: ErrorInfo | None = None,
    caller: str = "",
    **columns: Any,
) -> Migration | None:
    """The record in the state that `trigger` leads to; None where it has no effect in its state."""
    status = after(record.migration_status, trigger)
    if status is None:
        return None
    if status.terminal:
        columns.setdefault("completed_timestamp", moment.now)
        columns |= {"exclusive": False, "exclusive_wanted": False, "parked": False}
        columns |= {"in_order_completion_pending_count": 0}
    if record.migration_status is Status.RUNNING:  # nothing waits for the throttler any more
        columns |= {"component_throttled": "", "reason_throttled": ""}
    return changed(record, fact, moment, error=error, caller=caller, migration_status=status, **columns)
