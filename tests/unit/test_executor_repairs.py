"""What a run says of repaired rows is counted in its executor's metrics."""

from __future__ import annotations

from typing import Any, cast

from alterd_contracts.migration import Migration
from alterd_contracts.work import Work
from alterd_executor.display import Display
from alterd_executor.identity import Identity
from alterd_executor.protocol import ProgressNow
from alterd_runtime import metrics

UUID = "9e8a9249_3976_11ed_9442_0a43f95f28a3"
WHERE: dict[str, Any] = {"keyspace": "repairs", "shard": "0", "migration_uuid": UUID}


def counted() -> float:
    return float(metrics.ROWS_REPAIRED.labels("repairs", "0")._value.get())


def test_each_row_is_counted_once() -> None:
    record = Migration(
        id=1, mysql_schema="s", mysql_table="t", migration_statement="", strategy="vitess", attempt=1, **WHERE
    )
    work = Work(strategy="vitess", attempt=1, **WHERE)
    identity = Identity.new("e")
    display = Display(cast("Any", None), work, identity, record)  # nothing is written
    before = counted()
    for repaired in (0, 2, 2, 5):
        display.progress(ProgressNow(rows_repaired=repaired))
    assert counted() == before + 5
