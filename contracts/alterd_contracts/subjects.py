"""Every subject, stream, bucket and header of alterd, in one place.

Subjects are the interface, streams are storage. Tokens are keyspaces, shards, uuids and strategies, whose patterns
(`names`) hold no dot, blank or wildcard.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum

import msgspec

REPLY_TO = "Alterd-Reply-To"
"""Header of an input or a request: the subject on which the caller waits for the outcome."""

EVERYWHERE = "_"
"""Stands where an event belongs to no single shard."""

SUBMIT = "alterd.api.submit"
THROTTLE_CHECK = "alterd.api.throttle.check"
THROTTLE_RULE = "alterd.api.throttle.rule"


def request(keyspace: str) -> str:
    return f"alterd.request.{keyspace}"


def check(strategy: str) -> str:
    return f"alterd.api.check.{strategy}"


def plan(strategy: str) -> str:
    return f"alterd.api.plan.{strategy}"


def submission(keyspace: str) -> str:
    return f"alterd.input.{keyspace}.submission"


def control(keyspace: str) -> str:
    return f"alterd.input.{keyspace}.control"


def report(keyspace: str) -> str:
    return f"alterd.input.{keyspace}.report"


def work(strategy: str, keyspace: str, shard: str) -> str:
    return f"alterd.work.{strategy}.{keyspace}.{shard}"


def work_of(strategy: str) -> str:
    """The filter of a strategy's durable consumer."""
    return f"alterd.work.{strategy}.>"


def event(keyspace: str, shard: str, entity: str, fact: str) -> str:
    """`entity` is a migration's uuid, or a request id for facts about a request."""
    return f"alterd.event.{keyspace}.{shard}.{entity}.{fact}"


def events(*, keyspace: str = "*", shard: str = "*", entity: str = "*", fact: str = "*") -> str:
    return event(keyspace, shard, entity, fact)


def log(keyspace: str, shard: str, migration_uuid: str) -> str:
    return f"alterd.log.{keyspace}.{shard}.{migration_uuid}"


def throttle(keyspace: str, shard: str) -> str:
    return f"alterd.throttle.{keyspace}.{shard}"


def dead(stream: str) -> str:
    return f"alterd.dead.{stream}"


class Retention(StrEnum):
    """How a stream keeps its messages."""

    LIMITS = "limits"
    WORK_QUEUE = "workqueue"


DAY = 24 * 3600.0


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """A JetStream stream as alterd wants it."""

    name: str
    subjects: tuple[str, ...]
    retention: Retention = Retention.LIMITS
    max_age: float = 0.0
    """Seconds; 0 keeps for ever."""
    deny_delete: bool = False
    duplicate_window: float = 120.0
    """Seconds in which a message id is recognised; longer than the publish retry budget (30 s)."""


REQUESTS = Stream(name="ALTERD_REQUESTS", subjects=("alterd.request.*",), retention=Retention.WORK_QUEUE)
INPUT = Stream(name="ALTERD_INPUT", subjects=("alterd.input.*.*",), max_age=30 * DAY)
WORK = Stream(name="ALTERD_WORK", subjects=("alterd.work.*.*.*",), retention=Retention.WORK_QUEUE)
EVENTS = Stream(name="ALTERD_EVENTS", subjects=("alterd.event.*.*.*.*",), max_age=90 * DAY, deny_delete=True)
LOGS = Stream(name="ALTERD_LOGS", subjects=("alterd.log.*.*.*",), max_age=14 * DAY)
DEAD = Stream(name="ALTERD_DEAD", subjects=("alterd.dead.*",))

STREAMS = (REQUESTS, INPUT, WORK, EVENTS, LOGS, DEAD)


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """A key-value bucket: a stream with one message per key."""

    name: str
    ttl_per_key: bool = False
    """Keys may be written with a time to live of their own (leases, and delete markers that vanish)."""
    markers: float = 0.0
    """Seconds for which the server leaves a marker where a key ended by its TTL, so that watchers see the end.
    0: none. Never in `STATE`: a marker is a write, and would move the sequence that fences the leader."""


STATE = Bucket(name="alterd_state", ttl_per_key=True)
PROGRESS = Bucket(name="alterd_progress", ttl_per_key=True)
EXECUTORS = Bucket(name="alterd_executors", ttl_per_key=True, markers=60.0)
LEASES = Bucket(name="alterd_leases", ttl_per_key=True)
TOPOLOGY = Bucket(name="alterd_topology")
THROTTLE_RULES = Bucket(name="alterd_throttle_rules", ttl_per_key=True, markers=60.0)

BUCKETS = (STATE, PROGRESS, EXECUTORS, LEASES, TOPOLOGY, THROTTLE_RULES)

EPOCH_KEY = "epoch"
CURSOR_KEY = "cursor"
SCHEDULER_LEASE = "scheduler"


def open_key(keyspace: str, shard: str, migration_uuid: str) -> str:
    return f"open.{keyspace}.{shard}.{migration_uuid}"


def done_key(keyspace: str, shard: str, migration_uuid: str) -> str:
    return f"done.{keyspace}.{shard}.{migration_uuid}"


def digest_of(*words: str) -> str:
    """What stands in a key for texts that cannot."""
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:32]


def twin_key(keyspace: str, shard: str, migration_context: str, migration_statement: str) -> str:
    """The value names the migration that completed this statement in this context."""
    return f"twin.{keyspace}.{shard}.{digest_of(migration_context, migration_statement)}"


def prior_key(keyspace: str, shard: str, digest: str, migration_uuid: str) -> str:
    """`digest` stands for a context; each failed or cancelled migration of it has such a key."""
    return f"prior.{keyspace}.{shard}.{digest}.{migration_uuid}"


def progress_key(keyspace: str, shard: str, migration_uuid: str) -> str:
    return f"{keyspace}.{shard}.{migration_uuid}"


def hold_key(keyspace: str, shard: str) -> str:
    """In `STATE`: a hold. `shard` may be `EVERYWHERE`."""
    return f"hold.{keyspace}.{shard}"


def rule_key(keyspace: str, shard: str, app: str) -> str:
    """In `THROTTLE_RULES`: what users throttle. It ends by its TTL, so no two clocks are compared."""
    return f"{keyspace}.{shard}.{app}"


def throttler_lease(keyspace: str, shard: str) -> str:
    return f"throttler.{keyspace}.{shard}"
