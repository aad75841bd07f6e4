"""What users see of an online change while its executors are killed, stopped and replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from alterd_cli.records import read_records
from alterd_cli.selection import Selection
from alterd_contracts.events import Fact
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Command
from alterd_contracts.states import Status
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet, Service
from tests.support import eventually
from tests.support.paced import VARIABLE, Script, installed


class Eyes:
    """A user who looks at the migration all the time."""

    def __init__(self, client: Client, uuid: str) -> None:
        self._client, self._uuid = client, uuid
        self.seen: list[Migration] = []

    async def look(self) -> None:
        """Until cancelled."""
        selection = Selection.read(self._uuid)
        while True:
            self.seen += await read_records(self._client.bus, selection)
            await asyncio.sleep(0.01)

    async def see(self, what: Callable[[Migration], bool]) -> Migration:
        await eventually(lambda: bool(self.seen) and what(self.seen[-1]), 30)
        return self.seen[-1]


@pytest.mark.parametrize("end", ["done by the last attempt", "found done"])
async def test_rows_never_fall_within_a_try(fleet: Fleet, client: Client, tmp_path: Path, end: str) -> None:
    script = Script(tmp_path / "script")
    plugin = {"PYTHONPATH": str(installed(tmp_path)), VARIABLE: str(script.folder)}
    fleet.start("scheduler")
    fleet.start("intake")
    executors: dict[str, Service] = {name: fleet.start("executor", name, **plugin) for name in ("one", "two", "three")}
    [uuid] = await client.submit("ALTER TABLE customer FORCE", strategy="paced")
    eyes = Eyes(client, uuid)
    looking = asyncio.create_task(eyes.look())

    script.tell(1, "phase", name="copy")
    script.tell(1, "progress", rows_copied=300, table_rows=500, keys_waiting=7)
    first = await eyes.see(lambda row: row.keys_waiting == 7)
    assert (first.stage, first.rows_copied, first.table_rows, first.progress) == ("copy", 300, 500, 60.0)
    executors[first.tablet].kill()
    second = await eyes.see(lambda row: row.attempt == 2 and row.migration_status is Status.RUNNING)
    assert (second.rows_copied, second.progress) == (300, 60.0), "the record knows what the dead one had shown"

    script.tell(2, "progress", rows_copied=5, table_rows=500, keys_waiting=8)
    assert (await eyes.see(lambda row: row.keys_waiting == 8)).rows_copied == 300
    script.tell(2, "progress", rows_copied=400, table_rows=500, cutover_attempts=1, message="waits for connection 7")
    await eyes.see(lambda row: row.last_cutover_attempt_timestamp is not None and row.rows_copied == 400)
    if end == "found done":
        (script.folder / "completed").touch()
    else:
        script.tell(3, "progress", rows_copied=450, table_rows=500, stage="third")
    executors[second.tablet].stop()
    if end != "found done":
        assert (await eyes.see(lambda row: row.stage == "third")).cutover_attempts == 1
        script.tell(3, "done", rows_copied=500, table_rows=500)
    last = await eyes.see(lambda row: row.migration_status is Status.COMPLETE)
    looking.cancel()
    assert last.rows_copied == (400 if end == "found done" else 500)

    rows = [row.rows_copied for row in eyes.seen]
    assert rows == sorted(rows)
    facts = {event.fact: event for event in await client.story(uuid)}
    assert (facts[Fact.PHASE].message, facts[Fact.PHASE].stage) == ("copy", "copy")
    assert facts[Fact.LOST].rows_copied == 300
    assert (facts[Fact.CUTOVER_ATTEMPTED].message, facts[Fact.CUTOVER_ATTEMPTED].rows_copied) == (
        "attempt 1: waits for connection 7",
        400,
    )


async def test_a_retry_is_shown_from_zero(fleet: Fleet, client: Client, tmp_path: Path) -> None:
    script = Script(tmp_path / "script")
    fleet.start("scheduler")
    fleet.start("intake")
    fleet.start("executor", PYTHONPATH=str(installed(tmp_path)), **{VARIABLE: str(script.folder)})
    [uuid] = await client.submit("ALTER TABLE customer FORCE", strategy="paced")
    script.tell(1, "progress", rows_copied=300, table_rows=500)
    script.tell(1, "fail", message="enough")
    failed = await client.until(uuid, Status.FAILED)
    assert (failed.rows_copied, failed.table_rows, failed.progress) == (300, 500, 60.0)
    await client.control(Command.RETRY, uuid)
    script.tell(2, "progress", rows_copied=5, table_rows=500, keys_waiting=1)
    selection = Selection.read(uuid)

    async def shown_again() -> bool:
        [row] = await read_records(client.bus, selection)
        return (row.rows_copied, row.keys_waiting) == (5, 1)

    await eventually(shown_again)
