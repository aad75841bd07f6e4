"""The metrics of one running migration: there while it runs, gone afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from prometheus_client import Gauge

from alterd_contracts.work import Progress, Work
from alterd_runtime import metrics

_VALUES: Final[tuple[tuple[Gauge, Callable[[Progress], float]], ...]] = (
    (metrics.MIGRATION_PROGRESS, lambda now: now.progress / 100),
    (metrics.MIGRATION_ROWS_COPIED, lambda now: now.rows_copied),
    (metrics.MIGRATION_TABLE_ROWS, lambda now: now.table_rows),
    (metrics.MIGRATION_LAG, lambda now: now.vreplication_lag_seconds),
    (metrics.MIGRATION_KEYS_WAITING, lambda now: now.keys_waiting),
    (metrics.MIGRATION_CUTOVER_ATTEMPTS, lambda now: now.cutover_attempts),
    (metrics.MIGRATION_THROTTLED, lambda now: bool(now.reason_throttled)),
    (metrics.MIGRATION_ETA, lambda now: now.eta_seconds),
)

_shown: dict[tuple[str, str, str], RunGauges] = {}
"""Whose numbers stand in the metrics: a dying attempt must not take away those of its successor in this process."""


class RunGauges:
    """The gauges of one attempt."""

    def __init__(self, work: Work) -> None:
        self._labels = (work.keyspace, work.shard, work.migration_uuid)
        self._phase = ""

    def show(self, now: Progress) -> None:
        before = _shown.get(self._labels)
        if before is not None and before is not self:
            before.remove()
        _shown[self._labels] = self
        for gauge, value in _VALUES:
            gauge.labels(*self._labels).set(value(now))
        if now.phase != self._phase:
            self._leave_phase()
            self._phase = now.phase
            metrics.MIGRATION_PHASE.labels(*self._labels, now.phase).set(1)

    def remove(self) -> None:
        """Nothing happens where another attempt has taken over."""
        if _shown.get(self._labels) is not self:
            return
        del _shown[self._labels]
        for gauge, _ in _VALUES:
            gauge.remove(*self._labels)
        self._leave_phase()

    def _leave_phase(self) -> None:
        if self._phase:
            metrics.MIGRATION_PHASE.remove(*self._labels, self._phase)
        self._phase = ""
