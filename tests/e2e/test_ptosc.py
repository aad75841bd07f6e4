"""The strategy pt-osc with everything around it, under the demo's load, with the demo's proof."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alterd_cli.demo.table import ALTER
from alterd_contracts.requests import Command, Refusal
from alterd_contracts.states import Status
from alterd_ptosc.program import NAME
from alterd_runtime.failpoints import FAILPOINTS
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet, Service
from tests.e2e.online import Change, changing, place_in
from tests.e2e.tools import alterd, traces, under_load, until_no_traces
from tests.integration.ptosc_support import triggers
from tests.support import eventually
from tests.support.processes import programs
from tests.support.shop import Shop
from tests.support.tools import any_pt_osc

ROWS = 1_000
RATE = 100
SLOW = "pt-osc --chunk-size=20 --sleep=0.02"
"""Some hundred rows in a second."""
POINTS = [name for name in FAILPOINTS if name.startswith("ptosc.")]
ALWAYS = {"ptosc.copying"}
"""Killed there in every test run; at the others in the slow ones."""


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """The folder of an executor's runs."""
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


@pytest.fixture
def pt_osc(runs: Path) -> dict[str, str]:
    """Settings of executors."""
    return {"ALTERD_PTOSC__PATH": any_pt_osc(), "ALTERD_EXECUTOR__WORKDIR": str(runs)}


def start(fleet: Fleet, settings: dict[str, str]) -> Service:
    """All services; the executor."""
    for name in ("scheduler", "intake", "throttler"):
        fleet.start(name)
    return fleet.start("executor", **settings)


async def begun(client: Client) -> None:
    """Returns when the fleet answers."""
    await client.submit("CREATE TABLE first_of_all (id INT PRIMARY KEY)", strategy="pt-osc")


@contextlib.asynccontextmanager
async def slowly(client: Client, shop: Shop, throttled: Fleet | None = None) -> AsyncIterator[Change]:
    """A change under load that takes seconds: of a table that the server knows the size of, which the tool asks for.
    `throttled`: from its beginning.
    """
    strategy = f"{SLOW} --postpone-launch"
    async with changing(client, shop, rows=ROWS, rate=RATE, strategy=strategy, timeout=120) as change:
        await asyncio.to_thread(shop.run, "ANALYZE TABLE member")
        if throttled is not None:
            await alterd(throttled, "throttle", change.uuid, "--expire", "10m", "-k", "commerce")
        await client.control(Command.LAUNCH, change.uuid)
        yield change


async def until_copied(fleet: Fleet, change: Change, rows: int) -> None:
    deadline = time.monotonic() + 60
    while (row := await change.row()) is None or row.rows_copied < rows:
        if time.monotonic() > deadline or (row is not None and row.migration_status.terminal):
            raise AssertionError(f"{row}\n{await alterd(fleet, 'logs', change.uuid)}")
        await asyncio.sleep(0.05)


async def test_a_change_under_load(
    fleet: Fleet, client: Client, shop: Shop, pt_osc: dict[str, str], runs: Path
) -> None:
    start(fleet, pt_osc)
    async with changing(client, shop, rows=ROWS, rate=RATE, strategy="pt-osc --chunk-size=100") as change:
        pass
    row = await change.row()
    assert row is not None
    assert (row.progress, row.strategy) == (100, "pt-osc")
    await until_no_traces(shop, change.uuid, NAME, runs)
    shown = await alterd(fleet, "logs", change.uuid)
    asked = await alterd(fleet, "sql", "-k", "commerce", f"show vitess_migration '{change.uuid}' logs")
    for said in (shown, asked):
        for words in (f"{NAME} ", "Dry run complete.", "Copied rows OK.", "Swapped original and new tables OK."):
            assert words in said, said
        assert "password" not in said


@pytest.mark.slow
async def test_throttled_and_released_and_told_what_cannot_be(
    fleet: Fleet, client: Client, shop: Shop, pt_osc: dict[str, str], runs: Path
) -> None:
    start(fleet, pt_osc)
    async with slowly(client, shop, throttled=fleet) as change:
        row = await client.until(change.uuid, lambda row: bool(row.reason_throttled))
        assert row.reason_throttled == f"{change.uuid} is throttled by a user"
        assert row.component_throttled == "pt-osc"
        await eventually(lambda: len(triggers(shop)) == 3, 30)
        before = rows_in_new_table(shop)
        for command, words in (
            (Command.POSTPONE_COMPLETE, "cannot be held back"),
            (Command.FORCE_CUTOVER, "has no cut-over"),
            (Command.CUTOVER_THRESHOLD, "has no cut-over"),
        ):
            [effect] = (await client.control(command, change.uuid)).effects
            assert (effect.affected, words in effect.message) == (0, True), effect
        await asyncio.to_thread(shop.run, "SELECT SLEEP(1)")
        # the writers' triggers go on
        assert rows_in_new_table(shop) - before < RATE < ROWS - before
        await alterd(fleet, "unthrottle", change.uuid, "-k", "commerce")
    await until_no_traces(shop, change.uuid, NAME, runs)


