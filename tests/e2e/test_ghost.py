"""The strategy gh-ost with everything around it, under the demo's load, with the demo's proof."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alterd_cli.demo.load import Load
from alterd_cli.demo.proof import Form, prove
from alterd_cli.demo.table import ALTER, make_table
from alterd_contracts import subjects
from alterd_contracts.requests import Command, Refusal
from alterd_contracts.states import Status
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet, Service
from tests.e2e.online import RATE, SEED, Change, changing, place_in
from tests.integration.ghost_support import programs
from tests.support import eventually
from tests.support.ghost import get_gh_ost
from tests.support.shop import Shop

ROWS = 2_000
FAST = "gh-ost --chunk-size=100"
SLOW = "gh-ost --chunk-size=10 --nice-ratio=20"
"""A hundred rows or so in a second."""


@pytest.fixture
def gh_ost(tmp_path: Path) -> dict[str, str]:
    """Settings of executors: the program, and a folder for their runs."""
    folder = tmp_path / "runs"
    folder.mkdir()
    return {"ALTERD_GHOST__PATH": str(get_gh_ost()), "ALTERD_EXECUTOR__WORKDIR": str(folder)}


def start(fleet: Fleet, settings: dict[str, str]) -> Service:
    """All services; the executor."""
    for name in ("scheduler", "intake", "throttler"):
        fleet.start(name)
    return fleet.start("executor", **settings)


async def log_of(client: Client, uuid: str) -> str:
    """What its runs wrote."""
    lines: list[str] = []
    async for message in client.bus.tail(subjects.LOGS, subjects.log("commerce", "0", uuid)):
        if message is None:
            break
        lines.append(message.data.decode())
    return "\n".join(lines)


async def until_copied(change: Change, rows: int) -> None:
    """Raises with the log where it does not come that far."""
    deadline = time.monotonic() + 60
    while (row := await change.row()) is None or row.rows_copied < rows:
        if time.monotonic() > deadline or (row is not None and row.migration_status.terminal):
            raise AssertionError(f"{row}\n{await log_of(change.client, change.uuid)}")
        await asyncio.sleep(0.05)


def traces(shop: Shop, uuid: str, *folders: str) -> dict[str, list[str]]:
    """What a migration by gh-ost may leave beside declared tables: none of it should be there."""
    users = shop.run(
        f"SELECT User FROM mysql.user WHERE User_attributes->>'$.metadata.alterd.migration_uuid' = '{uuid}'"
    )
    declared = f"SELECT name FROM _alterd.artifacts WHERE table_schema = '{shop.schema}' AND collected_at IS NULL"
    tables = shop.run(
        f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{shop.schema}'"
        f" AND table_name LIKE '\\_%' AND table_name NOT IN ({declared})"
    )
    return {
        "accounts": [str(user) for (user,) in users],
        "undeclared tables": [str(name) for (name,) in tables],
        "programs": [str(pid) for pid in programs(uuid.replace("_", ""))],
        "folders": [path.name for folder in folders for path in Path(folder).iterdir()],
    }


async def until_no_traces(shop: Shop, uuid: str, settings: dict[str, str]) -> None:
    """A run's last moves follow its report."""
    await eventually(lambda: not any(traces(shop, uuid, settings["ALTERD_EXECUTOR__WORKDIR"]).values()), 30)


async def test_a_change_under_load(fleet: Fleet, client: Client, shop: Shop, gh_ost: dict[str, str]) -> None:
    start(fleet, gh_ost)
    async with changing(client, shop, rows=ROWS, strategy=FAST) as change:
        await until_copied(change, 1)
    row = await change.row()
    assert row is not None
    assert row.progress == 100
    assert row.message.startswith("gh-ost cut over at attempt 1")
    assert row.artifacts.count(",") == 1, "the others are gone"
    assert row.artifacts.endswith("_del,")
    log = await log_of(client, change.uuid)
    assert "Done migrating" in log
    assert "password=" not in log
    await until_no_traces(shop, change.uuid, gh_ost)


