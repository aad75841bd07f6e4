"""The strategy gh-ost with everything around it, under the demo's load, with the demo's proof."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from alterd_cli.demo.load import Load
from alterd_cli.demo.proof import Form, prove
from alterd_cli.demo.table import ALTER, make_table
from alterd_contracts.requests import Command, Refusal
from alterd_contracts.states import Status
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet, Service
from tests.e2e.online import SEED, Change, place_in
from tests.e2e.tools import alterd, traces, until_no_traces
from tests.support import eventually
from tests.support.ghost import get_gh_ost
from tests.support.processes import programs
from tests.support.shop import Shop

NAME = "gh-ost"
ROWS, RATE = 600, 100
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


@contextlib.asynccontextmanager
async def under_load(shop: Shop, form: Form) -> AsyncIterator[Load]:
    """The demo's load, and afterwards the proof that the table, in that form, has all that was written."""
    place = place_in(shop)
    await asyncio.to_thread(make_table, place, rows=ROWS, seed=SEED)
    # the writers exchange unique values: what gh-ost copies meanwhile would be a duplicate to it, and fails
    plain = "DROP INDEX email, ADD INDEX email (email), DROP INDEX badge, ADD INDEX badge (badge)"
    shop.run(f"ALTER TABLE {place.table} {plain}")
    async with Load(place, rows=ROWS, seed=SEED, rate=RATE) as load:
        yield load
        result = await load.stop()
    proof = await asyncio.to_thread(prove, place, result, form=form)
    assert not proof.mismatches, str(proof.mismatches)
    assert proof.found == proof.expected
    assert proof.touched > 0


@contextlib.asynccontextmanager
async def changing(client: Client, shop: Shop, *, strategy: str, timeout: float = 60) -> AsyncIterator[Change]:
    """Submits the change; after the block waits for its end, and proves it."""
    async with under_load(shop, Form.AFTER) as load:
        [uuid] = await client.submit(ALTER.format(table=place_in(shop).table), strategy=strategy)
        change = Change(client, shop, load, uuid)
        watching = asyncio.create_task(change.watch())
        try:
            yield change
            row = await client.until(uuid, lambda row: row.migration_status.terminal, timeout=timeout)
        finally:
            change.over = True
            await watching
        assert row.migration_status is Status.COMPLETE, row
        written = load.status.statements if load.status else 0
        await eventually(lambda: load.status is not None and load.status.statements > written)
    assert change.seen == sorted(change.seen), "rows copied never fall"
    await client.story(uuid)


async def until_copied(change: Change, rows: int) -> None:
    """Raises where it does not come that far."""
    deadline = time.monotonic() + 60
    while (row := await change.row()) is None or row.rows_copied < rows:
        assert time.monotonic() < deadline, row
        assert row is None or not row.migration_status.terminal, row
        await asyncio.sleep(0.05)


async def no_traces(shop: Shop, uuid: str, settings: dict[str, str], *others: Path) -> None:
    """Nothing is left on the server, nor on this host: sockets and flag files are in the folders of runs."""
    await until_no_traces(shop, uuid, NAME, Path(settings["ALTERD_EXECUTOR__WORKDIR"]), *others)


async def test_a_change_under_load(fleet: Fleet, client: Client, shop: Shop, gh_ost: dict[str, str]) -> None:
    start(fleet, gh_ost)
    async with changing(client, shop, strategy=FAST) as change:
        await until_copied(change, 1)
    row = await change.row()
    assert row is not None
    assert row.progress == 100
    assert row.message.startswith("gh-ost cut over at attempt 1")
    assert row.artifacts.count(",") == 1, "the others are gone"
    assert row.artifacts.endswith("_del,")
    await no_traces(shop, change.uuid, gh_ost)
    shown = await alterd(fleet, "logs", change.uuid)
    by_sql = await alterd(fleet, "sql", "-k", "commerce", f"show vitess_migration '{change.uuid}' logs")
    for log in (shown, by_sql):
        assert "dry run" in log
        assert "Done migrating" in log
        assert "password=" not in log


