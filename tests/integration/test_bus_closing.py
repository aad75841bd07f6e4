"""A connection that is closed while it reconnects leaves nothing behind."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from alterd_runtime.bus import Bus, NatsSettings
from alterd_runtime.provision.nats_server import NatsServer
from tests.support import eventually


async def test_closed_in_the_turn_in_which_a_try_to_connect_fails(tmp_path: Path) -> None:
    """There nats-py misses its own cancel, and would go on reconnecting for ever."""
    mine = asyncio.all_tasks()
    with NatsServer(tmp_path / "nats") as server:
        async with Bus.open(NatsSettings(servers=(server.url,)), "test", "closing", patience=10) as bus:
            server.kill()

            async def reconnecting() -> bool:
                return not bus.connected

            await eventually(reconnecting, timeout=10)
            async with asyncio.timeout(10):
                while not (tries := [task for task in asyncio.all_tasks() if _is_a_try(task)]):  # noqa: ASYNC110
                    await asyncio.sleep(0)
                while not tries[0].done():  # noqa: ASYNC110
                    await asyncio.sleep(0)

    async def nothing_left() -> bool:
        return asyncio.all_tasks() == mine

    await eventually(nothing_left, timeout=5)


def _is_a_try(task: asyncio.Task[Any]) -> bool:
    return getattr(task.get_coro(), "__qualname__", "") == "open_connection"
