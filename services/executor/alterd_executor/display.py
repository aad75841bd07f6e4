"""How a running attempt comes along, for whoever looks: one key, rewritten each second."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import msgspec
import structlog

from alterd_contracts import subjects
from alterd_contracts.errors import AlterdError
from alterd_contracts.work import Progress, Work
from alterd_executor.identity import Identity
from alterd_executor.protocol import ProgressNow
from alterd_runtime.bus import BucketStore

log = structlog.get_logger(__name__)

WRITE_EVERY = 1.0
"""Seconds; a run that is shorter leaves no trace here."""
TTL = 3600
"""Seconds after which the key of a dead executor vanishes."""
MARKER_TTL = 60


class Display:
    """Writes `alterd_progress`. What cannot be written now is written with the next second."""

    def __init__(self, store: BucketStore, work: Work, identity: Identity) -> None:
        self._store = store
        self._key = subjects.progress_key(work.keyspace, work.shard, work.migration_uuid)
        self._written = False
        self._now = Progress(
            keyspace=work.keyspace,
            shard=work.shard,
            migration_uuid=work.migration_uuid,
            attempt=work.attempt,
            executor=identity.executor,
            liveness_timestamp=datetime.now(UTC),
        )

    def phase(self, phase: str) -> None:
        self._now = msgspec.structs.replace(self._now, phase=phase)

    def progress(self, told: ProgressNow) -> None:
        self._now = msgspec.structs.replace(
            self._now,
            progress=told.percent,
            rows_copied=told.rows_copied,
            table_rows=told.table_rows,
            eta_seconds=told.eta_seconds,
            vreplication_lag_seconds=told.lag_seconds,
            stage=told.stage,
            cutover_attempts=told.cutover_attempts,
        )

    def throttled(self, app: str, reason: str) -> None:
        self._now = msgspec.structs.replace(
            self._now,
            last_throttled_timestamp=datetime.now(UTC),
            component_throttled=app,
            reason_throttled=reason,
        )

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(WRITE_EVERY)
            self._written = True
            now = msgspec.structs.replace(self._now, liveness_timestamp=datetime.now(UTC))
            try:
                await self._store.put(self._key, msgspec.json.encode(now), ttl=TTL)
            except AlterdError as error:
                log.debug("progress.not_written", key=self._key, error=error.message)

    async def clear(self) -> None:
        """The attempt has ended."""
        if not self._written:
            return
        try:
            await self._store.delete(self._key, marker_ttl=MARKER_TTL)
        except AlterdError as error:
            log.info("progress.not_deleted", key=self._key, error=error.message, hint=f"it vanishes in {TTL} s")
