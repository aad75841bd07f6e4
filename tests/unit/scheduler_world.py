"""A world in memory for one term after the other of the product's own scheduler.

Holds what survives a leader: the fenced bucket with the server's rule for expected sequences, the events, the work
queue. A budget of writes kills a leader at any of them. Nothing here waits, so coroutines run to their end at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Coroutine, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

import msgspec

from alterd_contracts import subjects
from alterd_contracts.envelope import wrap
from alterd_contracts.events import MigrationEvent
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Outcome
from alterd_contracts.subjects import Bucket
from alterd_contracts.work import Work
from alterd_runtime.bus import Bus, Entry, Message, Outgoing, StaleWrite, Write
from alterd_runtime.settings import SchedulerSettings
from alterd_scheduler.term import Term

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
PLENTY = 10**9

T = TypeVar("T")
_migration = msgspec.json.Decoder(Migration)


class Crash(Exception):
    """The leader is killed."""


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs what never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return cast("T", stop.value)
    coroutine.close()
    raise AssertionError("it waits")


class Stored:
    """What is on its way is there already."""

    async def stored(self) -> None:
        return


class Store:
    """The bucket of records, as any reader sees it."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def get(self, key: str) -> Entry | None:
        return self._world.rows.get(key)

    async def get_all(self, keys: Sequence[str]) -> list[Entry | None]:
        return [self._world.rows.get(key) for key in keys]

    async def list(self, *patterns: str) -> list[Entry]:
        found = [entry for key, entry in self._world.rows.items() if any(_matches(key, each) for each in patterns)]
        return sorted((entry for entry in found if entry.value is not None), key=lambda entry: entry.revision)

    async def watch(self, *patterns: str, start: int = 0) -> AsyncIterator[Entry | None]:
        entries = self._world.history[start - 1 :] if start else sorted(self._world.rows.values(), key=_revision)
        for entry in entries:
            if any(_matches(entry.key, each) for each in patterns):
                yield entry
        yield None


class Fenced:
    """The bucket in one leader's hands."""

    def __init__(self, world: World) -> None:
        self._world, self.store = world, Store(world)
        self._sequence = 0

    async def begin(self, key: str, value: bytes) -> int:
        self._sequence = self._world.put(key, value)
        return self._sequence

    async def put(self, key: str, value: bytes) -> None:
        await self.write([Write(key=key, value=value)])

    async def delete(self, key: str) -> None:
        await self.write([Write(key=key, value=None)])

    async def write(self, writes: Iterable[Write]) -> None:
        await self.send(writes)

    async def send(self, writes: Iterable[Write]) -> None:
        for write in writes:  # the leader may be killed between any two
            self._check()
            self._sequence = self._world.put(write.key, write.value)

    async def stored(self) -> None:
        return

    def _check(self) -> None:
        if self._sequence != len(self._world.history):
            raise StaleWrite("another one leads")


class World:
    """Everything but the leaders."""

    def __init__(self) -> None:
        self.rows: dict[str, Entry] = {}
        self.history: list[Entry] = []
        self.events: list[MigrationEvent] = []
        self.work: dict[str, Work] = {}
        self.answers: list[Outcome] = []
        self.published = 0
        """Facts, of whatever kind."""
        self.settings = SchedulerSettings(max_deaths=3)
        self.versions: list[Migration] = []
        """Every version of every record that was read."""
        self.log: list[msgspec.Struct] = []
        self.budget = PLENTY
        self._ids: set[str] = set()
        self._records: dict[str, Migration] = {}
        self._seen = 0

    # What leaders write ----------------------------------------------------------------------------------------

    def spend(self) -> None:
        if self.budget == 0:
            raise Crash
        self.budget -= 1

    def put(self, key: str, value: bytes | None) -> int:
        self.spend()
        entry = Entry(key=key, value=value, revision=len(self.history) + 1)
        self.history.append(entry)
        self.rows[key] = entry
        return entry.revision

    # What a term asks of the bus -------------------------------------------------------------------------------

    @property
    def connected(self) -> bool:
        return True

    def fenced(self, _bucket: Bucket) -> Fenced:
        return Fenced(self)

    def bucket(self, _bucket: Bucket) -> Store:
        return Store(World())

    async def publish(self, subject: str, data: msgspec.Struct, *, id: str, about: str = "") -> None:  # noqa: ARG002
        self.spend()
        self.published += not isinstance(data, Work)  # nobody works before the grant, which is a record
        if isinstance(data, Work):
            self.work.setdefault(id, data)
        elif isinstance(data, MigrationEvent) and data.id not in self._ids:
            self._ids.add(data.id)
            self.events.append(data)

    async def send_all(self, messages: Sequence[Outgoing]) -> Stored:
        for message in messages:
            await self.publish(message.subject, message.data, id=message.id)
        return Stored()

    async def last_ids(self, _stream: object, wanted: Sequence[str]) -> list[str]:
        last = {event.subject: event.id for event in self.events}
        return [last.get(subject, "") for subject in wanted]

    async def tell(self, _subject: str, outcome: Outcome) -> None:
        self.answers.append(outcome)

    # What tests ask --------------------------------------------------------------------------------------------

    def leader(self) -> Term:
        """A new term, not begun."""
        return Term(cast("Bus", self), self.settings, "leader")

    def message(self, sequence: int, *, reply: bool = False) -> Message:
        """An input as the log hands it out; nobody knows how many come after it, so the cursor seldom moves."""
        data = self.log[sequence - 1]
        return Message(
            subject="alterd.input.commerce.x",
            data=wrap(data, id=str(sequence), source="/test", time=BEGIN),
            headers={subjects.REPLY_TO: "caller"} if reply else {},
            sequence=sequence,
            time=BEGIN + timedelta(seconds=sequence),
            pending=1,
        )

    def records(self) -> dict[str, Migration]:
        """Every record that stands, by key."""
        self._read()
        return self._records

    def _read(self) -> None:
        for entry in self.history[self._seen :]:
            if entry.key.startswith(("open.", "done.")):
                self._records.pop(entry.key, None)
                if entry.value is not None:
                    row = _migration.decode(entry.value)
                    self._records[entry.key] = row
                    self.versions.append(row)
        self._seen = len(self.history)


def _revision(entry: Entry) -> int:
    return entry.revision


def _matches(key: str, pattern: str) -> bool:
    if pattern.endswith(">"):
        return key.startswith(pattern[:-1])
    ours, theirs = key.split("."), pattern.split(".")
    return len(ours) == len(theirs) and all(b in ("*", a) for a, b in zip(ours, theirs, strict=True))
