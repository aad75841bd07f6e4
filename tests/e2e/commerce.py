"""A keyspace of several shards on the fleet that tests share, and ``alterd`` as a user of it types."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from alterd_cli.main import app
from alterd_cli.services_seen import read_executors
from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import ServiceUnreachable
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Answered, Command, Refusal
from alterd_contracts.states import Status
from alterd_contracts.topology import Keyspace
from alterd_runtime.bus import Bus, NatsSettings
from alterd_runtime.provision.nats_server import NatsServer
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.e2e.shards import FOUR, TWO
from tests.support import eventually
from tests.support.servers import keyspace_of
from tests.support.shop import Shop

_answers: Reader[Answered | Refusal] = Reader(Answered | Refusal)
Row = dict[str, Any]
both = pytest.mark.parametrize("commerce", [TWO, FOUR], ids=["two", "four"], indirect=True)
"""On two shards and on four in every test run."""


class Standing:
    """NATS and a fleet that nobody harms."""

    def __init__(self, nats: NatsServer, fleet: Fleet) -> None:
        self.nats, self.fleet = nats, fleet

    @contextlib.asynccontextmanager
    async def open_bus(self) -> AsyncIterator[Bus]:
        settings = NatsSettings(servers=(self.nats.url,))
        async with Bus.open(settings, "test", secrets.token_hex(4), patience=10) as bus:
            await bus.ensure()
            yield bus


@contextlib.contextmanager
def standing_in(folder: Path) -> Iterator[Standing]:
    nats = NatsServer(folder / "nats")
    nats.start()
    fleet = Fleet(folder / "fleet", nats.url)
    try:
        fleet.start_all(ALTERD_EXECUTOR__SLOTS="16", ALTERD_EXECUTOR__LOCK_WAIT_TIMEOUT="60")
        yield Standing(nats, fleet)
    finally:
        fleet.stop()
        nats.stop()


class Commerce:
    """The keyspace of one test: each shard a schema of one server, with the tables of the documents."""

    def __init__(self, client: Client, shops: dict[str, Shop]) -> None:
        self.client, self.shops = client, shops
        self.name = client.keyspace.name
        self.shards = tuple(shops)

    # What a user types -----------------------------------------------------------------------------------------

    async def alterd(self, *arguments: str, code: int = 0) -> str:
        """What it printed, its notes last. It must end with `code`, and not by a bug."""
        out, err = await self._typed(*arguments, code=code)
        return out + err

    async def json(self, *arguments: str) -> Any:
        out, _ = await self._typed(*arguments, "-o", "json", code=0)
        return json.loads(out)

    async def sql(self, text: str, *, code: int = 0) -> str:
        """Rows where it is well, else why not."""
        out, err = await self._typed("sql", "-k", self.name, text, code=code)
        return out if code == 0 else err

    async def rows(self, text: str) -> list[Row]:
        """Of the last statement."""
        return list((await self.json("sql", "-k", self.name, text))[-1].get("rows", []))

    async def affected(self, text: str) -> int:
        """By the last statement."""
        return int((await self.json("sql", "-k", self.name, text))[-1]["affected"])

    async def ddl(self, strategy: str, text: str) -> str:
        """The uuid that the statement is answered with, as the table of the documents."""
        out = await self.sql(f"set @@ddl_strategy='{strategy}'; {text}")
        border, title, _, row, last = out.splitlines()
        assert (title, border, last) == (f"| {'uuid':<36} |", f"+{'-' * 38}+", border)
        return row.strip("| ")

    async def shown(self, uuid: str) -> list[Row]:
        """The columns of a migration, shard by shard."""
        return await self.rows(f"show vitess_migrations like '{uuid}'")

    async def column(self, uuid: str, *columns: str) -> dict[str, Any]:
        """By shard: one column's value, or a tuple of several."""
        found = {row["shard"]: tuple(row[name] for name in columns) for row in await self.shown(uuid)}
        return {shard: values[0] if len(values) == 1 else values for shard, values in found.items()}

    async def vexec(self, uuid: str, text: str, *, code: int = 0) -> list[list[str]]:
        """The cells of what it printed, the head first; ``<no result>`` is no cell."""
        out, _ = await self._typed("vexec", f"{self.name}.{uuid}" if uuid else self.name, text, code=code)
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in out.splitlines() if line[0] == "|"]

    async def _typed(self, *arguments: str, code: int) -> tuple[str, str]:
        done = await asyncio.to_thread(CliRunner().invoke, app, list(arguments), prog_name="alterd")
        assert "internal:" not in done.stderr, done.stderr
        assert done.exit_code == code, (arguments, done.exit_code, done.stdout, done.stderr)
        return done.stdout, done.stderr

    # What becomes of it ----------------------------------------------------------------------------------------

    async def until(
        self, uuid: str, condition: Callable[[Migration], bool] | Status, *shards: str, timeout: float = 60
    ) -> dict[str, Migration]:
        """The rows of these shards, or of all, once each meets the condition."""
        return {
            shard: await self.client.until(uuid, condition, shard=shard, timeout=timeout)
            for shard in shards or self.shards
        }

    async def ready(self, uuid: str, *shards: str) -> dict[str, Migration]:
        """Only the completion is left of it."""
        return await self.until(uuid, lambda row: row.ready_to_complete, *shards)

    def each(self, look: Callable[[Shop], Any]) -> list[Any]:
        """What is seen on each shard's server."""
        return [look(shop) for shop in self.shops.values()]

    def run(self, sql: str) -> None:
        """By an application, on each shard."""
        for shop in self.shops.values():
            shop.run(sql)

    def columns(self, table: str) -> list[str]:
        """Of a table, the same on all shards."""
        first, *others = self.each(lambda shop: shop.columns(table))
        assert all(other == first for other in others)
        return list(first)


