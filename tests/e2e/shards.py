"""A keyspace of several shards: schemas of one server, each with its own table of customers."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from alterd_contracts.migration import Migration
from alterd_contracts.states import Status
from tests.e2e.client import Client
from tests.support.servers import keyspace_of
from tests.support.shop import Shop

FOUR = ("-40", "40-80", "80-c0", "c0-")
TWO = ("-80", "80-")


class Sharded:
    """Its client, and each shard's schema."""

    def __init__(self, client: Client, shops: dict[str, Shop]) -> None:
        self.client, self.shops = client, shops

    async def until_all(self, uuid: str, status: Status) -> list[Migration]:
        return [await self.client.until(uuid, status, shard=shard) for shard in self.shops]

    async def rows(self, uuid: str) -> dict[str, Migration]:
        found = {shard: await self.client.row(uuid, shard) for shard in self.shops}
        return {shard: row for shard, row in found.items() if row is not None}


@contextlib.asynccontextmanager
async def sharded(client: Client, server: Shop, folder: Path, names: tuple[str, ...] = TWO) -> AsyncIterator[Sharded]:
    """The client's keyspace gets these shards instead of its one."""
    with contextlib.ExitStack() as stack:
        shops = {name: stack.enter_context(server.fresh()) for name in names}
        shards = []
        for name, shop in shops.items():
            [shard] = keyspace_of(shop, folder / f"shard{name}").shards
            shards.append(msgspec.structs.replace(shard, name=name))
        client.keyspace = msgspec.structs.replace(client.keyspace, shards=tuple(shards))
        await client.apply()
        yield Sharded(client, shops)
