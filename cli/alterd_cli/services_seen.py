"""What is known of running services, from the keys they keep alive."""

from __future__ import annotations

import asyncio
import os

import msgspec

from alterd_cli.link import READ_PATIENCE, open_bus
from alterd_contracts import subjects
from alterd_contracts.declaration import Declaration
from alterd_contracts.errors import BusUnreachable
from alterd_contracts.work import ExecutorInfo
from alterd_runtime import logs
from alterd_runtime.bus import Bus
from alterd_runtime.plugins import PluginFault, Plugins

_executor = msgspec.json.Decoder(ExecutorInfo)


def quiet_logs() -> None:
    """The runtime's own log lines are for services."""
    logs.configure("cli", str(os.getpid()), "debug" if os.environ.get("ALTERD_DEBUG") else "critical")


async def executors() -> list[ExecutorInfo]:
    """The living executors, by name. Raises `BusUnreachable`, `ServiceUnreachable`."""
    async with open_bus() as bus:
        return await read_executors(bus)


async def read_executors(bus: Bus) -> list[ExecutorInfo]:
    """The living executors, by name. Raises `BusUnreachable`."""
    try:
        async with asyncio.timeout(READ_PATIENCE):
            entries = await bus.bucket(subjects.EXECUTORS).list(">")
    except TimeoutError:
        raise BusUnreachable("NATS did not hand out the executors") from None
    return sorted((_executor.decode(entry.value) for entry in entries if entry.value), key=lambda each: each.executor)


def local_strategies(plugins: Plugins) -> tuple[Declaration, ...]:
    """What an executor started here would offer; nothing where plugins quarrel about a name."""
    try:
        return plugins.strategies().declarations()
    except PluginFault:
        return ()