@contextlib.contextmanager
def schemas_of(
    server: Shop, name: str, shards: tuple[str, ...], folder: Path
) -> Iterator[tuple[Keyspace, dict[str, Shop]]]:
    """A keyspace whose shards are schemas of one server, with the tables of the documents."""
    with contextlib.ExitStack() as stack:
        shops = {shard: stack.enter_context(server.fresh()) for shard in shards}
        for shop in shops.values():
            shop.run("CREATE TABLE demo (id int NOT NULL, status varchar(32) DEFAULT NULL, PRIMARY KEY (id))")
            shop.run("INSERT INTO demo (id, status) VALUES (1, 'new'), (2, 'paid')")
            shop.run("CREATE TABLE another_table (id int NOT NULL PRIMARY KEY)")
        keyspace = keyspace_of(server, folder, name)
        [first] = keyspace.shards
        parts = [msgspec.structs.replace(first, name=shard, schema=shop.schema) for shard, shop in shops.items()]
        yield msgspec.structs.replace(keyspace, default_ddl_strategy="vitess", shards=tuple(parts)), shops


@contextlib.asynccontextmanager
async def commerce_of(bus: Bus, keyspace: Keyspace, shops: dict[str, Shop]) -> AsyncIterator[Commerce]:
    """The keyspace, known to alterd, and forgotten again."""
    commerce = Commerce(Client(bus, keyspace), shops)
    await commerce.client.apply()
    await _up(commerce.client)
    try:
        yield commerce
    finally:
        await _cleared(commerce)
        await bus.bucket(subjects.TOPOLOGY).delete(keyspace.name)


async def _up(client: Client) -> None:
    """All services of a fleet that is starting have said a word."""

    async def executes() -> bool:
        return bool(await read_executors(client.bus))

    async def decides() -> bool:
        return await client.bus.bucket(subjects.STATE).get(subjects.EPOCH_KEY) is not None

    async def takes() -> bool:
        try:
            return isinstance(await client.ask("SELECT 1", timeout=2), Refusal)
        except ServiceUnreachable:
            return False

    async def throttles() -> bool:
        asked = Control(command=Command.UNTHROTTLE, keyspace=client.keyspace.name)
        try:
            await client.bus.ask(subjects.THROTTLE_RULE, asked, _answers, timeout=2)
        except ServiceUnreachable:
            return False
        return True

    for condition in (executes, decides, takes, throttles):
        await eventually(condition, timeout=40)


async def _cleared(commerce: Commerce) -> None:
    """Nothing of it runs any more."""
    client = commerce.client
    await client.control(Command.CANCEL, "")

    async def over() -> bool:
        entries = await client.bus.bucket(subjects.STATE).list(subjects.open_key(commerce.name, "*", "*"))
        return all(entry.value is None for entry in entries)

    await eventually(over, timeout=40)
