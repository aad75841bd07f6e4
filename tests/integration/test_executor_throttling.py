"""What tools of an executor are told when they ask over HTTP whether to wait."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.migration import Migration
from alterd_contracts.requests import ThrottleCheck, Verdict
from alterd_executor.throttling import Throttling
from alterd_runtime.bus import Bus, NatsSettings
from alterd_runtime.provision.nats_server import NatsServer
from tests.integration.executor_support import alter
from tests.support import eventually
from tests.support.shop import Shop

_questions: Reader[ThrottleCheck] = Reader(ThrottleCheck)


async def go(question: ThrottleCheck) -> Verdict:
    return Verdict(
        keyspace=question.keyspace,
        shard=question.shard,
        go=True,
        reason="",
        metrics={},
        valid_seconds=5,
        throttler="test",
    )


@pytest.fixture
async def throttling(nats: NatsServer) -> AsyncIterator[Throttling]:
    async with Bus.open(NatsSettings(servers=(nats.url,)), "test", "throttling") as bus:
        stop = await bus.serve(subjects.THROTTLE_CHECK, _questions, go)
        made = Throttling(bus)
        try:
            yield made
        finally:
            await made.close()
            await stop()


async def test_a_pause_is_of_one_shard_and_of_its_latest_attempt(throttling: Throttling) -> None:
    one = alter(Shop(("h:1",), "u", "p", "s"), "FORCE")
    other = one.evolve(shard="80-")

    def code(record: Migration) -> int:
        app = f"{record.migration_uuid}:gh-ost:online-ddl"
        return throttling.respond({"keyspace": record.keyspace, "shard": record.shard, "app": app})[0]

    await eventually(lambda: (code(one), code(other)) == (200, 200))
    throttling.pause(other, True)
    assert (code(one), code(other)) == (200, 429)
    throttling.pause(one, False)  # its attempt has ended
    assert (code(one), code(other)) == (200, 429)
    throttling.pause(other.evolve(attempt=2), True)
    throttling.pause(other, False)  # of an attempt that was taken over from
    assert code(other) == 429
    throttling.pause(other.evolve(attempt=2), False)
    assert code(other) == 200
