"""How a running attempt comes along, for whoever looks: one key of `alterd_progress`."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import structlog

from alterd_contracts import subjects
from alterd_contracts.errors import AlterdError
from alterd_contracts.migration import Migration
from alterd_contracts.work import Progress, Reached, Work
from alterd_executor.identity import Identity
from alterd_executor.protocol import ProgressNow
from alterd_runtime import metrics
from alterd_runtime.bus import BucketStore

log = structlog.get_logger(__name__)

TTL = 3600
"""Seconds after which the key of a dead executor vanishes."""
LAST_TTL = 300
"""Seconds for which the last word stands: until the record has moved on nothing that users saw may be gone."""


class Display:
    """What is known of the run, and the key that says so. Rows go on from where the try's last attempt stood."""

    def __init__(self, store: BucketStore, work: Work, identity: Identity, record: Migration) -> None:
        self._store = store
        self._key = subjects.progress_key(work.keyspace, work.shard, work.migration_uuid)
        self._written = False
        self._repaired = 0
        self.now = Progress(
            keyspace=work.keyspace,
            shard=work.shard,
            migration_uuid=work.migration_uuid,
            attempt=work.attempt,
            executor=identity.executor,
            liveness_timestamp=datetime.now(UTC),
            progress=record.progress,
            rows_copied=record.rows_copied,
            table_rows=record.table_rows,
            cutover_attempts=record.cutover_attempts,
        )

    def phase(self, phase: str) -> None:
        """What was said within the last phase has passed with it."""
        self.now = msgspec.structs.replace(self.now, phase=phase, stage="", message="")

    def progress(self, told: ProgressNow) -> None:
        if told.rows_repaired > self._repaired:
            metrics.ROWS_REPAIRED.labels(self.now.keyspace, self.now.shard).inc(told.rows_repaired - self._repaired)
            self._repaired = told.rows_repaired
        reached = self.now.reached.then(
            Reached(rows_copied=told.rows_copied, table_rows=told.table_rows, progress=told.percent)
        )
        self.now = msgspec.structs.replace(
            self.now,
            progress=reached.progress,
            rows_copied=reached.rows_copied,
            table_rows=reached.table_rows,
            eta_seconds=told.eta_seconds,
            vreplication_lag_seconds=told.lag_seconds,
            stage=told.stage,
            cutover_attempts=max(told.cutover_attempts, self.now.cutover_attempts),
            message=told.message,
            keys_waiting=told.keys_waiting,
        )

    def throttled(self, app: str, reason: str) -> None:
        self.now = msgspec.structs.replace(
            self.now,
            last_throttled_timestamp=datetime.now(UTC),
            component_throttled=app,
            reason_throttled=reason,
        )

    def unthrottled(self) -> None:
        self.now = msgspec.structs.replace(self.now, component_throttled="", reason_throttled="")

    async def write(self) -> None:
        """What cannot be written now is written the next time."""
        self._written = True
        await self._put(TTL)

    async def last(self) -> None:
        """The run has ended. One that was too short to be shown leaves nothing."""
        if self._written:
            self.unthrottled()
            await self._put(LAST_TTL)

    async def _put(self, ttl: int) -> None:
        now = msgspec.structs.replace(self.now, liveness_timestamp=datetime.now(UTC))
        try:
            await self._store.put(self._key, msgspec.json.encode(now), ttl=ttl)
        except AlterdError as error:
            log.debug("progress.not_written", key=self._key, error=error.message)
