"""What a user of the bus sees: submits, commands, rows, events."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec

from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.events import Event, MigrationEvent, RequestRefused
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Epoch, Migration
from alterd_contracts.names import new_request_id
from alterd_contracts.requests import Accepted, Answered, Command, DdlRequest, Refusal
from alterd_contracts.states import Status
from alterd_contracts.topology import Keyspace
from alterd_runtime.bus import Bus

_answers: Reader[Accepted | Refusal] = Reader(Accepted | Refusal)
_controls: Reader[Answered | Refusal] = Reader(Answered | Refusal)
_events: Reader[Event] = Reader(Event)
_migration = msgspec.json.Decoder(Migration)


class Client:
    """One keyspace, through the bus."""

    def __init__(self, bus: Bus, keyspace: Keyspace) -> None:
        self.bus, self.keyspace = bus, keyspace

    async def apply(self) -> None:
        await self.bus.bucket(subjects.TOPOLOGY).put(self.keyspace.name, msgspec.json.encode(self.keyspace))

    async def ask(
        self, sql: str, *, strategy: str = "mysql", request_id: str = "", timeout: float = 40, **fields: object
    ) -> Accepted | Refusal:
        request = DdlRequest(
            request_id=request_id or new_request_id(),
            keyspace=self.keyspace.name,
            sql=sql,
            ddl_strategy=strategy,
            **fields,  # type: ignore[arg-type]
        )
        return await self.bus.ask(subjects.SUBMIT, request, _answers, timeout=timeout)

    async def submit(self, sql: str, *, strategy: str = "mysql", **fields: object) -> list[str]:
        """Submits until somebody answers; the uuids. The same request each time: it counts once."""
        request_id = new_request_id()
        deadline = time.monotonic() + 40
        while True:
            try:
                answer = await self.ask(sql, strategy=strategy, request_id=request_id, timeout=6, **fields)
            except Exception:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.1)
                continue
            if isinstance(answer, Refusal) and answer.errors[0].code in (
                "unknown_strategy",
                "unknown_keyspace",
                "service_unreachable",
                "nats_unreachable",
            ):
                assert time.monotonic() < deadline, answer
                await asyncio.sleep(0.1)  # the fleet is still coming up, or NATS is away on purpose
                continue
            assert isinstance(answer, Accepted), answer
            return [migration.migration_uuid for migration in answer.migrations]

    async def control(self, command: Command, uuid: str, **fields: object) -> Answered:
        message = Control(
            command=command,
            keyspace=self.keyspace.name,
            migration_uuid=uuid,
            caller="test",
            **fields,  # type: ignore[arg-type]
        )
        async with self.bus.inbox(_controls) as (inbox, wait):
            await self.bus.publish(
                subjects.control(self.keyspace.name), message, id=f"control:{new_request_id()}", reply_to=inbox
            )
            answer = await wait(20)
        assert isinstance(answer, Answered), answer
        return answer

    async def row(self, uuid: str, shard: str = "0") -> Migration | None:
        """The newer of open and done."""
        store = self.bus.bucket(subjects.STATE)
        entries = [
            await store.get(key(self.keyspace.name, shard, uuid)) for key in (subjects.open_key, subjects.done_key)
        ]
        there = [entry for entry in entries if entry is not None and entry.value is not None]
        if not there:
            return None
        newest = max(there, key=lambda entry: entry.revision)
        assert newest.value is not None
        return _migration.decode(newest.value)

    async def until(
        self, uuid: str, condition: Callable[[Migration], bool] | Status, *, shard: str = "0", timeout: float = 40
    ) -> Migration:
        """The row once it meets the condition."""
        deadline = time.monotonic() + timeout
        row: Migration | None = None
        while time.monotonic() < deadline:
            try:
                row = await self.row(uuid, shard)
            except Exception:  # noqa: BLE001 - NATS may be down on purpose
                row = None
            if row is not None:
                met = row.migration_status is condition if isinstance(condition, Status) else condition(row)
                if met:
                    return row
            await asyncio.sleep(0.05)
        raise AssertionError(f"not {condition} after {timeout} s: {row}")

    async def events(self, uuid: str = "*") -> list[MigrationEvent]:
        """All facts so far, in the order of the stream."""
        found: list[MigrationEvent] = []
        async for message in self.bus.tail(subjects.EVENTS, subjects.events(entity=uuid)):
            if message is None:
                break
            event = _events.read(message.data)
            if isinstance(event, MigrationEvent):
                found.append(event)
        return found

    async def refusals(self) -> list[RequestRefused]:
        found: list[RequestRefused] = []
        async for message in self.bus.tail(subjects.EVENTS, subjects.events(fact="refused")):
            if message is None:
                break
            event = _events.read(message.data)
            assert isinstance(event, RequestRefused)
            found.append(event)
        return found

    async def story(self, uuid: str) -> list[MigrationEvent]:
        """The facts of a migration once the last one is out (its record comes first); they tell one story."""
        deadline = time.monotonic() + 20
        while True:
            events = await self.events(uuid)
            if events and events[-1].migration_status.terminal:
                one_story(events)
                return events
            assert time.monotonic() < deadline, events
            await asyncio.sleep(0.05)

    async def events_by_uuid(self) -> dict[str, list[MigrationEvent]]:
        found: dict[str, list[MigrationEvent]] = {}
        for event in await self.events():
            found.setdefault(event.migration_uuid, []).append(event)
        return found

    async def epoch(self) -> Epoch:
        entry = await self.bus.bucket(subjects.STATE).get(subjects.EPOCH_KEY)
        assert entry is not None
        assert entry.value is not None
        return msgspec.json.decode(entry.value, type=Epoch)


def one_story(events: list[MigrationEvent]) -> None:
    """Each fact once; begins queued, ends once."""
    ids = [event.id for event in events]
    assert len(ids) == len(set(ids)), ids
    assert events[0].fact == "queued"
    assert (
        sum(event.migration_status.terminal for event in events if event.fact in ("completed", "failed", "cancelled"))
        == 1
    )
    attempts = [event.attempt for event in events]
    assert attempts == sorted(attempts)
