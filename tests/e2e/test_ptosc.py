"""The strategy pt-osc with everything around it, under the demo's load, with the demo's proof."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from alterd_contracts.requests import Command, Refusal
from alterd_contracts.states import Status
from alterd_runtime.failpoints import FAILPOINTS
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet, Service
from tests.e2e.online import Change, changing
from tests.integration.ptosc_support import command_lines, triggers
from tests.support import eventually
from tests.support.shop import Shop
from tests.support.tools import any_pt_osc

ROWS = 2_000
SLOW = "pt-osc --chunk-size=20 --sleep=0.05"
"""A few hundred rows in a second."""
POINTS = [name for name in FAILPOINTS if name.startswith("ptosc.")]
ALWAYS = {"ptosc.copying", "ptosc.swapped"}
"""Killed there in every test run; at the others in the slow ones."""


@pytest.fixture
def pt_osc(tmp_path: Path) -> dict[str, str]:
    """Settings of executors: the program, and a folder for their runs."""
    folder = tmp_path / "runs"
    folder.mkdir()
    return {"ALTERD_PTOSC__PATH": any_pt_osc(), "ALTERD_EXECUTOR__WORKDIR": str(folder)}


def start(fleet: Fleet, settings: dict[str, str]) -> Service:
    """All services; the executor."""
    for name in ("scheduler", "intake", "throttler"):
        fleet.start(name)
    return fleet.start("executor", **settings)


async def until_copied(change: Change, rows: int) -> None:
    await change.client.until(change.uuid, Status.RUNNING)
    async with asyncio.timeout(60):
        while (row := await change.row()) is None or row.rows_copied < rows:  # noqa: ASYNC110 - another process copies
            await asyncio.sleep(0.05)


async def nothing_left(shop: Shop, uuid: str) -> None:
    """The last writes to the shard come with the ending, or a moment after it."""
    whose = f"SELECT COUNT(*) FROM mysql.user WHERE User_attributes->>'$.metadata.alterd.migration_uuid' = '{uuid}'"
    await eventually(lambda: shop.run(whose) == [(0,)])
    assert triggers(shop) == []
    assert not [line for line in command_lines() if uuid.replace("_", "") in line or f"alterd-{uuid}" in line]


async def test_a_change_under_load(fleet: Fleet, client: Client, shop: Shop, pt_osc: dict[str, str]) -> None:
    start(fleet, pt_osc)
    async with changing(client, shop, rows=ROWS, strategy="pt-osc --chunk-size=100") as change:
        pass
    row = await change.row()
    assert row is not None
    assert (row.progress, row.strategy) == (100, "pt-osc")
    await nothing_left(shop, change.uuid)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in ALWAYS else pytest.mark.slow) for name in POINTS]
)
@pytest.mark.timeout(180)
async def test_the_executor_killed_at_a_fail_point(
    fleet: Fleet, client: Client, shop: Shop, pt_osc: dict[str, str], name: str
) -> None:
    """kill -9 of the executor and its run, where the run stands; the tool ends with them, and its triggers stay."""
    executor = start(fleet, {**pt_osc, "ALTERD_FAILPOINT": f"{name}:sleep=60"})
    async with changing(client, shop, rows=ROWS, strategy=SLOW, timeout=120) as change:
        await eventually(fleet.marker(name).exists, timeout=60)
        executor.kill()
        fleet.start("executor", **pt_osc)
    await nothing_left(shop, change.uuid)
    swaps = [table for table in shop.tables() if table.startswith("_alterd_old")]
    assert len(swaps) == 1


@pytest.mark.timeout(180)
async def test_an_executor_that_hears_nothing_is_replaced(
    fleet: Fleet, client: Client, shop: Shop, pt_osc: dict[str, str], tmp_path: Path
) -> None:
    """As on another host: its tool lives until its account is locked and its sessions are killed."""
    executor = start(fleet, pt_osc)
    async with changing(client, shop, rows=ROWS, strategy=SLOW, timeout=120) as change:
        await until_copied(change, 50)
        fence = f"_alterd.fence WHERE migration_uuid = '{change.uuid}'"
        with executor.paused():
            elsewhere = tmp_path / "elsewhere"
            elsewhere.mkdir()
            fleet.start("executor", **{**pt_osc, "ALTERD_EXECUTOR__WORKDIR": str(elsewhere)})
            await eventually(lambda: shop.run(f"SELECT attempt > 1 FROM {fence}") == [(1,)], timeout=60)
            await until_copied(change, 50)
    await nothing_left(shop, change.uuid)


async def test_a_change_is_cancelled_in_the_middle_of_the_copy(
    fleet: Fleet, client: Client, shop: Shop, pt_osc: dict[str, str]
) -> None:
    start(fleet, pt_osc)
    shop.run(f"INSERT INTO customer (a) VALUES {','.join(f'({n})' for n in range(900))}")
    shop.run("ANALYZE TABLE customer")
    [uuid] = await client.submit("ALTER TABLE customer ADD c INT", strategy="pt-osc --chunk-size=10 --sleep=0.2")
    await eventually(lambda: len(triggers(shop)) == 3, timeout=60)
    await client.control(Command.CANCEL, uuid)
    await client.until(uuid, Status.CANCELLED)
    await nothing_left(shop, uuid)
    assert shop.columns() == ["id", "a", "name"]
    shop.run("INSERT INTO customer (a) VALUES (7)")
    await client.story(uuid)


@pytest.mark.parametrize(
    ("sql", "strategy", "code", "words"),
    [
        ("ALTER TABLE customer ADD c INT", "pt-osc --postpone-completion", "invalid_strategy", "postpone-completion"),
        ("ALTER TABLE customer ADD c INT", "pt-osc --execute", "invalid_strategy", "--execute"),
        ("ALTER TABLE customer ADD c INT", "pt-osc --exec", "invalid_strategy", "--exec"),
        ("ALTER TABLE customer ADD UNIQUE (a)", "pt-osc", "statement_refused", "INSERT IGNORE"),
        ("ALTER TABLE customer ADD a INT", "pt-osc", "statement_refused", "Duplicate column name"),
    ],
)
async def test_what_cannot_be_is_refused_before_it_is_queued(
    fleet: Fleet, client: Client, pt_osc: dict[str, str], sql: str, strategy: str, code: str, words: str
) -> None:
    start(fleet, pt_osc)
    await client.submit("CREATE TABLE first_of_all (id INT PRIMARY KEY)", strategy="pt-osc")  # the fleet is there
    answer = await client.ask(sql, strategy=strategy)
    assert isinstance(answer, Refusal)
    assert (answer.errors[0].code, words in answer.errors[0].message) == (code, True), answer


async def test_a_host_without_the_tool_refuses_it(fleet: Fleet, client: Client, tmp_path: Path) -> None:
    start(fleet, {"ALTERD_PTOSC__PATH": str(tmp_path / "nowhere")})
    await client.submit("CREATE TABLE first_of_all (id INT PRIMARY KEY)", strategy="pt-osc")
    answer = await client.ask("ALTER TABLE customer ADD c INT", strategy="pt-osc")
    assert isinstance(answer, Refusal)
    assert answer.errors[0].code == "tool_missing"
    assert "percona-toolkit" in answer.errors[0].hint