@pytest.mark.slow
async def test_postponed_and_completed(fleet: Fleet, client: Client, shop: Shop, gh_ost: dict[str, str]) -> None:
    start(fleet, gh_ost)
    async with changing(client, shop, strategy=f"{FAST} --postpone-completion") as change:
        row = await client.until(change.uuid, lambda row: row.ready_to_complete)
        assert row.migration_status is Status.RUNNING
        assert "points" not in shop.columns(place_in(shop).table)
        answers = (
            await client.control(Command.FORCE_CUTOVER, change.uuid),
            await client.control(Command.CUTOVER_THRESHOLD, change.uuid, cutover_threshold_seconds=20),
        )
        for [effect] in (answer.effects for answer in answers):
            assert effect.affected == 0
            assert "has no cut-over" in effect.message
        await client.control(Command.COMPLETE, change.uuid)
    await no_traces(shop, change.uuid, gh_ost)


@pytest.mark.slow
async def test_throttled_and_released(fleet: Fleet, client: Client, shop: Shop, gh_ost: dict[str, str]) -> None:
    start(fleet, gh_ost)
    async with changing(client, shop, strategy=SLOW) as change:
        await until_copied(change, 50)
        await alterd(fleet, "throttle", change.uuid, "--expire", "10m", "-k", "commerce")
        row = await client.until(change.uuid, lambda row: bool(row.reason_throttled))
        assert row.reason_throttled == f"{change.uuid} is throttled by a user"
        assert row.component_throttled == "gh-ost"
        seen, load = await change.row(), change.load
        written = load.status.statements if load.status else 0
        await eventually(lambda: load.status is not None and load.status.statements > written + RATE)
        again = await change.row()
        assert seen is not None
        assert again is not None
        assert seen.rows_copied <= again.rows_copied <= seen.rows_copied + 20 < ROWS
        await alterd(fleet, "unthrottle", change.uuid, "-k", "commerce")
    await no_traces(shop, change.uuid, gh_ost)


async def test_cancelled_in_the_copy(fleet: Fleet, client: Client, shop: Shop, gh_ost: dict[str, str]) -> None:
    start(fleet, gh_ost)
    async with under_load(shop, Form.BEFORE) as load:
        [uuid] = await client.submit(ALTER.format(table=place_in(shop).table), strategy=SLOW)
        await until_copied(Change(client, shop, load, uuid), 1)
        await client.control(Command.CANCEL, uuid)
        await client.until(uuid, Status.CANCELLED)
    await client.story(uuid)
    await no_traces(shop, uuid, gh_ost)


