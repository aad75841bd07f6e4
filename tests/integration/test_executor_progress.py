"""What a run says of its progress, from its process to the bucket, the metrics and the reports, on real servers."""

from __future__ import annotations

import sys
import urllib.request
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.inputs import (
    AttemptReport,
    Completed,
    CutoverAttempted,
    Failed,
    PhaseEntered,
    ReadyToComplete,
    ReleasedReport,
    Throttled,
)
from alterd_contracts.migration import Migration
from alterd_contracts.requests import ThrottleCheck, Verdict
from alterd_contracts.work import Progress, Reached
from alterd_executor import course, display, turns
from alterd_runtime.provision.nats_server import NatsServer
from alterd_scheduler.decisions import Known
from alterd_scheduler.facts import Moment
from alterd_scheduler.reports import Limits, decide_report
from tests.integration.executor_support import Running, alter, executor
from tests.support import eventually
from tests.support.paced import VARIABLE, Script, installed
from tests.support.shop import Shop

FAR = {"rows_copied": 300, "table_rows": 500}
REACHED = Reached(rows_copied=300, table_rows=500, progress=60.0)


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    script = Script(tmp_path / "script")
    site = installed(tmp_path)
    monkeypatch.setenv(VARIABLE, str(script.folder))
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "alterd_paced", raising=False)
    monkeypatch.setattr(display, "LAST_TTL", 1)
    monkeypatch.setattr(turns, "LASTING", 0.1)
    monkeypatch.setattr(turns, "OVER", 0.1)
    return script


@pytest.fixture
async def running(nats: NatsServer, shop: Shop, tmp_path: Path, script: Script) -> AsyncIterator[Running]:  # noqa: ARG001
    async with executor(nats.url, shop, tmp_path) as started:
        yield started


def paced(shop: Shop, **fields: Any) -> Migration:
    return alter(shop, "FORCE", strategy="paced", **fields)


async def begun(running: Running, record: Migration) -> Migration:
    return await running.scheduler.grant(await running.scheduler.dispatch(record))


async def progress(running: Running, record: Migration) -> Progress | None:
    key = subjects.progress_key(record.keyspace, record.shard, record.migration_uuid)
    entry = await running.context.bus.bucket(subjects.PROGRESS).get(key)
    return None if entry is None or entry.value is None else msgspec.json.decode(entry.value, type=Progress)


async def shown(running: Running, record: Migration, as_expected: Callable[[Progress], bool]) -> Progress:
    """The bucket's word once it is as expected."""
    found: list[Progress] = []

    async def there() -> bool:
        now = await progress(running, record)
        if now is None or now.attempt != record.attempt or not as_expected(now):
            return False
        found.append(now)
        return True

    await eventually(there)
    return found[0]


def metrics(running: Running, record: Migration) -> dict[str, str]:
    """All samples about the migration, as Prometheus reads them."""
    assert running.context.http is not None
    with urllib.request.urlopen(f"{running.context.http.url}/metrics", timeout=5) as response:
        lines = response.read().decode().splitlines()
    about = [line for line in lines if record.migration_uuid in line]
    return {line.split("{")[0]: line.rsplit(" ", 1)[1] for line in about}


async def test_all_that_a_run_says_is_shown_and_gone_afterwards(running: Running, shop: Shop, script: Script) -> None:
    record = await begun(running, paced(shop))
    script.tell(1, "phase", name="copy")
    script.tell(
        1,
        "progress",
        **FAR,
        eta_seconds=40,
        lag_seconds=0.75,
        keys_waiting=12,
        cutover_attempts=2,
        message="waits for connection 7",
    )
    now = await shown(running, record, lambda now: now.keys_waiting == 12)
    assert (now.phase, now.reached, now.message) == ("copy", REACHED, "waits for connection 7")
    assert (now.eta_seconds, now.vreplication_lag_seconds, now.cutover_attempts) == (40, 0.75, 2)
    assert metrics(running, record) == {
        "alterd_migration_progress_ratio": "0.6",
        "alterd_migration_rows_copied": "300.0",
        "alterd_migration_table_rows": "500.0",
        "alterd_migration_lag_seconds": "0.75",
        "alterd_migration_keys_waiting": "12.0",
        "alterd_migration_cutover_attempts": "2.0",
        "alterd_migration_throttled": "0.0",
        "alterd_migration_eta_seconds": "40.0",
        "alterd_migration_phase": "1.0",
    }
    script.tell(1, "done", rows_copied=500, table_rows=500)
    completed = await running.scheduler.report(Completed, record)
    assert (completed.rows_copied, completed.table_rows) == (500, 500)

    async def gone() -> bool:
        return await progress(running, record) is None and metrics(running, record) == {}

    await eventually(gone)


