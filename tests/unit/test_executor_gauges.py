"""Metrics of running migrations, as Prometheus reads them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import REGISTRY, generate_latest

from alterd_contracts.work import Progress, Work
from alterd_executor.gauges import RunGauges

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def work(uuid: str, attempt: int = 1) -> Work:
    return Work(keyspace="shop", shard="-80", migration_uuid=uuid, attempt=attempt, strategy="vitess")


def progress(uuid: str, **fields: Any) -> Progress:
    return Progress(
        keyspace="shop",
        shard="-80",
        migration_uuid=uuid,
        attempt=1,
        executor="e",
        liveness_timestamp=NOW,
        **fields,
    )


def scraped(uuid: str) -> dict[str, float]:
    """Name (and phase) → value of all samples about this migration."""
    found: dict[str, float] = {}
    for line in generate_latest(REGISTRY).decode().splitlines():
        if f'keyspace="shop",migration_uuid="{uuid}"' in line:
            name, labels = line.split("{")
            phase = labels.split('phase="')[1].split('"')[0] if "phase=" in labels else ""
            found[f"{name} {phase}".strip()] = float(line.rsplit(" ", 1)[1])
    return found


def test_all_of_a_running_one_and_nothing_afterwards() -> None:
    gauges = RunGauges(work("u1"))
    gauges.show(
        progress(
            "u1",
            phase="copy",
            progress=25.0,
            rows_copied=125,
            table_rows=500,
            vreplication_lag_seconds=0.75,
            keys_waiting=12,
            cutover_attempts=2,
            reason_throttled="lag",
            eta_seconds=60,
        )
    )
    assert scraped("u1") == {
        "alterd_migration_progress_ratio": 0.25,
        "alterd_migration_rows_copied": 125,
        "alterd_migration_table_rows": 500,
        "alterd_migration_lag_seconds": 0.75,
        "alterd_migration_keys_waiting": 12,
        "alterd_migration_cutover_attempts": 2,
        "alterd_migration_throttled": 1,
        "alterd_migration_eta_seconds": 60,
        "alterd_migration_phase copy": 1,
    }
    gauges.show(progress("u1", phase="cut over"))
    shown = scraped("u1")
    assert (shown["alterd_migration_throttled"], shown["alterd_migration_eta_seconds"]) == (0, -1)
    assert [name for name in shown if "phase" in name] == ["alterd_migration_phase cut over"]
    gauges.remove()
    assert scraped("u1") == {}
    gauges.remove()


@pytest.mark.parametrize("late", ["gone", "shown"])
def test_an_attempt_that_ends_late_leaves_its_successor_alone(late: str) -> None:
    first, second = RunGauges(work("u2")), RunGauges(work("u2", 2))
    if late == "shown":
        first.show(progress("u2", phase="copy", rows_copied=1))
    second.show(progress("u2", phase="recover", rows_copied=2))
    first.remove()
    shown = scraped("u2")
    assert shown["alterd_migration_rows_copied"] == 2
    assert [name for name in shown if "phase" in name] == ["alterd_migration_phase recover"]
    second.remove()
    assert scraped("u2") == {}
