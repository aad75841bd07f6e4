"""The servers that the demo is played on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec

from alterd_cli.demo.place import Place
from alterd_cli.demo.show import Show
from alterd_contracts.errors import ShardUnreachable
from alterd_contracts.topology import Keyspace
from alterd_runtime.mysql.shard import find_primary
from alterd_runtime.provision.endpoint import Endpoint
from alterd_runtime.provision.replication import wait_caught_up
from alterd_runtime.provision.sandbox import Sandbox
from alterd_runtime.topology import load_keyspace

CATCH_UP_TIMEOUT = 120.0
"""Seconds for the replica to apply what the primary has."""


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """A primary with the table and a replica; the keyspace that names them."""

    keyspace: Keyspace
    keyspace_file: Path
    place: Place
    replica: Endpoint

    def catch_up(self) -> None:
        """Waits for the replica. Blocks. Raises `ShardUnreachable`."""
        primary = Endpoint(self.place.address, self.place.credentials)
        if not wait_caught_up(self.replica, primary, CATCH_UP_TIMEOUT):
            address = self.replica.address
            raise ShardUnreachable(f"the replica {address} has not caught up in {CATCH_UP_TIMEOUT:g} s", server=address)


@contextlib.asynccontextmanager
async def open_stage(home: Path, show: Show) -> AsyncIterator[Stage]:
    """MySQL below `home`, until the block ends. Raises `ShardUnreachable`."""
    sandbox = Sandbox(home, replicas=1, die_with_parent=True)
    starting = asyncio.ensure_future(asyncio.to_thread(sandbox.up, show.line))
    try:
        file = Path((await asyncio.shield(starting)).keyspace_file)
        keyspace = load_keyspace(await asyncio.to_thread(file.read_text))
        shard = keyspace.shards[0]
        primary = await find_primary(shard, keyspace=keyspace.name)
        [replica] = (address for address in shard.servers if address != primary.address)
        yield Stage(
            keyspace=keyspace,
            keyspace_file=file,
            place=Place(address=primary.address, credentials=primary.credentials, schema=shard.schema),
            replica=Endpoint(replica, primary.credentials),
        )
    finally:
        await asyncio.wait({starting})  # a start that is broken off goes on in its thread, and is stopped after it
        await asyncio.to_thread(sandbox.down, lambda _: None)