@pytest.mark.slow
async def test_the_executor_is_killed_in_the_copy(
    fleet: Fleet, client: Client, shop: Shop, gh_ost: dict[str, str]
) -> None:
    """kill -9, and another one on the same host."""
    executor = start(fleet, gh_ost)
    async with changing(client, shop, strategy=SLOW, timeout=90) as change:
        await until_copied(change, 50)
        executor.kill()
        fleet.start("executor", **gh_ost)
    row = await change.row()
    assert row is not None
    assert row.attempt > 1
    await no_traces(shop, change.uuid, gh_ost)


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_an_executor_on_another_host_is_paused_in_the_copy(
    fleet: Fleet, client: Client, shop: Shop, gh_ost: dict[str, str], tmp_path: Path
) -> None:
    """Its gh-ost goes on by itself: it is ended by its account. The folder of its runs is out of reach."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    executor = start(fleet, {**gh_ost, "ALTERD_EXECUTOR__WORKDIR": str(elsewhere)})
    async with changing(client, shop, strategy=SLOW, timeout=90) as change:
        await until_copied(change, 50)
        with executor.paused():
            fleet.start("executor", **gh_ost)
            fence = f"_alterd.fence WHERE migration_uuid = '{change.uuid}'"
            await eventually(lambda: shop.run(f"SELECT attempt > 1 FROM {fence}") == [(1,)], 60)
            await eventually(lambda: len(programs(NAME, change.uuid.replace("_", ""))) == 2, 30)
            await eventually(lambda: len(traces(shop, change.uuid, NAME, ())["accounts"]) == 2, 30)
            locked = shop.run(
                "SELECT account_locked FROM mysql.user WHERE User LIKE 'alterd\\_%\\_1'"
                f" AND User_attributes->>'$.metadata.alterd.migration_uuid' = '{change.uuid}'"
            )
            assert locked == [("Y",)]
    swaps = [name for name in shop.tables() if name.endswith("_del")]
    assert len(swaps) == 1
    await no_traces(shop, change.uuid, gh_ost, elsewhere)


POINTS = ("ghost.account_made", "ghost.tried", "ghost.swap_allowed", "ghost.ended")


@pytest.mark.slow
@pytest.mark.parametrize("name", POINTS)
@pytest.mark.timeout(180)
async def test_the_executor_is_killed_at_a_fail_point(
    fleet: Fleet, client: Client, shop: Shop, gh_ost: dict[str, str], name: str
) -> None:
    executor = start(fleet, {**gh_ost, "ALTERD_FAILPOINT": f"{name}:sleep=60"})
    async with changing(client, shop, strategy=FAST, timeout=90) as change:
        await eventually(fleet.marker(name).exists, timeout=60)
        executor.kill()
        fleet.start("executor", **gh_ost)
    await no_traces(shop, change.uuid, gh_ost)


BAD_FLAGS = {
    "gh-ost --execute": "--execute",
    "gh-ost -panic-flag-file=/x --host=elsewhere": "--host --panic-flag-file",
    "gh-ost --chunk-size=10 ok": "'ok'",
    "gh-ost --chunk-sizes=10": "flag provided but not defined: -chunk-sizes",
    "gh-ost --chunk-size='10 --execute'": 'invalid value "10 --execute" for flag -chunk-size',
}


async def test_bad_flags_and_a_failing_alter_say_why(
    fleet: Fleet, client: Client, shop: Shop, gh_ost: dict[str, str]
) -> None:
    start(fleet, gh_ost)
    await client.submit("CREATE TABLE warm (id INT PRIMARY KEY)")
    for strategy, words in BAD_FLAGS.items():
        answer = await client.ask("ALTER TABLE customer ADD b INT", strategy=strategy)
        assert isinstance(answer, Refusal), strategy
        assert answer.errors[0].code == "invalid_strategy"
        assert words in answer.errors[0].message
    assert "b" not in shop.columns()
    shop.run("UPDATE customer SET a = 1")
    [uuid] = await client.submit("ALTER TABLE customer ADD UNIQUE KEY a (a)", strategy=FAST)
    row = await client.until(uuid, Status.FAILED)
    assert row.error_code == "duplicate_rows"
    assert "Duplicate entry '1' for key" in row.message
    assert shop.run("SELECT COUNT(*) FROM customer") == [(3,)]
    await no_traces(shop, uuid, gh_ost)


async def test_without_the_right_program_nothing_is_queued(
    fleet: Fleet, client: Client, shop: Shop, tmp_path: Path
) -> None:
    program = tmp_path / "gh-ost"
    start(fleet, {"ALTERD_GHOST__PATH": str(program)})
    await client.submit("CREATE TABLE warm (id INT PRIMARY KEY)")
    for says, code, words in (
        ("", "tool_missing", "ALTERD_GHOST__PATH names"),
        ("1.0.49 (git commit: x)", "tool_version", "is gh-ost 1.0.49"),
        ("unversioned", "tool_version", "does not say which version"),
    ):
        if says:
            program.write_text(f"#!/bin/sh\necho '{says}'\n")
            program.chmod(0o755)
        answer = await client.ask("ALTER TABLE customer ADD b INT", strategy="gh-ost")
        assert isinstance(answer, Refusal)
        assert answer.errors[0].code == code
        assert words in answer.errors[0].message
        assert "python -m alterd_runtime.provision.gh_ost" in answer.errors[0].hint
    assert "b" not in shop.columns()
