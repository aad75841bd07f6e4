"""What a strategy says of its progress, on its way out of the process of the run."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from alterd_contracts.migration import Migration
from alterd_contracts.topology import ServerAddress
from alterd_executor.protocol import Access, FromRun, PhaseNow, ProgressNow, Start
from alterd_executor.task import RunTask
from tests.support import eventually


@pytest.fixture
def sent() -> list[msgspec.Struct]:
    return []


@pytest.fixture
def task(sent: list[msgspec.Struct]) -> RunTask:
    record = Migration(
        id=1,
        migration_uuid="9e8a9249_3976_11ed_9442_0a43f95f28a3",
        keyspace="shop",
        shard="0",
        mysql_schema="shop",
        mysql_table="orders",
        migration_statement="alter table orders force",
        strategy="vitess",
        attempt=1,
    )
    start = Start(
        record=record,
        strategy="vitess",
        executor="e",
        access=Access(primary=ServerAddress("127.0.0.1", 1), replicas=(), user="u", password="p"),
        workdir="",
        lock_wait_timeout=1,
        retain_artifacts=1.0,
        throttle_url="",
    )
    return RunTask(start, sent.append)


async def test_all_of_it_and_only_the_latest(task: RunTask, sent: list[msgspec.Struct]) -> None:
    task.progress(rows_copied=1)
    task.progress(
        rows_copied=100,
        table_rows=400,
        eta_seconds=30,
        lag_seconds=0.8,
        stage="chunk 2",
        cutover_attempts=3,
        keys_waiting=12,
        message="waits for connection 7",
    )
    await eventually(lambda: bool(sent))
    assert sent == [
        ProgressNow(
            rows_copied=100,
            table_rows=400,
            percent=25.0,
            eta_seconds=30,
            lag_seconds=0.8,
            stage="chunk 2",
            cutover_attempts=3,
            keys_waiting=12,
            message="waits for connection 7",
        )
    ]


async def test_what_was_said_in_a_phase_leaves_before_the_next_one(task: RunTask, sent: list[msgspec.Struct]) -> None:
    task.progress(stage="last chunk")
    await task.phase("checksum")
    assert sent == [ProgressNow(stage="last chunk"), PhaseNow(phase="checksum")]


@pytest.mark.parametrize(
    ("said", "percent"),
    [
        ({"rows_copied": 500, "table_rows": 400}, 100.0),
        ({"rows_copied": 500}, 0.0),
        ({"percent": 120.0}, 100.0),
        ({"percent": float("nan"), "lag_seconds": float("inf"), "eta_seconds": float("inf")}, 0.0),
        ({"rows_copied": Decimal(100), "table_rows": Decimal(400), "keys_waiting": Decimal(1)}, 25.0),
    ],
)
async def test_odd_numbers_reach_the_executor_as_numbers(
    task: RunTask, sent: list[msgspec.Struct], said: dict[str, Any], percent: float
) -> None:
    task.progress(**said)
    await task.phase("next")
    decoder: msgspec.json.Decoder[FromRun] = msgspec.json.Decoder(FromRun)
    told = decoder.decode(msgspec.json.encode(sent[0]))
    assert isinstance(told, ProgressNow)
    assert told.percent == percent
    assert told == sent[0]
