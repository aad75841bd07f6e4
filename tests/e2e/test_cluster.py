"""A NATS cluster of three: its leader is killed while migrations go through."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from alterd_contracts.states import Status
from alterd_runtime.bus import Bus, NatsSettings
from alterd_runtime.provision.nats_cluster import NatsCluster
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.support import eventually
from tests.support.servers import keyspace_of
from tests.support.shop import Shop


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_the_leader_of_the_state_is_killed(tmp_path: Path, shop: Shop) -> None:
    with NatsCluster(tmp_path / "cluster") as cluster:
        servers = ",".join(cluster.urls)
        fleet = Fleet(tmp_path / "fleet", servers)
        settings = NatsSettings(servers=tuple(cluster.urls), replicas=3)
        try:
            async with Bus.open(settings, "test", "cluster", patience=20) as bus:
                fleet.start_all(
                    ALTERD_NATS__REPLICAS="3", ALTERD_SCHEDULER__LEASE_TTL="5", ALTERD_EXECUTOR__LEASE_TTL="15"
                )
                client = Client(bus, keyspace_of(shop, tmp_path))

                async def applied() -> bool:
                    try:
                        await client.apply()
                    except Exception:  # noqa: BLE001 - the cluster elects its leaders
                        return False
                    return True

                await eventually(applied, timeout=40)
                [first] = await client.submit("ALTER TABLE customer ADD INDEX (a)")
                submitting = asyncio.create_task(client.submit("ALTER TABLE customer ADD COLUMN b int, ADD INDEX (b)"))
                leader = (await bus._js.stream_info("KV_alterd_state")).cluster
                assert leader is not None
                cluster.server(leader.leader or "").kill()
                [second] = await submitting
                for uuid in (first, second):
                    await client.until(uuid, Status.COMPLETE, timeout=90)
                    await client.story(uuid)
                assert shop.indexes() == ["PRIMARY", "a", "b"]
        except BaseException:
            print(fleet.logs())
            raise
        finally:
            fleet.stop()
