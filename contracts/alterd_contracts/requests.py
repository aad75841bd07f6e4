"""What callers ask, and what they are told."""

from __future__ import annotations

from datetime import datetime
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
    """What a command did to one migration on one shard, or to the shard itself."""

    shard: str
    """`subjects.EVERYWHERE` where it concerns all shards of the keyspace alike."""
    affected: int
    migration_status: Status | None = None
    """None where no record was looked at: throttling, the hold of a keyspace."""
    message: str = ""
    migration_uuid: str = ""
    """With a command to many migrations; else it is the answer's."""


class Answered(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.reply.control.v1", tag_field="type"):
    """What a control command did."""

    migration_uuid: str
    """Empty for a command to all: then what it left as it was is not among the effects."""
    effects: tuple[ShardEffect, ...]
    """At most `MOST_EFFECTS`."""
    affected: int = 0
    """Shard migrations, rules or shards that it changed, those without a place in `effects` among them."""


MOST_EFFECTS = 2000
"""A reply fits into one message of NATS."""
HIGHEST_PRIORITY = 1000
"""The lowest is its negative."""

Outcome = Accepted | Refusal | Answered


class Command(StrEnum):
    """What a user may ask of a migration."""

    CANCEL = "cancel"
    RETRY = "retry"
    LAUNCH = "launch"
    """The launch is no longer postponed."""
    COMPLETE = "complete"
    """Completion is no longer postponed; with `Control.gate` on all shards in one step."""
    POSTPONE_COMPLETE = "postpone-complete"
    CLEANUP = "cleanup"
    """Artifacts need not be kept any longer."""
    THROTTLE = "throttle"
    UNTHROTTLE = "unthrottle"
    """These two are asked of the throttler (`subjects.THROTTLE_RULE`), which tells the scheduler."""
    FORCE_CUTOVER = "force-cutover"
    UNFORCE_CUTOVER = "unforce-cutover"
    CUTOVER_THRESHOLD = "cutover-threshold"
    PAUSE = "pause"
    RESUME = "resume"
    PRIORITY = "priority"
    HOLD = "hold"
    """A keyspace, or shards of it: nothing begins there, runs wait, what is submitted meanwhile too."""
    RELEASE = "release"
    """The end of a hold."""
    PURGE = "purge"
    """The record of what has ended is forgotten."""

    @property
    def of_keyspace(self) -> bool:
        """Given to a keyspace or its shards, never to a migration."""
        return self in (Command.HOLD, Command.RELEASE)

    @property
    def needs_uuid(self) -> bool:
        """About what has ended: the scheduler reads such records by their names only."""
        return self in (Command.RETRY, Command.CLEANUP, Command.PURGE)


ONLINE_DDL = "online-ddl"
"""The app that stands for every migration."""


class CheckRequest(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.request.check.v1", tag_field="type"):
    """Try a script, in order, on empty copies on one shard."""

    request_id: str
    keyspace: str
    shard: str
    strategy: str
    options: str
    statements: tuple[Statement, ...]
    migration_uuids: tuple[str, ...]
    migration_context: str = ""
    """Empty: not known, so nothing is taken for done there."""


class CheckReply(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.reply.check.v1", tag_field="type"):
    """What the try showed; `errors` name their statements."""

    errors: tuple[ErrorInfo, ...] = ()
    warnings: tuple[str, ...] = ()
    special_plans: tuple[str, ...] = ()
    """Of each statement what `Strategy.special_plan` says; empty where no statement has one."""
    left_out: tuple[int, ...] = ()
    """Places in the script, from 0, of what was not tried, as it will not run there: it is there already."""


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


class ThrottleRule(msgspec.Struct, frozen=True, kw_only=True):
    """What users throttle, as it lies in `subjects.THROTTLE_RULES` until it expires."""

    keyspace: str
    shard: str
    """`subjects.EVERYWHERE`: all of them."""
    app: str
    """A migration's uuid, or `ONLINE_DDL` for all of them; neither need be there yet."""
    ratio: float
    """Above 0 to 1."""
    expire_at: datetime
    """By the clock of the throttler that set it: to be shown, never to be judged by."""
    caller: str = ""
    message: str = ""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.throttle.verdict.v1", tag_field="type"):
    """Go or wait, why, and for how long this may be believed."""

    keyspace: str
    shard: str
    go: bool
    reason: str
    """``lag 7.3 > 5.0 on 127.0.0.1:3307``; empty when all is well."""
    metrics: dict[str, float]
    denied: dict[str, float] = {}
    """What users throttle here: an app's name → which part of its questions is answered with wait, above 0 to 1. An app
    is a list of names joined by colons, and denied if one of them is."""
    thresholds: dict[str, float] = {}
    """By which it judges: a metric's name → the value above which it says wait."""
    valid_seconds: float
    """From its receipt, by the reader's own monotonic clock; after that the reader waits."""
    throttler: str
