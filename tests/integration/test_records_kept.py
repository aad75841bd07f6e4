"""How long the records of what has ended are kept, on a real NATS server."""

from __future__ import annotations

from datetime import UTC, datetime

from alterd_contracts import subjects
from alterd_contracts.migration import Cursor, Epoch
from alterd_contracts.states import Status
from alterd_runtime.bus import Bus, NatsSettings
from alterd_runtime.provision.nats_server import NatsServer
from alterd_scheduler.storage import Storage
from tests.support import eventually
from tests.unit.test_scheduler_rules import row


async def test_a_record_is_dropped_in_time_unless_artifacts_are_left_and_the_leader_writes_on(nats: NatsServer) -> None:
    async with Bus.open(NatsSettings(servers=(nats.url,)), "test", "one", patience=10) as bus:
        await bus.ensure()
        storage = Storage(bus.fenced(subjects.STATE), keep=1.0)
        await storage.begin(Epoch(leader="one", started_at=datetime.now(UTC)))
        gone, left = row(Status.FAILED, shard="0"), row(Status.COMPLETE, shard="1", artifacts="_alterd_old_x,")
        await storage.write([(gone, None), (left, None)])

        async def dropped() -> bool:
            return await storage.done("commerce", "0", gone.migration_uuid) is None

        await eventually(dropped)
        assert await storage.done("commerce", "1", left.migration_uuid) == left
        await storage.move_cursor(Cursor(input_seq=7))  # its end was no write: the fence holds
        keys = {entry.key for entry in await bus.bucket(subjects.STATE).list(">")}
        assert not any("failed" in key or ".0." in key for key in keys), keys
