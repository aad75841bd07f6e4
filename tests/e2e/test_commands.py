"""Commands to a change that runs, as a user types them, under the demo's load and with its proof."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from typing import Any

from alterd_contracts.events import Fact
from alterd_contracts.states import Status
from alterd_runtime.provision.nats_server import NatsServer
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.e2e.online import changing, start
from tests.support.shop import Shop

SERVICES = ("scheduler", "intake", "executor", "throttler")


class CommandLine:
    """``alterd`` in a process of its own."""

    def __init__(self, nats: NatsServer) -> None:
        self._environment = {**os.environ, "ALTERD_NATS__SERVERS": nats.url}

    async def __call__(self, *arguments: str, code: int = 0) -> str:
        """What it printed. It must end with `code`."""
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "alterd_cli", *arguments],
            capture_output=True,
            text=True,
            env=self._environment,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done.stdout if code == 0 else done.stderr

    async def effect(self, *arguments: str) -> dict[str, Any]:
        answer = json.loads(await self(*arguments, "-o", "json"))
        [effect] = answer["effects"]
        return dict(effect)


async def test_a_postponed_change_waits_for_the_command(
    fleet: Fleet, client: Client, shop: Shop, nats: NatsServer
) -> None:
    start(fleet, *SERVICES)
    alterd = CommandLine(nats)
    strategy = "vitess --postpone-completion --retain-artifacts=2h --cut-over-threshold=20s"
    async with changing(client, shop, rows=2000, strategy=strategy) as change:
        row = await client.until(change.uuid, lambda row: row.ready_to_complete)
        assert row.migration_status is Status.RUNNING
        assert (row.postpone_completion, row.retain_artifacts_seconds, row.cutover_threshold_seconds) == (
            True,
            7200,
            20,
        )
        assert "is postponed already" in await alterd("postpone-complete", change.uuid, code=4)
        assert "out of range" in await alterd("cutover-threshold", change.uuid, "1m", code=2)
        effect = await alterd.effect("cutover-threshold", change.uuid, "15s")
        assert (effect["affected"], effect["migration_status"]) == (1, "running")
        assert (await client.until(change.uuid, lambda row: row.cutover_threshold_seconds == 15)).ready_to_complete
        effect = await alterd.effect("complete", change.uuid)
        assert (effect["affected"], effect["message"]) == (1, "completes now")
    assert "is complete already" in await alterd("complete", change.uuid, code=4)
    facts = {event.fact: event for event in await client.story(change.uuid)}
    assert facts.keys() >= {Fact.SHADOW_ANALYZED, Fact.CUTOVER_THRESHOLD, Fact.COMPLETION_PERMITTED}
    assert facts[Fact.COMPLETION_PERMITTED].caller
    done = await client.until(change.uuid, Status.COMPLETE)
    assert done.shadow_analyzed_timestamp is not None
    kept = shop.run(
        "SELECT TIMESTAMPDIFF(MINUTE, created_at, collect_after) BETWEEN 119 AND 125 FROM _alterd.artifacts"
        f" WHERE migration_uuid = '{change.uuid}' AND kind = 'old'"
    )
    assert kept == [(1,)]


async def test_force_ends_who_is_in_the_way_of_a_change_under_load(
    fleet: Fleet, client: Client, shop: Shop, nats: NatsServer
) -> None:
    start(fleet, *SERVICES)
    alterd = CommandLine(nats)
    async with changing(client, shop, rows=2000) as change:
        with shop.session() as connection, connection.cursor() as cursor:
            cursor.execute("START TRANSACTION")
            cursor.execute("SELECT 1 AS one FROM member LIMIT 1")
            cursor.fetchall()
            blocking = connection.thread_id()
            while (row := await change.row()) is None or f"connection {blocking} " not in row.message:
                assert row is None or row.migration_status.pending, row
                await asyncio.sleep(0.1)
            effect = await alterd.effect("force-cutover", change.uuid, "-m", "the window ends at noon")
            assert effect["affected"] == 1
            await client.until(change.uuid, Status.COMPLETE)
            there = shop.run(f"SELECT COUNT(*) FROM performance_schema.threads WHERE processlist_id = {blocking}")
            assert there == [(0,)]
    assert "is complete already" in await alterd("force-cutover", change.uuid, code=4)
    row = await client.until(change.uuid, Status.COMPLETE)
    assert row.force_cutover
    assert "in its way were killed" in row.message
    [forced] = [event for event in await client.story(change.uuid) if event.fact is Fact.CUTOVER_FORCED]
    assert forced.message == "the window ends at noon"
