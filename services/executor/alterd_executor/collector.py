"""Drops what migrations left behind once its retention is over: one table at a time, throttled."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time

import structlog

from alterd_contracts import subjects
from alterd_contracts.errors import AlterdError, Ambiguous, StatementFailed
from alterd_contracts.inputs import Collected
from alterd_contracts.migration import Migration
from alterd_contracts.names import Artifact
from alterd_contracts.topology import Shard
from alterd_executor import accounts
from alterd_executor.kept import retention
from alterd_executor.reporting import publish
from alterd_executor.shards import find_shard, keyspaces
from alterd_executor.watching import decoded, read_record
from alterd_executor.world import World
from alterd_runtime.failpoints import failpoint
from alterd_runtime.metrics import COLLECTED
from alterd_runtime.mysql import artifacts
from alterd_runtime.mysql.artifacts import ListedArtifact
from alterd_runtime.mysql.quoting import qualified
from alterd_runtime.mysql.session import Session
from alterd_runtime.mysql.shard import find_primary
from alterd_runtime.mysql.sidecar import ARTIFACTS, ensure

log = structlog.get_logger(__name__)

APP = "tablegc"
"""What the collector is called in rules of the throttler."""
FIRST_LOOK = 2.0
"""Seconds after the start; spread over twice that, as many executors may start at once."""
LOCK_WAIT = 2
"""Seconds to wait for a table's metadata lock: nobody should use an artifact."""
AT_ONCE = 100
"""Artifacts of one shard in one round."""
PATIENCE = 600.0
"""Seconds to wait for the throttler's go before the rest is left to the next round."""
LOOK_AGAIN = 0.25
"""Seconds between two looks at the throttler's verdict."""