async def test_postponed_taken_back_and_completed(
    fleet: Fleet, client: Client, shop: Shop, gh_ost: dict[str, str]
) -> None:
    start(fleet, gh_ost)
    async with changing(client, shop, rows=ROWS, strategy=f"{FAST} --postpone-completion") as change:
        row = await client.until(change.uuid, lambda row: row.ready_to_complete)
        assert row.migration_status is Status.RUNNING
        assert "points" not in shop.columns(place_in(shop).table.rpartition(".")[2].strip("`"))
        await client.control(Command.COMPLETE, change.uuid)
    await until_no_traces(shop, change.uuid, gh_ost)


async def throttled(fleet: Fleet, *words: str) -> None:
    """A command to the throttler, as a user gives it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "alterd_cli", *words, "-k", "commerce", env=fleet.environment()
    )
    assert await process.wait() == 0


async def test_throttled_and_released(fleet: Fleet, client: Client, shop: Shop, gh_ost: dict[str, str]) -> None:
    start(fleet, gh_ost)
    async with changing(client, shop, rows=ROWS, rate=100, strategy=SLOW) as change:
        await until_copied(change, 50)
        await throttled(fleet, "throttle", change.uuid, "--expire", "10m")
        row = await client.until(change.uuid, lambda row: bool(row.reason_throttled))
        assert row.reason_throttled == f"{change.uuid} is throttled by a user"
        assert row.component_throttled == "gh-ost"
        seen = await change.row()
        await asyncio.to_thread(shop.run, "SELECT SLEEP(2)")
        again = await change.row()
        assert seen is not None
        assert again is not None
        assert again.rows_copied <= seen.rows_copied + 20
        await throttled(fleet, "unthrottle", change.uuid)
    await until_no_traces(shop, change.uuid, gh_ost)


@contextlib.asynccontextmanager
async def under_load(shop: Shop) -> AsyncIterator[None]:
    """The demo's load, and afterwards the proof that the table is as it was, with all that was written."""
    place = place_in(shop)
    await asyncio.to_thread(make_table, place, rows=ROWS, seed=SEED)
    async with Load(place, rows=ROWS, seed=SEED, rate=RATE) as load:
        yield
        result = await load.stop()
    proof = await asyncio.to_thread(prove, place, result, form=Form.BEFORE)
    assert not proof.mismatches, str(proof.mismatches)
    assert proof.found == proof.expected


async def test_cancelled_in_the_copy(fleet: Fleet, client: Client, shop: Shop, gh_ost: dict[str, str]) -> None:
    start(fleet, gh_ost)
    async with under_load(shop):
        [uuid] = await client.submit(ALTER.format(table=place_in(shop).table), strategy=SLOW)
        await client.until(uuid, Status.RUNNING)
        await eventually(lambda: len(programs(uuid.replace("_", ""))) == 1, 30)
        await client.control(Command.CANCEL, uuid)
        await client.until(uuid, Status.CANCELLED)
    await client.story(uuid)
    await until_no_traces(shop, uuid, gh_ost)


async def test_the_executor_is_killed_in_the_copy(
    fleet: Fleet, client: Client, shop: Shop, gh_ost: dict[str, str]
) -> None:
    """kill -9, and another one on the same host."""
    executor = start(fleet, gh_ost)
    async with changing(client, shop, rows=ROWS, rate=100, strategy=SLOW, timeout=120) as change:
        await until_copied(change, 50)
        executor.kill()
        fleet.start("executor", **gh_ost)
    row = await change.row()
    assert row is not None
    assert row.attempt > 1
    await until_no_traces(shop, change.uuid, gh_ost)


