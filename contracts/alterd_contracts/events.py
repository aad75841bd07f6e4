"""Facts: what happened, once each, for audit, alerts and dashboards."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec

from alterd_contracts import subjects
from alterd_contracts.errors import ErrorInfo
from alterd_contracts.requests import Command
from alterd_contracts.states import Status


class Fact(StrEnum):
    """The last token of an event's subject."""

    QUEUED = "queued"
    READY = "ready"
    STARTED = "started"
    PHASE = "phase"
    PERMITTED = "permitted"
    """It has its place on the shard again: the exclusive one, or any after a pause."""
    READY_TO_COMPLETE = "ready_to_complete"
    """Whether only the completion is left: the event's `ready_to_complete` says yes or no."""
    THROTTLED = "throttled"
    UNTHROTTLED = "unthrottled"
    CUTOVER_ATTEMPTED = "cutover_attempted"
    SHADOW_ANALYZED = "shadow_analyzed"
    LAUNCHED = "launched"
    """Its launch is no longer postponed."""
    COMPLETION_GATED = "completion_gated"
    """It completes with all other shards, or not yet."""
    COMPLETION_PERMITTED = "completion_permitted"
    COMPLETION_POSTPONED = "completion_postponed"
    GATE_SHUT = "gate_shut"
    GATE_OPENED = "gate_opened"
    CUTOVER_FORCED = "cutover_forced"
    CUTOVER_UNFORCED = "cutover_unforced"
    CUTOVER_THRESHOLD = "cutover_threshold"
    PAUSED = "paused"
    RESUMED = "resumed"
    PRIORITIZED = "prioritized"
    CLEANUP_REQUESTED = "cleanup_requested"
    USER_THROTTLED = "user_throttled"
    USER_UNTHROTTLED = "user_unthrottled"
    HELD = "held"
    HOLD_RELEASED = "hold_released"
    PURGED = "purged"
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


class CommandGiven(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.event.command.v1", tag_field="type"):
    """A user's command that no single record tells of: to a keyspace, to the throttler, or about what is gone."""

    id: str
    time: Annotated[datetime, msgspec.Meta(tz=True)]
    fact: Fact
    command: Command
    keyspace: str
    migration_uuid: str = ""
    """Empty: all of the keyspace."""
    shards: tuple[str, ...] = ()
    """Empty: all."""
    caller: str = ""
    message: str = ""

    @property
    def subject(self) -> str:
        entity = self.migration_uuid or subjects.EVERYWHERE
        return subjects.event(self.keyspace, subjects.EVERYWHERE, entity, self.fact)


Event = MigrationEvent | RequestRefused | CommandGiven
