"""What executors receive and tell of themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from alterd_contracts.declaration import Declaration

Time = Annotated[datetime, msgspec.Meta(tz=True)]


class Work(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.work.attempt.v1", tag_field="type"):
    """Attempt n of one shard migration. The record says the rest, and is read fresh."""

    keyspace: str
    shard: str
    migration_uuid: str
    attempt: int
    strategy: str


class ExecutorInfo(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.executor.v1", tag_field="type"):
    """An executor's lease and what it offers."""

    executor: str
    incarnation: str
    host: str
    pid: int
    version: str
    slots: int
    running: int
    lease_ttl: int
    """Seconds after which silence means death."""
    started_at: Time
    strategies: tuple[Declaration, ...]
    broken_plugins: dict[str, str] = {}
    """Entry point → why it could not be loaded."""


class Progress(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.progress.v1", tag_field="type"):
    """How a running attempt comes along; written by its executor each second."""

    keyspace: str
    shard: str
    migration_uuid: str
    attempt: int
    executor: str
    liveness_timestamp: Time
    phase: str = ""
    stage: str = ""
    progress: float = 0.0
    rows_copied: int = 0
    table_rows: int = 0
    eta_seconds: int = -1
    vreplication_lag_seconds: float = 0.0
    last_throttled_timestamp: Time | None = None
    component_throttled: str = ""
    reason_throttled: str = ""
    cutover_attempts: int = 0
    message: str = ""


class LogLine(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.log.v1", tag_field="type"):
    """One line of a run's log."""

    time: Time
    level: str
    text: str
    attempt: int
    executor: str


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True, tag="alterd.dead.v1", tag_field="type"):
    """What could not be read or done, with the reason."""

    stream: str
    subject: str
    sequence: int
    reason: str
    payload: str
    """The message's text, broken bytes replaced, cut to 64 KiB."""
