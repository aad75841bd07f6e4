"""Taking an attempt on the shard itself: the fence, and enough of the record to rebuild the queue."""

from __future__ import annotations

import asyncio

import msgspec
import structlog

from alterd_contracts.errors import BusUnreachable
from alterd_contracts.migration import Migration
from alterd_contracts.topology import Shard
from alterd_executor import accounts
from alterd_executor.kept import write_record
from alterd_executor.protocol import Access
from alterd_executor.shards import find_shard
from alterd_executor.world import World
from alterd_runtime.mysql.connect import Credentials
from alterd_runtime.mysql.fence import Fence
from alterd_runtime.mysql.session import Session
from alterd_runtime.mysql.shard import find_primary
from alterd_runtime.mysql.sidecar import ensure

log = structlog.get_logger(__name__)

READ_AGAIN = 0.5
"""Seconds before the topology is read again while NATS does not answer."""
SUPERVISOR = "alterd:supervisor"


def fence_of(record: Migration, executor: str) -> Fence:
    return Fence(
        keyspace=record.keyspace,
        shard=record.shard,
        migration_uuid=record.migration_uuid,
        attempt=record.attempt,
        executor=executor,
    )


def older(fence: Fence) -> Fence:
    """Of the attempt before."""
    return msgspec.structs.replace(fence, attempt=fence.attempt - 1)


async def claim(world: World, record: Migration) -> Access:
    """The shard's primary, with the fence taken and every older attempt gone.

    Asks for the primary anew each time: one that was remembered may have a successor. Raises `Fenced`,
    `ShardUnreachable`, `UnsafeShard`, `InvalidSetting`, `Ambiguous` (an older attempt does not end).
    """
    shard = await _shard(world, record)
    primary = await find_primary(shard, keyspace=record.keyspace)
    fence = fence_of(record, world.identity.executor)
    async with await Session.open(primary.address, primary.credentials, name=fence.session_name) as session:
        await ensure(session)
        await fence.take_over(session)
        if record.attempt > 1:
            await accounts.end(session, older(fence))
        async with fence.transaction(session):
            await write_record(session, record)
    return Access(
        primary=primary.address,
        replicas=primary.replicas,
        user=primary.credentials.user,
        password=primary.credentials.password,
    )


async def end_on_server(access: Access, fence: Fence) -> int:
    """Ends what a dead run of this attempt still has on the server, and waits until it is gone: how many sessions.

    Raises `ShardUnreachable`, `Ambiguous` (something does not end).
    """
    successor = msgspec.structs.replace(fence, attempt=fence.attempt + 1)
    credentials = Credentials(access.user, access.password)
    async with await Session.open(access.primary, credentials, name=SUPERVISOR) as session:
        killed = await successor.kill_older(session)
        await accounts.end(session, fence)
        return killed


async def _shard(world: World, record: Migration) -> Shard:
    while True:
        try:
            return await find_shard(world.topology, record.keyspace, record.shard)
        except BusUnreachable as error:
            log.info("topology.read_again", keyspace=record.keyspace, why=error.message)
            await asyncio.sleep(READ_AGAIN)
