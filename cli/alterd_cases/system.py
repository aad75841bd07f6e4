"""A real alterd for all cases: NATS, the four services and MySQL, started once in a temporary folder."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec

from alterd_cli.records import read_records
from alterd_cli.running import everything
from alterd_cli.selection import Selection
from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import ServiceUnreachable, StatementRefused, UnknownKeyspace
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_contracts.names import migration_uuid, new_request_id
from alterd_contracts.requests import Accepted, Command, DdlRequest, Refusal
from alterd_contracts.topology import Keyspace, SecretRef, Shard
from alterd_runtime.bus import Bus, NatsSettings
from alterd_runtime.failpoints import VARIABLE
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.provision import ladder, mysql_binary
from alterd_runtime.provision.endpoint import Endpoint
from alterd_runtime.provision.ladder import Rung
from alterd_runtime.provision.mysql_container import MySQLContainer
from alterd_runtime.provision.mysql_server import MySQLServer
from alterd_runtime.provision.server import Server


class Borders(msgspec.Struct, frozen=True, kw_only=True):
    """Fail points of a strategy that can be held at its swap."""

    planned: str
    """Before the first row is copied."""
    copied: str
    """After the last one."""
    held: str
    """While the run stands there, the old table is as it is when the new one takes its place."""


BORDERS = {
    "vitess": Borders(planned="vitess.plan_written", copied="vitess.copied", held="vitess.renamed"),
    # a tool swaps by itself: the writers are ended right before
    "gh-ost": Borders(planned="ghost.tried", copied="ghost.swap_allowed", held="ghost.swap_allowed"),
    "pt-osc": Borders(planned="ptosc.tried", copied="ptosc.swap_allowed", held="ptosc.swap_allowed"),
}
"""By strategy; before any other the writers are ended."""
SMALL = {
    "ALTERD_VITESS__CHUNK_ROWS": "20",
    "ALTERD_VITESS__MAX_CHUNK_ROWS": "40",
    "ALTERD_VITESS__CHECKPOINT_INTERVAL": "0.3",
}
"""Chunks so small that copy, apply and cut-over overlap with the writers on tables of a thousand rows."""
ASKING = 60.0
"""Seconds for the intake's answer."""
KNOWN_WITHIN = 10.0
"""Seconds for the intake to hear of a new keyspace."""

_answers: Reader[Accepted | Refusal] = Reader(Accepted | Refusal)
_migration = msgspec.json.Decoder(Migration)

Say = Callable[[str], None]


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """How a change ended."""

    complete: bool
    refused: bool = False
    """As no change for this strategy, when it was submitted or when the run looked: MySQL's own ALTER may take it."""
    code: str = ""
    message: str = ""


class System:
    """What the cases are run through."""

    def __init__(self, bus: Bus, endpoint: Endpoint, folder: Path, version: tuple[int, ...]) -> None:
        self.endpoint, self.version = endpoint, version
        self._bus, self._folder = bus, folder

    def open(self, database: str | None = None) -> BlockingSession:
        """A session of the tool's own. Raises `ShardUnreachable`, `InvalidSetting` (schema)."""
        return self.endpoint.open(database=database, name="cases:control")

    def mark(self, uuid: str, name: str) -> Path:
        """The file that the run leaves at a fail point."""
        return self._folder / "marks" / f"{uuid}.{name}"

    async def know(self, keyspace: str, schema: str) -> None:
        """Makes the keyspace, one shard of one schema."""
        shard = Shard(
            name="0",
            schema=schema,
            servers=(self.endpoint.address,),
            user=self.endpoint.credentials.user,
            password=SecretRef(file=str(self._folder / "password")),
        )
        value = msgspec.json.encode(Keyspace(name=keyspace, shards=(shard,)))
        await self._bus.bucket(subjects.TOPOLOGY).put(keyspace, value)

    async def forget(self, keyspace: str) -> None:
        await self._bus.bucket(subjects.TOPOLOGY).delete(keyspace)

    async def submit(self, keyspace: str, sql: str, strategy: str, request_id: str) -> Ended | None:
        """None where the change was taken. Raises `ServiceUnreachable`."""
        request = DdlRequest(
            request_id=request_id, keyspace=keyspace, sql=sql, ddl_strategy=strategy, caller="alterd-cases"
        )
        deadline = time.monotonic() + KNOWN_WITHIN
        while True:
            reply = await self._bus.ask(subjects.SUBMIT, request, _answers, timeout=ASKING)
            if isinstance(reply, Accepted):
                return None
            if reply.errors[0].code != UnknownKeyspace.code or time.monotonic() > deadline:
                break
            await asyncio.sleep(0.05)  # the intake has not heard of it yet
        messages = "; ".join(error.message for error in reply.errors)
        return Ended(complete=False, refused=True, code=reply.errors[0].code, message=messages)

    async def ended(self, keyspace: str, uuid: str) -> Ended:
        """Waits for the end of a change that was taken."""
        keys = subjects.open_key(keyspace, "0", uuid), subjects.done_key(keyspace, "0", uuid)
        async with contextlib.aclosing(self._bus.bucket(subjects.STATE).watch(*keys)) as entries:  # type: ignore[type-var]
            async for entry in entries:
                if entry is not None and entry.value is not None:
                    record = _migration.decode(entry.value)
                    if record.migration_status.terminal:
                        complete = record.migration_status.value == "complete"
                        code = record.error_code
                        refused = code == StatementRefused.code
                        return Ended(complete=complete, refused=refused, code=code, message=record.message)
        raise ServiceUnreachable("the watch of the state bucket ended")

    async def last_words(self, keyspace: str, uuid: str) -> str:
        """Where a change stands that does not end."""
        rows = await read_records(self._bus, Selection(uuid=uuid, keyspace=keyspace))
        return "; ".join(f"{row.migration_status}, {row.stage}: {row.message}" for row in rows) or "nobody knows it"

    async def cancel(self, keyspace: str, uuid: str) -> None:
        message = Control(command=Command.CANCEL, keyspace=keyspace, migration_uuid=uuid, caller="alterd-cases")
        await self._bus.publish(subjects.control(keyspace), message, id=f"control:{new_request_id()}")


