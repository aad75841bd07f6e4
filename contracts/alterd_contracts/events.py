"""Facts: what happened, once each, for audit, alerts and dashboards."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec

from alterd_contracts import subjects
from alterd_contracts.errors import ErrorInfo
from alterd_contracts.states import Status


class Fact(StrEnum):
    """The last token of an event's subject."""

    QUEUED = "queued"
    READY = "ready"
    STARTED = "started"
    PHASE = "phase"
    READY_TO_COMPLETE = "ready_to_complete"
    """Whether only the completion is left: the event's `ready_to_complete` says yes or no."""
    THROTTLED = "throttled"
    UNTHROTTLED = "unthrottled"
    CUTOVER_ATTEMPTED = "cutover_attempted"
    SHADOW_ANALYZED = "shadow_analyzed"
    COMPLETION_PERMITTED = "completion_permitted"
    COMPLETION_POSTPONED = "completion_postponed"
    CUTOVER_FORCED = "cutover_forced"
    CUTOVER_THRESHOLD = "cutover_threshold"
    ARTIFACT = "artifact"
    CANCEL_REQUESTED = "cancel_requested"
    RELEASED = "released"
    LOST = "lost"
    STALE = "stale"
    BLOCKED = "blocked"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RETRIED = "retried"
    COLLECTED = "collected"
    REFUSED = "refused"


class MigrationEvent(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.event.migration.v1", tag_field="type"):
    """One fact about one shard migration."""

    id: str
    """Made of key, input and attempt: the same fact has the same id, however often it is published."""
    time: Annotated[datetime, msgspec.Meta(tz=True)]
    fact: Fact
    keyspace: str
    shard: str
    migration_uuid: str
    migration_context: str = ""
    migration_status: Status
    strategy: str
    ddl_action: str
    mysql_table: str
    attempt: int
    tablet: str = ""
    message: str = ""
    error: ErrorInfo | None = None
    caller: str = ""
    stage: str = ""
    """The phase that the run is in."""
    ready_to_complete: bool = False
    cutover_attempts: int = 0
    rows_copied: int = 0
    """As far as the record knows; `Progress` knows more while it runs."""
    table_rows: int = 0

    @property
    def subject(self) -> str:
        return subjects.event(self.keyspace, self.shard, self.migration_uuid, self.fact)


class RequestRefused(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.event.refused.v1", tag_field="type"):
    """A request was refused whole; nothing was queued."""

    id: str
    time: Annotated[datetime, msgspec.Meta(tz=True)]
    keyspace: str
    request_id: str
    errors: tuple[ErrorInfo, ...]
    caller: str = ""
    sql: str = ""

    @property
    def subject(self) -> str:
        return subjects.event(self.keyspace, subjects.EVERYWHERE, self.request_id, Fact.REFUSED)


Event = MigrationEvent | RequestRefused
