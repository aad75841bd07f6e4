"""A fleet per test on a NATS server of its own, or one that is shared by tests that harm neither.

MySQL is shared by the session. Each test has its own schemas, and on the shared fleet a keyspace of its own.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from alterd_runtime.bus import Bus, NatsSettings
from alterd_runtime.provision.nats_server import NatsServer
from tests.e2e.client import Client
from tests.e2e.commerce import Commerce, Standing, commerce_of, schemas_of, standing_in
from tests.e2e.fleet import Fleet
from tests.e2e.shards import FOUR, TWO
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


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    with standing_in(tmp_path_factory.mktemp("standing")) as standing:
        yield standing


@pytest.fixture(params=[pytest.param(TWO, id="two"), pytest.param(FOUR, id="four", marks=pytest.mark.slow)])
async def commerce(
    request: pytest.FixtureRequest,
    standing: Standing,
    mysql_primary: Shop,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Commerce]:
    """A keyspace of two shards, and in the slow tests one of four; `both` in all."""
    monkeypatch.setenv("ALTERD_NATS__SERVERS", standing.nats.url)
    monkeypatch.setenv("ALTERD_HOME", str(tmp_path / "home"))
    name = f"commerce_{secrets.token_hex(3)}"
    try:
        with schemas_of(mysql_primary, name, request.param, tmp_path / "keyspace") as (keyspace, shops):
            async with standing.open_bus() as bus, commerce_of(bus, keyspace, shops) as commerce:
                yield commerce
    finally:
        if getattr(request.node, "failed", False):
            print(standing.fleet.logs())


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
