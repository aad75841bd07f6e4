"""What the intake knows: nothing is called unknown that was written a moment ago."""

from __future__ import annotations

import secrets

import msgspec

from alterd_contracts import subjects
from alterd_contracts.errors import UnknownKeyspace, UnknownStrategy
from alterd_contracts.names import new_request_id
from alterd_contracts.requests import DdlRequest, Refusal
from alterd_contracts.topology import Keyspace, SecretRef, ServerAddress, Shard
from alterd_direct.direct import Direct
from alterd_intake.requests import Intake
from alterd_intake.world import World
from alterd_runtime.bus import Bus, NatsSettings
from alterd_runtime.provision.nats_server import NatsServer
from alterd_runtime.settings import IntakeSettings
from tests.unit.test_sql_shell import executor

SHARD = Shard(
    name="0", schema="s", servers=(ServerAddress.parse("127.0.0.1:1"),), user="u", password=SecretRef(env="NOBODYS")
)


async def test_what_was_written_a_moment_ago_is_known(nats: NatsServer) -> None:
    async with Bus.open(NatsSettings(servers=(nats.url,)), "test", secrets.token_hex(4), patience=10) as bus:
        await bus.ensure()
        intake = Intake(bus, World(bus), IntakeSettings())  # one that has heard of nothing yet

        async def code() -> str:
            request = DdlRequest(
                request_id=new_request_id(), keyspace="shop", sql="DROP TABLE t", ddl_strategy="direct", caller="me"
            )
            reply = await intake.take(request)
            assert isinstance(reply, Refusal)
            return reply.errors[0].code

        assert await code() == UnknownKeyspace.code
        keyspace = Keyspace(name="shop", shards=(SHARD,))
        await bus.bucket(subjects.TOPOLOGY).put("shop", msgspec.json.encode(keyspace))
        assert await code() == UnknownStrategy.code
        await bus.bucket(subjects.EXECUTORS).put("e", msgspec.json.encode(executor(Direct().declare())))
        assert await code() not in (UnknownKeyspace.code, UnknownStrategy.code)