class Collector:
    """Tends the artifacts of all shards. Several executors may do so: a lock on each shard's primary lets one work."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def run(self) -> None:
        """Until cancelled."""
        await asyncio.sleep(FIRST_LOOK * (1 + random.random()))
        while True:
            try:
                await self.round()
            except AlterdError as error:
                log.warning("collector.round_failed", error=error.message)
            await asyncio.sleep(self._world.settings.collect_interval)

    async def round(self) -> int:
        """Looks at every shard once; how many artifacts are gone. Raises `BusUnreachable`, `InvalidSetting`."""
        gone = 0
        for keyspace in await keyspaces(self._world.topology):
            for shard in keyspace.shards:
                try:
                    gone += await self._shard(keyspace.name, shard)
                except AlterdError as error:
                    log.warning("collector.shard_failed", keyspace=keyspace.name, shard=shard.name, error=error.message)
        return gone

    async def collect(self, record: Migration) -> int:
        """Collects all that a migration has left on its shard, whatever its retention; how many artifacts are left.

        What an attempt after the record's has made is another matter: it was retried since, and may be in use.
        Raises `ShardUnreachable`, `UnsafeShard`, `UnknownKeyspace`, `BusUnreachable`.
        """
        shard = await find_shard(self._world.topology, record.keyspace, record.shard)
        primary = await find_primary(shard, keyspace=record.keyspace)
        session = await Session.open(primary.address, primary.credentials, name="alterd:collector")
        async with session:
            await session.execute(
                f"UPDATE {ARTIFACTS} SET `collect_after` = UTC_TIMESTAMP(6) WHERE `keyspace` = %s AND `shard` = %s"
                " AND `migration_uuid` = %s AND `attempt` <= %s AND `collected_at` IS NULL"
                " AND (`collect_after` IS NULL OR `collect_after` > UTC_TIMESTAMP(6))",
                (record.keyspace, record.shard, record.migration_uuid, record.attempt),
            )
            await self._shard(record.keyspace, shard)
            left = await session.value(
                f"SELECT COUNT(*) FROM {ARTIFACTS} WHERE `keyspace` = %s AND `shard` = %s AND `migration_uuid` = %s"
                " AND `attempt` <= %s AND `collected_at` IS NULL",
                (record.keyspace, record.shard, record.migration_uuid, record.attempt),
            )
            return int(left)

    async def _shard(self, keyspace: str, shard: Shard) -> int:
        primary = await find_primary(shard, keyspace=keyspace)
        session = await Session.open(
            primary.address, primary.credentials, name="alterd:collector", init={"lock_wait_timeout": LOCK_WAIT}
        )
        async with session:
            if await session.value("SELECT GET_LOCK(%s, 0)", (_lock(keyspace, shard.name),)) != 1:
                return 0
            await ensure(session)
            await self._adopt(session, keyspace, shard)
            await self._sweep_accounts(session, keyspace, shard)
            gone = 0
            for artifact in await artifacts.due(session, AT_ONCE, keyspace=keyspace, shard=shard.name):
                if not await self._may_write(keyspace, shard.name):
                    log.info("collector.throttled", keyspace=keyspace, shard=shard.name)
                    break
                gone += await self._collect(session, artifact)
            return gone

    async def _adopt(self, session: Session, keyspace: str, shard: Shard) -> None:
        """Gives a time to artifacts of migrations that ended without one: failed by the scheduler, or lost."""
        rows = await session.query(
            f"SELECT `name`, `table_schema`, `migration_uuid` FROM {ARTIFACTS} WHERE `keyspace` = %s AND `shard` = %s"
            " AND `collected_at` IS NULL AND `collect_after` IS NULL ORDER BY `created_at` LIMIT %s",
            (keyspace, shard.name, AT_ONCE),
        )
        for row in rows:
            uuid = row["migration_uuid"]
            if await read_record(self._world.records, subjects.open_key(keyspace, shard.name, uuid)) is not None:
                continue
            entry = await self._world.records.get(subjects.done_key(keyspace, shard.name, uuid))
            if entry is None or entry.value is None:
                continue  # nobody knows what became of it: a person has to look
            seconds = retention(decoded(entry.value, entry.key), self._world.settings.retain_artifacts)
            await artifacts.collect_after(session, row["table_schema"], row["name"], seconds)

    async def _sweep_accounts(self, session: Session, keyspace: str, shard: Shard) -> None:
        """Drops accounts of migrations that ended without their last attempt."""
        for account in await accounts.left(session):
            if (account.keyspace, account.shard) != (keyspace, shard.name):
                continue
            if await read_record(self._world.records, subjects.open_key(keyspace, shard.name, account.migration_uuid)):
                continue  # its attempts end it
            try:
                await accounts.remove(session, account)
            except (StatementFailed, Ambiguous) as error:  # the next round tries again
                log.warning("collector.account_not_dropped", user=account.user, error=error.message)
                continue
            log.info("collector.account_dropped", user=account.user, migration=account.migration_uuid)

    async def _may_write(self, keyspace: str, shard: str) -> bool:
        deadline = time.monotonic() + PATIENCE
        throttling = self._world.throttling
        while time.monotonic() < deadline:
            throttling.want(keyspace, shard, APP)
            if throttling.now(keyspace, shard).go:
                return True
            await asyncio.sleep(LOOK_AGAIN)
        return False

    async def _collect(self, session: Session, artifact: ListedArtifact) -> int:
        if Artifact.parse(artifact.name) is None and not await artifacts.is_left(session, artifact):
            log.error("collector.no_artifact", name=artifact.name)  # somebody else wrote the list, or uses the name
            return 0
        kind = await artifacts.table_type(session, artifact.table_schema, artifact.name)
        what = "VIEW" if kind == "VIEW" else "TABLE"
        try:
            await session.execute(f"DROP {what} IF EXISTS {qualified(artifact.table_schema, artifact.name)}")
        except StatementFailed as error:
            log.warning("collector.not_dropped", name=artifact.name, error=error.message)
            return 0
        failpoint("collector.dropped")
        identity = self._world.identity
        report = Collected(
            keyspace=artifact.keyspace,
            shard=artifact.shard,
            migration_uuid=artifact.migration_uuid,
            attempt=artifact.attempt,
            executor=identity.executor,
            incarnation=identity.incarnation,
            names=(artifact.name,),
        )
        # told before it leaves the list: what is told twice does no harm, what is never told would
        await publish(self._world.bus, report, suffix=artifact.name)
        await artifacts.mark_dropped(session, artifact)
        COLLECTED.inc()
        log.info("collector.dropped", name=artifact.name, keyspace=artifact.keyspace, shard=artifact.shard)
        return 1


def _lock(keyspace: str, shard: str) -> str:
    """At most 64 characters, whatever the names' length."""
    return "alterd:collector:" + hashlib.sha256(f"{keyspace}/{shard}".encode()).hexdigest()[:32]
