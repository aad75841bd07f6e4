"""What executors receive and tell of themselves."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

from alterd_contracts.declaration import Declaration

Time = Annotated[datetime, msgspec.Meta(tz=True)]


class Reached(msgspec.Struct, frozen=True, kw_only=True):
    """How far one try of a migration has come."""

    rows_copied: int = 0
    table_rows: int = 0
    """Estimated; 0 unknown."""
    progress: float = 0.0
    """Percent, 0 to 100."""

    def then(self, told: Reached) -> Reached:
        """What users see once `told` is known too.

        Rows never fall within a try: a run that begins the table anew, or says nothing of rows, is still behind.
        """
        behind = told.rows_copied < self.rows_copied
        rows = max(told.rows_copied, self.rows_copied)
        whole = told.table_rows or self.table_rows
        return Reached(
            rows_copied=rows,
            table_rows=max(whole, rows) if whole else 0,
            progress=max(told.progress, self.progress) if behind else told.progress,
        )


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
    """How a running attempt comes along; written by its executor each second, and when it does something else."""

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
    keys_waiting: int = 0

    @property
    def reached(self) -> Reached:
        return Reached(rows_copied=self.rows_copied, table_rows=self.table_rows, progress=self.progress)


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
