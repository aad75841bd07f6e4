"""/readyz says yes when the service can be asked, not when it has a connection."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from alterd_cli import services
from alterd_cli.supervision import free_port, not_ready
from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.names import new_request_id
from alterd_contracts.requests import DdlRequest, Refusal, ThrottleCheck
from alterd_runtime.bus import Bus, NatsSettings
from alterd_runtime.provision.nats_server import NatsServer


async def executor(bus: Bus) -> None:
    assert await bus.bucket(subjects.EXECUTORS).list()


async def intake(bus: Bus) -> None:
    request = DdlRequest(request_id=new_request_id(), keyspace="nobodys", sql="DROP TABLE t", caller="me")
    await bus.ask(subjects.SUBMIT, request, Reader(Refusal), timeout=5)


async def throttler(bus: Bus) -> None:
    question = ThrottleCheck(keyspace="nobodys", shard="0", app="test")
    await bus.ask(subjects.THROTTLE_CHECK, question, Reader(Refusal), timeout=5)


@pytest.mark.parametrize("asked", [executor, intake, throttler], ids=lambda asked: asked.__name__)
async def test_a_service_that_is_ready_can_be_asked(
    nats: NatsServer, tmp_path: Path, asked: Callable[[Bus], Awaitable[None]]
) -> None:
    port = free_port()
    async with Bus.open(NatsSettings(servers=(nats.url,)), "test", secrets.token_hex(4), patience=10) as bus:
        await bus.ensure()
        with (tmp_path / "log").open("wb") as log:
            service = await asyncio.create_subprocess_exec(
                *services.command(asked.__name__),
                env={**os.environ, "ALTERD_NATS__SERVERS": nats.url, "ALTERD_HTTP__PORT": str(port)},
                cwd=tmp_path,
                stdout=log,
                stderr=log,
            )
        try:
            while await not_ready(port):
                assert service.returncode is None, (tmp_path / "log").read_text()
                await asyncio.sleep(0.005)
            await asked(bus)
        finally:
            service.terminate()
            await service.wait()
