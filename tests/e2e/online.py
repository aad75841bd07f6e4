"""An online change under the demo's load, with the demo's proof."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from alterd_cli.demo.load import Load
from alterd_cli.demo.place import Place
from alterd_cli.demo.proof import Form, prove
from alterd_cli.demo.table import ALTER, make_table
from alterd_cli.records import read_records
from alterd_cli.selection import Selection
from alterd_contracts.errors import AlterdError
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.support.shop import Shop

ROWS, SEED, RATE = 6_000, 11, 300
SMALL = {
    "ALTERD_VITESS__CHUNK_ROWS": "2",
    "ALTERD_VITESS__MAX_CHUNK_ROWS": "3",
    "ALTERD_VITESS__CHECKPOINT_INTERVAL": "0.2",
}
"""Chunks so small that a copy takes seconds."""


class Change:
    """One migration under way, and its load."""

    def __init__(self, client: Client, shop: Shop, load: Load, uuid: str) -> None:
        self.client, self.load, self.uuid = client, load, uuid
        self._shop = shop
        self.over = False
        self.seen: list[int] = []
        """Rows copied, as users saw them one after the other."""

    async def row(self) -> Migration | None:
        """The record joined with the progress; None while NATS is away."""
        with contextlib.suppress(AlterdError):
            rows = await read_records(self.client.bus, Selection(uuid=self.uuid))
            return rows[0] if rows else None
        return None

    async def watch(self) -> None:
        """Writes down what users see, until the end of it."""
        while not self.over:
            row = await self.row()
            if row is not None:
                self.seen.append(row.rows_copied)
            await asyncio.sleep(0.1)

    async def until_copied(self, rows: int, timeout: float = 60) -> None:
        deadline = time.monotonic() + timeout
        while (copied := self.committed()) < rows:
            assert time.monotonic() < deadline, copied
            await asyncio.sleep(0.05)

    def committed(self) -> int:
        """Rows of committed chunks."""
        if not self._shop.run(
            "SELECT 1 FROM information_schema.tables WHERE table_schema = '_alterd' AND table_name = 'copy_state'"
        ):
            return 0  # the first attempt of all makes the sidecar
        [(rows,)] = self._shop.run(
            f"SELECT COALESCE(SUM(rows_copied), 0) FROM _alterd.copy_state WHERE migration_uuid = '{self.uuid}'"
        )
        return int(rows)


def place_in(shop: Shop) -> Place:
    return Place.of(shop.servers[0], shop.user, shop.password, shop.schema, "member")


@contextlib.asynccontextmanager
async def changing(
    client: Client,
    shop: Shop,
    *,
    rows: int = ROWS,
    rate: float = RATE,
    timeout: float = 90,
    strategy: str = "vitess",
) -> AsyncIterator[Change]:
    """Fills a table, starts the load, submits the change; after the block waits for its end, and proves it."""
    place = place_in(shop)
    await asyncio.to_thread(make_table, place, rows=rows, seed=SEED)
    async with Load(place, rows=rows, seed=SEED, rate=rate) as load:
        [uuid] = await client.submit(ALTER.format(table=place.table), strategy=strategy)
        change = Change(client, shop, load, uuid)
        watching = asyncio.create_task(change.watch())
        try:
            yield change
            await client.until(uuid, Status.COMPLETE, timeout=timeout)
        finally:
            change.over = True
            await watching
        await asyncio.sleep(0.5)  # the writers go on with the new table
        result = await load.stop()
    proof = await asyncio.to_thread(prove, place, result, form=Form.AFTER)
    assert not proof.mismatches, str(proof.mismatches)
    assert proof.found == proof.expected
    assert proof.touched > 0
    assert change.seen == sorted(change.seen), "rows copied never fall"
    await client.story(uuid)
    undeclared = shop.run(
        f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{shop.schema}'"
        " AND table_name LIKE '\\_alterd\\_%' AND table_name NOT IN"
        f" (SELECT name FROM _alterd.artifacts WHERE table_schema = '{shop.schema}' AND collected_at IS NULL)"
    )
    assert undeclared == []


def start(fleet: Fleet, *names: str, **extra: str) -> None:
    for name in names:
        fleet.start(name, **SMALL, **extra)
