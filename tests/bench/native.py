"""alterd's strategy `vitess` through its services, as a user of the bus has it made."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.events import Fact, MigrationEvent, RequestRefused
from alterd_contracts.states import Status
from alterd_runtime.bus import Bus, NatsSettings
from alterd_runtime.provision.nats_server import NatsServer
from tests.bench.changes import PATIENCE, ChangeFailed, Held, Outcome
from tests.bench.machine import family
from tests.bench.stand import ALTER, SCHEMA, TABLE, Stand
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.support.servers import keyspace_of

ENGINE = "ALTERD_VITESS__"
"""Settings of the engine in this program's environment reach its services."""
DEFAULTS = {
    "ALTERD_SCHEDULER__LEASE_TTL": "15",
    "ALTERD_EXECUTOR__LEASE_TTL": "15",
    "ALTERD_THROTTLER__LEASE_TTL": "15",
    "ALTERD_SCHEDULER__RELEASE_DELAY": "5",
}
"""What services have unless told otherwise; the tests' fleet has shorter ones."""
ENDS = frozenset({Fact.COMPLETED, Fact.FAILED, Fact.CANCELLED})

_events: Reader[MigrationEvent | RequestRefused] = Reader(MigrationEvent | RequestRefused)


def engine_settings() -> dict[str, str]:
    """The engine's settings that this program was given."""
    return {name: value for name, value in os.environ.items() if name.startswith(ENGINE)}


class Native:
    """Its services run only while it is on stage."""

    name = "alterd vitess"

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        settings = engine_settings()
        self.how = " ".join(("--ddl-strategy vitess", *(f"{name}={value}" for name, value in settings.items())))
        self._client: Client | None = None
        self._fleet: Fleet | None = None
        self._arrivals: dict[str, list[tuple[float, MigrationEvent]]] = {}
        self._listening: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    def on_stage(self) -> AbstractAsyncContextManager[None]:
        return self._serving()

    async def change(self) -> Outcome:
        begun = time.monotonic()
        uuid = await self._submit()
        return await self._ended(uuid, begun)

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[Held]:
        """A transaction that has read the table keeps the swap from its lock, and nothing else."""
        with self._stand.session() as session:
            session.execute("SET SESSION transaction_isolation = 'READ-COMMITTED'")  # it keeps no old rows
            session.execute("START TRANSACTION")
            session.value(f"SELECT id FROM {TABLE} LIMIT 1")
            begun = time.monotonic()
            uuid = await self._submit()
            await self._until(lambda: self._moment(uuid, "catch-up") is not None or self._end(uuid) is not None)
            await asyncio.sleep(1.0)  # it has caught up, and found out what is in its way
            shadow = session.value(
                "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME LIKE %s",
                (SCHEMA, r"\_alterd\_shd\_%"),
            )
            if shadow is None:
                raise self._failed(uuid)
            assert self._fleet is not None
            [executor] = [service for service in self._fleet.services if service.name.startswith("executor")]
            yield Held(shadow=shadow, pids=tuple(family(executor.pid))[1:])
            session.execute("ROLLBACK")
        await self._ended(uuid, begun)

    @contextlib.asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        with tempfile.TemporaryDirectory() as folder, NatsServer(Path(folder) / "nats") as nats:
            home = Path(folder)
            self._fleet = Fleet(home / "fleet", nats.url)
            try:
                self._fleet.start_all(**DEFAULTS, **engine_settings())
                settings = NatsSettings(servers=(nats.url,))
                async with Bus.open(settings, "bench", "bench", patience=10) as bus:
                    await bus.ensure()
                    self._client = Client(bus, keyspace_of(self._stand.shop, home))
                    await self._client.apply()
                    await self._warm_up(self._client)
                    self._listening = asyncio.create_task(self._listen(bus))
                    try:
                        yield
                    finally:
                        self._listening.cancel()
                        await asyncio.wait({self._listening})
            finally:
                self._fleet.stop()
                self._fleet = self._client = None

    async def _warm_up(self, client: Client) -> None:
        """A service's first work starts things up."""
        [uuid] = await client.submit("CREATE TABLE IF NOT EXISTS warm (id int PRIMARY KEY)")
        await client.until(uuid, Status.COMPLETE)

    async def _listen(self, bus: Bus) -> None:
        try:
            async for message in bus.tail(subjects.EVENTS, subjects.events(), new_only=True):
                if message is None:
                    continue
                moment = time.monotonic()
                event = _events.read(message.data)
                if isinstance(event, MigrationEvent):
                    self._arrivals.setdefault(event.migration_uuid, []).append((moment, event))
                    self._news.set()
        finally:
            self._news.set()

    async def _submit(self) -> str:
        assert self._client is not None
        [uuid] = await self._client.submit(ALTER, strategy="vitess")
        return uuid

    async def _ended(self, uuid: str, begun: float) -> Outcome:
        await self._until(lambda: self._end(uuid) is not None)
        end = self._end(uuid)
        copy_began = self._moment(uuid, "copy")
        copy_ended = self._moment(uuid, "checksum") or self._moment(uuid, "catch-up")
        if end is None or end[1].fact is not Fact.COMPLETED or copy_began is None or copy_ended is None:
            raise self._failed(uuid)
        return Outcome(
            begun=begun,
            copy_began=copy_began,
            copy_ended=copy_ended,
            ended=end[0],
            phases=self._phases(uuid, begun, end[0]),
            said=end[1].message,
        )

    def _phases(self, uuid: str, begun: float, ended: float) -> dict[str, float]:
        """Seconds of each; one that was entered more than once counts as a whole."""
        turns = [(moment, event.stage) for moment, event in self._arrivals[uuid] if event.fact is Fact.PHASE]
        found = {"submission": turns[0][0] - begun}
        for (since, phase), until in zip(turns, [*(moment for moment, _ in turns[1:]), ended], strict=True):
            found[phase] = found.get(phase, 0.0) + until - since
        return found

    def _moment(self, uuid: str, phase: str) -> float | None:
        """When it was entered first."""
        for moment, event in self._arrivals.get(uuid, ()):
            if event.fact is Fact.PHASE and event.stage == phase:
                return moment
        return None

    def _end(self, uuid: str) -> tuple[float, MigrationEvent] | None:
        return next((each for each in self._arrivals.get(uuid, ()) if each[1].fact in ENDS), None)

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                if self._listening is not None and self._listening.done():
                    self._listening.result()  # says why nothing is heard any more
                self._news.clear()
                await self._news.wait()

    def _failed(self, uuid: str) -> ChangeFailed:
        story = "\n".join(f"{event.fact} {event.message}" for _, event in self._arrivals.get(uuid, ()))
        assert self._fleet is not None
        return ChangeFailed(f"{self.name} did not complete:\n{story}\n{self._fleet.logs()}")
