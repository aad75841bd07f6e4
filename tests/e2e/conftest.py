"""A fleet per test on a NATS server of its own; MySQL is shared by the session, each test has its own schema."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from alterd_runtime.bus import Bus, NatsSettings
from alterd_runtime.provision.nats_server import NatsServer
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.support.servers import keyspace_of
from tests.support.shop import Shop


@pytest.fixture
def fleet(tmp_path: Path, nats: NatsServer, request: pytest.FixtureRequest) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path / "fleet", nats.url)
    try:
        yield fleet
    finally:
        fleet.stop()
        if getattr(request.node, "failed", False):
            print(fleet.logs())


@pytest.fixture
async def client(nats: NatsServer, shop: Shop, tmp_path: Path) -> AsyncIterator[Client]:
    async with Bus.open(NatsSettings(servers=(nats.url,)), "test", secrets.token_hex(4), patience=10) as bus:
        await bus.ensure()
        client = Client(bus, keyspace_of(shop, tmp_path))
        await client.apply()
        yield client


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):  # type: ignore[no-untyped-def]
    """Lets the fleet's fixture know that its logs are wanted."""
    report = yield
    if call.when == "call" and report.failed:
        item.failed = True  # type: ignore[attr-defined]
    return report


@pytest.fixture(autouse=True)
def no_settings_of_the_caller(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("ALTERD_") and not name.startswith("ALTERD_TEST_"):
            monkeypatch.delenv(name)
