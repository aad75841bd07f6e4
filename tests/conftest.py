"""Fixtures of all tests: real servers, made once per session, a schema of its own per test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import structlog

from alterd_runtime.provision.nats_server import NatsServer
from alterd_runtime.provision.replication import follow
from alterd_runtime.provision.server import Server
from tests.support.servers import new_server, provided_shop
from tests.support.shop import Shop

# a busy machine is no fault
hypothesis.settings.register_profile("alterd", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("alterd")


@pytest.fixture(autouse=True)
def _logs() -> None:
    """Each test logs as it says itself, not as the one before it: a command that ran in this process is silent."""
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A NATS server that tests share; use names of your own on it."""
    with NatsServer(tmp_path_factory.mktemp("nats")) as server:
        yield server.url


@pytest.fixture(scope="session")
def mysql_primary() -> Iterator[Shop]:
    """A MySQL primary that tests share."""
    with provided_shop() as shop:
        yield shop


@pytest.fixture
def shop(mysql_primary: Shop) -> Iterator[Shop]:
    """A fresh schema with a table of customers, on the shared primary."""
    with mysql_primary.fresh() as fresh:
        yield fresh


@pytest.fixture(scope="module")
def mysql_pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Server]]:
    """A primary and a replica that the tests of one module may stop, kill and promote."""
    folder = tmp_path_factory.mktemp("pair")
    primary = new_server(folder / "primary")
    replica = new_server(folder / "replica", primary.endpoint.credentials.password)  # one account for the group
    try:
        primary.start()
        replica.start()
        follow(replica.endpoint, primary.endpoint, primary.source)
        yield primary, replica
    finally:
        replica.remove()
        primary.remove()


@pytest.fixture
def nats(tmp_path: Path) -> Iterator[NatsServer]:
    """A server of this test's own, so that it may be killed and started again."""
    server = NatsServer(tmp_path / "nats")
    server.start()
    try:
        yield server
    finally:
        server.stop()
