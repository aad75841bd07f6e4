"""What callers ask, and what they are told."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from alterd_contracts.errors import ErrorInfo
from alterd_contracts.statement import Statement
from alterd_contracts.states import Status


class DdlRequest(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.request.ddl.v1", tag_field="type"):
    """A script of schema changes for one keyspace."""

    request_id: str
    """Chosen by the caller, the same for each delivery of the same request: `[A-Za-z0-9_-]{1,64}`."""
    keyspace: str
    sql: str
    ddl_strategy: str = ""
    """Empty: the keyspace's default."""
    migration_context: str = ""
    """Empty: ``alterd:<request id>``."""
    uuids: tuple[str, ...] = ()
    """As many as there are migrations, or none."""
    caller: str = ""


class SubmittedMigration(msgspec.Struct, frozen=True, kw_only=True):
    """One migration of an accepted request."""

    migration_uuid: str
    mysql_table: str
    ddl_action: str
    migration_statement: str


class Accepted(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.reply.accepted.v1", tag_field="type"):
    """The request is recorded, whole."""

    request_id: str
    keyspace: str
    strategy: str
    migration_context: str
    migrations: tuple[SubmittedMigration, ...]
    shards: tuple[str, ...]
    decided: bool = True
    """False: recorded in the log of inputs, not yet decided by a scheduler."""
    wait: bool = False
    """The strategy's callers wait for the result by default."""
    warnings: tuple[str, ...] = ()


class Refusal(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.reply.refused.v1", tag_field="type"):
    """The request was refused, whole."""

    errors: tuple[ErrorInfo, ...]


class ShardEffect(msgspec.Struct, frozen=True, kw_only=True):
    """What a command did on one shard."""

    shard: str
    affected: int
    migration_status: Status
    message: str = ""


class Answered(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.reply.control.v1", tag_field="type"):
    """What a control command did."""

    migration_uuid: str
    effects: tuple[ShardEffect, ...]


Outcome = Accepted | Refusal | Answered


class Command(StrEnum):
    """What a user may ask of a migration."""

    CANCEL = "cancel"
    RETRY = "retry"
    COMPLETE = "complete"
    """Completion is no longer postponed."""
    POSTPONE_COMPLETE = "postpone-complete"
    FORCE_CUTOVER = "force-cutover"
    CUTOVER_THRESHOLD = "cutover-threshold"


class CheckRequest(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.request.check.v1", tag_field="type"):
    """Try a script, in order, on empty copies on one shard."""

    request_id: str
    keyspace: str
    shard: str
    strategy: str
    options: str
    statements: tuple[Statement, ...]
    migration_uuids: tuple[str, ...]


class CheckReply(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.reply.check.v1", tag_field="type"):
    """What the try showed; `errors` name their statements."""

    errors: tuple[ErrorInfo, ...] = ()
    warnings: tuple[str, ...] = ()


class PlanStep(msgspec.Struct, frozen=True, kw_only=True):
    """One statement or action that a strategy would take."""

    statement: int
    """Number of the statement in the script, from 1."""
    action: str
    sql: str = ""


class PlanReply(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.reply.plan.v1", tag_field="type"):
    """What a strategy would do."""

    steps: tuple[PlanStep, ...] = ()
    errors: tuple[ErrorInfo, ...] = ()


class ThrottleCheck(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.request.throttle.v1", tag_field="type"):
    """May `app` write to this shard now? Also keeps the shard measured for a while."""

    keyspace: str
    shard: str
    app: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.throttle.verdict.v1", tag_field="type"):
    """Go or wait, why, and for how long this may be believed."""

    keyspace: str
    shard: str
    go: bool
    reason: str
    """``lag 7.3 > 5.0 on 127.0.0.1:3307``; empty when all is well."""
    metrics: dict[str, float]
    valid_seconds: float
    """From its receipt, by the reader's own monotonic clock; after that the reader waits."""
    throttler: str