@pytest.mark.slow
async def test_cancelled_in_the_copy(
    fleet: Fleet, client: Client, shop: Shop, pt_osc: dict[str, str], runs: Path
) -> None:
    start(fleet, pt_osc)
    async with under_load(shop, rows=ROWS, rate=RATE):
        shop.run("ANALYZE TABLE member")
        [uuid] = await client.submit(ALTER.format(table=place_in(shop).table), strategy=SLOW)
        await eventually(lambda: len(triggers(shop)) == 3, 60)
        found = traces(shop, uuid, NAME, [runs])
        assert all(found[what] for what in ("accounts", "sessions", "triggers", "programs", "files")), found
        await client.control(Command.CANCEL, uuid)
        await client.until(uuid, Status.CANCELLED)
    await client.story(uuid)
    await until_no_traces(shop, uuid, NAME, runs)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in ALWAYS else pytest.mark.slow) for name in POINTS]
)
@pytest.mark.timeout(180)
async def test_the_executor_killed_at_a_fail_point(
    fleet: Fleet, client: Client, shop: Shop, pt_osc: dict[str, str], runs: Path, name: str
) -> None:
    """kill -9 of the executor and its run, where the run stands; the tool ends with them, and its triggers stay."""
    executor = start(fleet, {**pt_osc, "ALTERD_FAILPOINT": f"{name}:sleep=60"})
    async with slowly(client, shop) as change:
        await eventually(fleet.marker(name).exists, timeout=60)
        executor.kill()
        if name == "ptosc.copying":
            await eventually(lambda: not programs(NAME, change.uuid, change.uuid.replace("_", "")))
            assert len(triggers(shop)) == 3
        fleet.start("executor", **pt_osc)
    await until_no_traces(shop, change.uuid, NAME, runs)
    assert len([table for table in shop.tables() if table.startswith("_alterd_old")]) == 1


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_an_executor_on_another_host_that_hears_nothing_is_replaced(
    fleet: Fleet, client: Client, shop: Shop, pt_osc: dict[str, str], runs: Path, tmp_path: Path
) -> None:
    """Its tool lives until its account is locked and its sessions are killed. Its folders are out of reach."""
    executor = start(fleet, pt_osc)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    async with slowly(client, shop) as change:
        await until_copied(fleet, change, 50)
        with executor.paused():
            fleet.start("executor", **{**pt_osc, "ALTERD_EXECUTOR__WORKDIR": str(elsewhere)})
            fence = f"_alterd.fence WHERE migration_uuid = '{change.uuid}'"
            await eventually(lambda: shop.run(f"SELECT attempt > 1 FROM {fence}") == [(1,)], timeout=60)
            await eventually(lambda: len(traces(shop, change.uuid, NAME, [])["accounts"]) == 2)
            locked = "SELECT User LIKE '%\\_1' FROM mysql.user WHERE account_locked = 'Y' AND User LIKE 'alterd\\_%'"
            assert shop.run(locked) == [(1,)]
    await until_no_traces(shop, change.uuid, NAME, runs, elsewhere)


async def test_a_failing_alter_says_why(
    fleet: Fleet, client: Client, shop: Shop, pt_osc: dict[str, str], runs: Path
) -> None:
    start(fleet, pt_osc)
    [uuid] = await client.submit("ALTER TABLE customer MODIFY name VARCHAR(2)", strategy="pt-osc")
    row = await client.until(uuid, Status.FAILED)
    assert (row.error_code, "'name'" in row.message) == ("rows_changed", True), row
    assert shop.run("SELECT name FROM customer ORDER BY id") == [("Ann",), ("Bob",), ("Cleo",)]
    await until_no_traces(shop, uuid, NAME, runs)


REFUSED = (
    ("ADD c INT", "--postpone-completion", "invalid_strategy", "--postpone-completion is not supported"),
    ("ADD c INT", "--execute", "invalid_strategy", "--execute"),
    ("ADD c INT", "--exec", "invalid_strategy", "--exec"),
    ("ADD c INT", "h=elsewhere", "invalid_strategy", "belongs to no flag"),
    ("ADD c INT", "--force-cut-over-after=1h", "invalid_strategy", "Unknown option: force-cut-over-after"),
    ("ADD c INT", "--sleep=long", "invalid_strategy", "invalid for option sleep"),
    ("ADD UNIQUE (a)", "", "statement_refused", "INSERT IGNORE"),
    ("ADD a INT", "", "statement_refused", "Duplicate column name"),
)
"""Clauses, flags, error code, words of the message."""


async def test_what_cannot_be_is_refused_before_it_is_queued(
    fleet: Fleet, client: Client, shop: Shop, pt_osc: dict[str, str]
) -> None:
    start(fleet, pt_osc)
    await begun(client)
    for clauses, flags, code, words in REFUSED:
        answer = await client.ask(f"ALTER TABLE customer {clauses}", strategy=f"pt-osc {flags}")
        assert isinstance(answer, Refusal), flags
        assert (answer.errors[0].code, words in answer.errors[0].message) == (code, True), answer
    assert shop.columns() == ["id", "a", "name"]


async def test_a_host_without_the_right_tool_refuses_it(fleet: Fleet, client: Client, tmp_path: Path) -> None:
    program = tmp_path / NAME
    start(fleet, {"ALTERD_PTOSC__PATH": str(program)})
    await begun(client)
    for version, code, words in (
        ("", "tool_missing", "ALTERD_PTOSC__PATH names"),
        ("2.2.20", "tool_version", "is version 2.2.20; alterd knows 3.2.1 to 3.7.x"),
    ):
        if version:
            program.write_text(f"#!/bin/sh\necho {NAME} {version}\n")
            program.chmod(0o755)
        answer = await client.ask("ALTER TABLE customer ADD c INT", strategy="pt-osc")
        assert isinstance(answer, Refusal)
        assert (answer.errors[0].code, words in answer.errors[0].message) == (code, True), answer
        assert "percona-toolkit" in answer.errors[0].hint


def rows_in_new_table(shop: Shop) -> int:
    [new] = [name for name in shop.tables() if name.startswith("_alterd_shd_")]
    return int(shop.run(f"SELECT COUNT(*) FROM {new}")[0][0])
