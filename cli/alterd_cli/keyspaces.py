"""The topology bucket, whose writer is the operator."""

from __future__ import annotations

import asyncio

import msgspec

from alterd_cli.link import READ_PATIENCE, open_bus
from alterd_contracts import names, subjects
from alterd_contracts.errors import BusUnreachable, UnknownKeyspace
from alterd_contracts.topology import Keyspace
from alterd_runtime.bus import Bus

_decoder = msgspec.json.Decoder(Keyspace)


async def put(keyspace: Keyspace) -> None:
    """Makes `keyspace` known, in place of what was. Raises `BusUnreachable`."""
    async with open_bus() as bus:
        await bus.bucket(subjects.TOPOLOGY).put(keyspace.name, msgspec.json.encode(keyspace))


async def get(name: str) -> Keyspace:
    """Raises `InvalidName`, `UnknownKeyspace`, `BusUnreachable`."""
    names.check_keyspace(name)
    async with open_bus() as bus:
        return await find(bus, name)


async def find(bus: Bus, name: str) -> Keyspace:
    """Raises `UnknownKeyspace`."""
    entry = await bus.bucket(subjects.TOPOLOGY).get(name)
    if entry is None or entry.value is None:
        raise UnknownKeyspace(f"there is no keyspace {name}", hint="`alterd keyspace list` shows all", keyspace=name)
    return _decoder.decode(entry.value)


async def list_all() -> list[Keyspace]:
    """By name. Raises `BusUnreachable`."""
    async with open_bus() as bus:
        return await read_all(bus)


async def read_all(bus: Bus) -> list[Keyspace]:
    """By name."""
    try:
        async with asyncio.timeout(READ_PATIENCE):
            entries = await bus.bucket(subjects.TOPOLOGY).list(">")
    except TimeoutError:
        raise BusUnreachable("NATS did not hand out the keyspaces") from None
    return sorted((_decoder.decode(entry.value) for entry in entries if entry.value), key=lambda each: each.name)