def uuid_of(request_id: str) -> str:
    """Of the one change in a request, known before it is sent."""
    return migration_uuid(request_id, 0)


@contextlib.asynccontextmanager
async def open_system(folder: Path, dsn: str, say: Say) -> AsyncIterator[System]:
    """Everything below `folder`, until the block ends. `dsn`: a server of the user's; empty starts one.

    Raises `ShardUnreachable`, `InvalidSetting` (the DSN), `BusUnreachable`, `ServiceUnreachable`.
    """
    marks = folder / "marks"
    marks.mkdir(parents=True)
    marked = {name for each in BORDERS.values() for name in (each.planned, each.copied)}
    held = {each.held for each in BORDERS.values()}
    points = [*(f"{name}:mark={marks}" for name in marked - held), *(f"{name}:hold={marks}" for name in held)]
    environ = {VARIABLE: ",".join(points), **SMALL}
    async with _mysql(folder, dsn, say) as endpoint:
        password = folder / "password"
        password.touch(mode=0o600)
        password.write_text(endpoint.credentials.password)
        version = await asyncio.to_thread(_version, endpoint)
        async with everything(folder / "alterd", 0, _quiet, environ=environ) as (nats, _):
            settings = NatsSettings(servers=(nats.url,))
            async with Bus.open(settings, "cases", str(os.getpid()), patience=10) as bus:
                yield System(bus, endpoint, folder, version)


@contextlib.asynccontextmanager
async def _mysql(folder: Path, dsn: str, say: Say) -> AsyncIterator[Endpoint]:
    if dsn:
        yield Endpoint.of_url(dsn)
        return
    server = await asyncio.to_thread(_new_server, folder / "mysql", say)
    starting = asyncio.ensure_future(asyncio.to_thread(server.start))
    try:
        await asyncio.shield(starting)
        yield server.endpoint
    finally:
        await asyncio.wait({starting})
        await asyncio.to_thread(server.remove)


def _new_server(home: Path, say: Say) -> Server:
    rung = ladder.choose(ladder.look(allow_url=False), allow_url=False)
    if rung is Rung.DOCKER:
        return MySQLContainer(f"alterd-cases-{secrets.token_hex(4)}", "alterd-cases")
    binary = mysql_binary.on_path(say) if rung is Rung.PATH else None
    return MySQLServer(binary or mysql_binary.from_debian(say), home, durable=False)


def _version(endpoint: Endpoint) -> tuple[int, ...]:
    session = endpoint.open()
    try:
        text = str(session.value("SELECT @@version"))
    finally:
        session.close()
    return tuple(int(part) for part in text.partition("-")[0].split("."))


def _quiet(_: str) -> None:
    """Services that start and stop are nobody's news here; their logs are in the folder."""
