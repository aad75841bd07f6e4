"""An idle system is quiet, however many keyspaces it has."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from pathlib import Path

import msgspec
import pytest

from alterd_contracts import subjects
from alterd_contracts.topology import Keyspace, SecretRef, ServerAddress, Shard
from alterd_runtime.bus import Bus, NatsSettings
from alterd_runtime.provision.nats_server import NatsServer
from tests.e2e.fleet import Fleet
from tests.support import eventually

FEW, MANY = 10, 1000
COUNTED = 6.0
"""Seconds: some of each service's renewals are in them."""
MOST = 30.0
"""Messages a second, in and out, of all services together: leases, presence, signs of life of the readers."""


@pytest.mark.slow
async def test_an_idle_system_with_a_thousand_keyspaces_sends_no_more_than_one_with_ten(tmp_path: Path) -> None:
    nats = NatsServer(tmp_path / "nats", monitor=True)
    nats.start()
    fleet = Fleet(tmp_path / "fleet", nats.url)
    try:
        async with Bus.open(NatsSettings(servers=(nats.url,)), "test", "idle", patience=10) as bus:
            await bus.ensure()
            await put_keyspaces(bus, 0, FEW)
            services = fleet.start_all(
                ALTERD_SCHEDULER__LEASE_TTL="15",
                ALTERD_EXECUTOR__LEASE_TTL="15",
                ALTERD_THROTTLER__LEASE_TTL="15",
            )
            await eventually(lambda: all("service.started" in each.log.read_text() for each in services.values()), 30)
            await eventually(lambda: "scheduler.leads" in services["scheduler"].log.read_text(), 30)
            few = await messages_a_second(nats)
            await put_keyspaces(bus, FEW, MANY)
            many = await messages_a_second(nats)
        assert all(service.running for service in services.values()), fleet.logs()
        assert few <= MOST, few
        assert many <= 1.25 * few + 1, (few, many)
    finally:
        fleet.stop()
        nats.stop()


async def put_keyspaces(bus: Bus, first: int, last: int) -> None:
    """Each of one shard, whose server does not answer."""
    for number in range(first, last):
        shard = Shard(
            name="0",
            schema="shop",
            servers=(ServerAddress("127.0.0.1", 1),),
            user="nobody",
            password=SecretRef(env="ALTERD_TEST_NO_PASSWORD"),
        )
        keyspace = Keyspace(name=f"shop_{number}", shards=(shard,))
        await bus.bucket(subjects.TOPOLOGY).put(keyspace.name, msgspec.json.encode(keyspace))


async def messages_a_second(nats: NatsServer) -> float:
    """What the server takes in and hands out, once it has come to rest after what was done before.

    The connection of the test itself is idle meanwhile but for its pings, which are no messages.
    """

    def counted() -> int:
        with urllib.request.urlopen(f"{nats.monitor_url}/varz", timeout=5) as answer:
            found = json.load(answer)
        return int(found["in_msgs"]) + int(found["out_msgs"])

    async def rate(seconds: float) -> float:
        before = await asyncio.to_thread(counted)
        await asyncio.sleep(seconds)
        return (await asyncio.to_thread(counted) - before) / seconds

    async def at_rest() -> bool:
        return await rate(2.0) <= 1.2 * await rate(2.0) + 2

    await eventually(at_rest, 30)
    return await rate(COUNTED)
