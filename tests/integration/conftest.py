"""Fixtures of integration tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from alterd_contracts import subjects
from alterd_contracts.states import Status
from alterd_contracts.work import Progress
from alterd_runtime.bus import Bus
from alterd_runtime.provision.nats_server import NatsServer
from tests.integration.cli_support import ENCODE, NOW, OTHER, UUID, CommandLine, record, write
from tests.support.ghost import Gate, gate, get_gh_ost
from tests.support.shop import Shop
from tests.support.tools import any_pt_osc


@pytest.fixture
def gh_ost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of gh-ost find the real one."""
    monkeypatch.setenv("ALTERD_GHOST__PATH", str(get_gh_ost()))


@pytest.fixture
def pt_osc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of pt-online-schema-change find the first that there is."""
    monkeypatch.setenv("ALTERD_PTOSC__PATH", any_pt_osc())


@pytest.fixture
def throttle() -> Iterator[Gate]:
    """Where gh-ost asks."""
    with gate() as found:
        yield found


@pytest.fixture(params=["required", "off"])
def tls(request: pytest.FixtureRequest, shop: Shop) -> Iterator[str]:
    """A server that demands TLS, and one that has none."""
    if request.param == "required":
        change = ["SET GLOBAL require_secure_transport = ON"]
        back = ["SET GLOBAL require_secure_transport = OFF"]
    else:
        [(certificate,)] = shop.run("SELECT @@global.ssl_cert")
        change = ["SET GLOBAL ssl_cert = 'nowhere'", "ALTER INSTANCE RELOAD TLS NO ROLLBACK ON ERROR"]
        back = [f"SET GLOBAL ssl_cert = '{certificate}'", "ALTER INSTANCE RELOAD TLS"]
    for statement in change:
        shop.run(statement)
    yield request.param
    for statement in back:
        shop.run(statement)


@pytest.fixture(scope="module")
def quiet_nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    """A NATS without services."""
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def alterd(quiet_nats: NatsServer, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    """``alterd`` on it."""
    line = CommandLine(quiet_nats.url, tmp_path_factory.mktemp("home"))
    out, err = line.run("show", code=5)
    assert out == ""
    assert "alterd's streams are not there" in err
    line.on_bus(lambda bus: bus.ensure())
    return line


@pytest.fixture
def rows(alterd: CommandLine) -> None:
    """A running migration on two shards, one complete yesterday, one cancelled long ago."""

    async def fill(bus: Bus) -> None:
        running = Status.RUNNING
        await write(bus, record(migration_status=running, attempt=2, started_timestamp=NOW))
        await write(bus, record(shard="1", migration_status=Status.QUEUED))
        await write(
            bus,
            record(
                id=2,
                migration_uuid=OTHER,
                keyspace="other",
                migration_status=Status.COMPLETE,
                progress=100.0,
                migration_context="deploy-2",
                requested_timestamp=NOW - timedelta(days=1),
            ),
        )
        long_ago = {"id": 3, "keyspace": "old", "requested_timestamp": NOW - timedelta(days=30)}
        await write(bus, record(migration_uuid=OTHER[:-1] + "6", migration_status=Status.CANCELLED, **long_ago))
        progress = Progress(
            keyspace="shop",
            shard="0",
            migration_uuid=UUID,
            attempt=2,
            executor="e",
            liveness_timestamp=NOW,
            progress=42.5,
            rows_copied=17,
            eta_seconds=75,
            stage="copying",
        )
        await bus.bucket(subjects.PROGRESS).put("shop.0." + UUID, ENCODE(progress))

    alterd.on_bus(fill)
