"""What users throttle, on a real NATS server: every throttler knows it, and it ends by itself."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from alterd_contracts.envelope import Reader
from alterd_contracts.errors import InvalidInput, UnknownKeyspace
from alterd_contracts.inputs import Control, RuleChanged
from alterd_contracts.names import migration_uuid, new_request_id
from alterd_contracts.requests import ONLINE_DDL, Command
from alterd_contracts.subjects import INPUT, TOPOLOGY, control
from alterd_contracts.topology import Keyspace, SecretRef, ServerAddress, Shard
from alterd_runtime.bus import Bus, NatsSettings
from alterd_throttler.directory import Directory
from alterd_throttler.rules import Rules
from tests.support import eventually

_changes: Reader[RuleChanged] = Reader(RuleChanged)


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    async with Bus.open(NatsSettings(servers=(nats_url,)), "test", secrets.token_hex(4), patience=10) as bus:
        await bus.ensure()
        yield bus


@pytest.fixture
async def keyspace(bus: Bus) -> str:
    name = f"shop_{secrets.token_hex(4)}"
    shards = tuple(
        Shard(
            name=shard, schema=name, servers=(ServerAddress("127.0.0.1", 1),), user="u", password=SecretRef(file="/x")
        )
        for shard in ("0", "1")
    )
    await bus.bucket(TOPOLOGY).put(name, msgspec.json.encode(Keyspace(name=name, shards=shards)))
    return name


@pytest.fixture
async def both(bus: Bus) -> AsyncIterator[tuple[Rules, Rules]]:
    """Those of two throttlers."""
    pair = Rules(bus, Directory(bus)), Rules(bus, Directory(bus))
    tasks = [asyncio.create_task(rules.run()) for rules in pair]
    for rules in pair:
        await rules.loaded.wait()
    yield pair
    for task in tasks:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def asked(command: Command, keyspace: str, **fields: Any) -> Control:
    return Control(command=command, keyspace=keyspace, caller="ann", **fields)


async def test_each_throttler_knows_what_one_was_told_and_forgets_it_when_it_expires(
    both: tuple[Rules, Rules], keyspace: str
) -> None:
    one, other = both
    uuid = migration_uuid(new_request_id(), 0)
    answer = await one.decide(
        asked(Command.THROTTLE, keyspace, migration_uuid=uuid, shards=("1",), ratio=0.5, expire_seconds=2)
    )
    assert [(effect.shard, effect.affected) for effect in answer.effects] == [("1", 1)]
    assert one.denied(keyspace, "1") == {uuid: 0.5}
    await eventually(lambda: other.denied(keyspace, "1") == {uuid: 0.5})
    assert other.denied(keyspace, "0") == {}
    await eventually(lambda: one.denied(keyspace, "1") == other.denied(keyspace, "1") == {})


async def test_the_rule_of_one_and_of_all_stand_beside_each_other(both: tuple[Rules, Rules], keyspace: str) -> None:
    rules = both[0]
    uuid = migration_uuid(new_request_id(), 0)
    await rules.decide(asked(Command.THROTTLE, keyspace, ratio=0.25))
    await rules.decide(asked(Command.THROTTLE, keyspace, migration_uuid=uuid))
    await rules.decide(asked(Command.THROTTLE, keyspace, migration_uuid=uuid, shards=("0",), ratio=0.5))
    assert rules.denied(keyspace, "0") == {ONLINE_DDL: 0.25, uuid: 1.0}
    ended = await rules.decide(asked(Command.UNTHROTTLE, keyspace, migration_uuid=uuid))
    assert ended.affected == 2
    assert rules.denied(keyspace, "0") == {ONLINE_DDL: 0.25}
    assert (await rules.decide(asked(Command.UNTHROTTLE, keyspace, migration_uuid=uuid))).affected == 0
    await rules.decide(asked(Command.UNTHROTTLE, keyspace))
    assert rules.denied(keyspace, "0") == {}


async def test_what_was_done_is_an_input_for_the_audit(both: tuple[Rules, Rules], bus: Bus, keyspace: str) -> None:
    await both[0].decide(asked(Command.UNTHROTTLE, keyspace))  # nothing was done
    await both[0].decide(asked(Command.THROTTLE, keyspace, ratio=0.25, message="busy"))
    found = []
    async for message in bus.tail(INPUT, control(keyspace)):
        if message is None:
            break
        found.append(_changes.read(message.data))
    assert [(each.command, each.ratio, each.expire_seconds, each.caller, each.message) for each in found] == [
        (Command.THROTTLE, 0.25, 3600, "ann", "busy")
    ]


@pytest.mark.parametrize("fields", [{"ratio": 0.0}, {"ratio": 1.5}, {"expire_seconds": -1}, {"migration_uuid": "x"}])
async def test_what_makes_no_sense_is_refused(both: tuple[Rules, Rules], keyspace: str, fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        await both[0].decide(asked(Command.THROTTLE, keyspace, **fields))
    with pytest.raises(InvalidInput):
        await both[0].decide(asked(Command.CANCEL, keyspace))
    assert both[0].denied(keyspace, "0") == {}


async def test_an_unknown_place_is_refused(both: tuple[Rules, Rules], keyspace: str) -> None:
    for place, shards in (("nowhere", ()), (keyspace, ("9",))):
        with pytest.raises(UnknownKeyspace):
            await both[0].decide(asked(Command.THROTTLE, place, shards=shards))