async def test_what_a_run_does_next_is_shown_at_once(
    running: Running, shop: Shop, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = await begun(running, paced(shop))
    script.tell(1, "phase", name="copy")
    await shown(running, record, lambda now: now.phase == "copy")
    monkeypatch.setattr(course, "LOOK_EVERY", 3600)
    script.tell(1, "progress", **FAR, stage="catching up")
    await shown(running, record, lambda now: now.stage == "catching up")
    script.tell(1, "progress", **FAR, stage="ready to complete")
    await shown(running, record, lambda now: now.stage == "ready to complete")
    script.tell(1, "done", rows_copied=500, table_rows=500)
    await running.scheduler.report(Completed, record)


async def test_turns_are_reported_with_how_far_the_run_was_and_ticks_are_not(
    running: Running, shop: Shop, script: Script
) -> None:
    record = await begun(running, paced(shop))
    script.tell(1, "phase", name="copy")
    script.tell(1, "phase", name="copy")
    for rows in range(0, 301, 50):
        script.tell(1, "progress", rows_copied=rows, table_rows=500)
    script.tell(1, "phase", name="checksum")
    script.tell(1, "ready", ready=True)
    script.tell(1, "ready", ready=True)
    script.tell(1, "progress", cutover_attempts=1)
    script.tell(1, "progress", cutover_attempts=1, message="waits for connection 7")
    attempted = await running.scheduler.report(CutoverAttempted, record)
    assert (attempted.attempts, attempted.message, attempted.reached) == (1, "waits for connection 7", REACHED)
    script.tell(1, "progress", cutover_attempts=2)
    script.tell(1, "done")
    completed = await running.scheduler.report(Completed, record)
    assert completed.rows_copied == 300, "what was shown stays"
    assert running.scheduler.of(record) == [
        "Started",
        "PhaseEntered",
        "PhaseEntered",
        "ReadyToComplete",
        "CutoverAttempted",
        "CutoverAttempted",
        "Completed",
    ]
    reports = [report for report in running.scheduler.reports if isinstance(report, PhaseEntered | ReadyToComplete)]
    assert [report.reached.rows_copied for report in reports] == [0, 300, 300]


async def test_a_wait_for_the_throttler_is_shown_reported_and_over(
    running: Running, shop: Shop, script: Script
) -> None:
    verdict = {"go": False, "reason": "lag 7.30 > 5"}

    async def judge(check: ThrottleCheck) -> Verdict:
        place = {"keyspace": check.keyspace, "shard": check.shard}
        return Verdict(**place, **verdict, metrics={}, valid_seconds=2.0, throttler="test")  # type: ignore[arg-type]

    stop = await running.scheduler.bus.serve(subjects.THROTTLE_CHECK, Reader(ThrottleCheck), judge)
    record = await begun(running, paced(shop))
    script.tell(1, "throttle")
    now = await shown(running, record, lambda now: now.reason_throttled == "lag 7.30 > 5")
    assert now.component_throttled == "copy"
    assert now.last_throttled_timestamp is not None
    assert metrics(running, record)["alterd_migration_throttled"] == "1.0"
    begins = await running.scheduler.report(Throttled, record)
    assert (begins.throttled, begins.component) == (True, "copy")
    verdict |= {"go": True, "reason": ""}
    await shown(running, record, lambda now: now.reason_throttled == "" and now.last_throttled_timestamp is not None)
    await eventually(lambda: running.scheduler.of(record).count("Throttled") == 2)
    assert metrics(running, record)["alterd_migration_throttled"] == "0.0"
    script.tell(1, "fail", message="enough")
    await running.scheduler.report(Failed, record)
    waits = [report.throttled for report in running.scheduler.reports if isinstance(report, Throttled)]
    assert waits == [True, False]
    await stop()


async def test_rows_never_fall_over_attempts(running: Running, shop: Shop, script: Script) -> None:
    scheduler = running.scheduler
    record = await begun(running, paced(shop))
    script.tell(1, "progress", **FAR, cutover_attempts=2)
    await shown(running, record, lambda now: now.reached == REACHED)
    script.tell(1, "die")
    released = await scheduler.report(ReleasedReport, record)
    assert (released.died, released.reached) == (True, REACHED)

    ready = record
    reports: list[AttemptReport] = [await scheduler.report(CutoverAttempted, record), released]
    for sequence, report in enumerate(reports, 1):
        moment = Moment(now=datetime.now(UTC), input_seq=sequence)
        [ready] = decide_report(report, Known([ready]), moment, Limits()).records
    again = await begun(running, ready)
    assert (again.attempt, again.reached, again.cutover_attempts) == (2, REACHED, 2)
    script.tell(2, "progress", rows_copied=5, table_rows=510, cutover_attempts=1, stage="again")
    now = await shown(running, again, lambda now: now.stage == "again")
    assert (now.reached, now.cutover_attempts) == (Reached(rows_copied=300, table_rows=510, progress=60.0), 2)
    script.tell(2, "progress", rows_copied=400, table_rows=500, cutover_attempts=3)
    await shown(running, again, lambda now: now.reached == Reached(rows_copied=400, table_rows=500, progress=80.0))
    script.tell(2, "fail", message="enough")
    failed = await scheduler.report(Failed, again)
    assert failed.reached.rows_copied == 400
    [attempted] = [
        report for report in scheduler.reports if isinstance(report, CutoverAttempted) and report.attempt == 2
    ]
    assert attempted.attempts == 3, "what the first attempt told is not told again"