@pytest.mark.timeout(180)
async def test_an_executor_on_another_host_is_paused_in_the_copy(
    fleet: Fleet, client: Client, shop: Shop, gh_ost: dict[str, str], tmp_path: Path
) -> None:
    """Its gh-ost goes on by itself: it is ended by its account. The folder of its runs is out of reach."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    executor = start(fleet, {**gh_ost, "ALTERD_EXECUTOR__WORKDIR": str(elsewhere)})
    async with changing(client, shop, rows=ROWS, rate=100, strategy=SLOW, timeout=120) as change:
        await until_copied(change, 50)
        with executor.paused():
            fleet.start("executor", **gh_ost)
            fence = f"_alterd.fence WHERE migration_uuid = '{change.uuid}'"
            await eventually(lambda: shop.run(f"SELECT attempt > 1 FROM {fence}") == [(1,)], 60)
            await eventually(lambda: len(programs(change.uuid.replace("_", ""))) == 2, 30)
            await eventually(lambda: len(traces(shop, change.uuid)["accounts"]) == 2, 30)
            locked = shop.run("SELECT account_locked FROM mysql.user WHERE User LIKE 'alterd\\_%\\_1'")
            assert locked == [("Y",)]
    swaps = [name for name in shop.tables() if name.endswith("_del")]
    assert len(swaps) == 1
    await until_no_traces(shop, change.uuid, {"ALTERD_EXECUTOR__WORKDIR": gh_ost["ALTERD_EXECUTOR__WORKDIR"]})


POINTS = ("ghost.account_made", "ghost.tried", "ghost.swap_allowed", "ghost.ended")


@pytest.mark.slow
@pytest.mark.parametrize("name", POINTS)
@pytest.mark.timeout(180)
async def test_the_executor_is_killed_at_a_fail_point(
    fleet: Fleet, client: Client, shop: Shop, gh_ost: dict[str, str], name: str
) -> None:
    executor = start(fleet, {**gh_ost, "ALTERD_FAILPOINT": f"{name}:sleep=60"})
    async with changing(client, shop, rows=ROWS, strategy=FAST, timeout=120):
        await eventually(fleet.marker(name).exists, timeout=60)
        executor.kill()
        fleet.start("executor", **gh_ost)


@pytest.mark.parametrize(
    ("strategy", "words"),
    [
        ("gh-ost --execute", "--execute"),
        ("gh-ost -panic-flag-file=/x --host=elsewhere", "--host --panic-flag-file"),
        ("gh-ost --chunk-size=10 ok", "'ok'"),
    ],
)
async def test_bad_flags_are_refused_by_name(
    fleet: Fleet, client: Client, shop: Shop, gh_ost: dict[str, str], strategy: str, words: str
) -> None:
    start(fleet, gh_ost)
    await client.submit("CREATE TABLE warm (id INT PRIMARY KEY)")
    answer = await client.ask("ALTER TABLE customer ADD b INT", strategy=strategy)
    assert isinstance(answer, Refusal)
    assert answer.errors[0].code == "invalid_strategy"
    assert words in answer.errors[0].message
    assert "b" not in shop.columns()


async def test_a_failing_alter_says_why(fleet: Fleet, client: Client, shop: Shop, gh_ost: dict[str, str]) -> None:
    start(fleet, gh_ost)
    shop.run("UPDATE customer SET a = 1")
    [uuid] = await client.submit("ALTER TABLE customer ADD UNIQUE KEY a (a)", strategy=FAST)
    row = await client.until(uuid, Status.FAILED)
    assert row.error_code == "duplicate_rows"
    assert "Duplicate entry '1' for key" in row.message
    assert shop.run("SELECT COUNT(*) FROM customer") == [(3,)]
    await until_no_traces(shop, uuid, gh_ost)


@pytest.mark.parametrize(
    ("says", "code", "words"),
    [
        (None, "tool_missing", "ALTERD_GHOST__PATH names"),
        ("1.0.49 (git commit: x)", "tool_version", "is gh-ost 1.0.49"),
        ("unversioned", "tool_version", "does not say which version"),
    ],
)
async def test_without_the_right_program_nothing_is_queued(
    fleet: Fleet, client: Client, shop: Shop, tmp_path: Path, says: str | None, code: str, words: str
) -> None:
    program = tmp_path / "gh-ost"
    if says is not None:
        program.write_text(f"#!/bin/sh\necho '{says}'\n")
        program.chmod(0o755)
    start(fleet, {"ALTERD_GHOST__PATH": str(program)})
    await client.submit("CREATE TABLE warm (id INT PRIMARY KEY)")
    answer = await client.ask("ALTER TABLE customer ADD b INT", strategy="gh-ost")
    assert isinstance(answer, Refusal)
    assert answer.errors[0].code == code
    assert words in answer.errors[0].message
    assert answer.errors[0].hint
    assert "b" not in shop.columns()
