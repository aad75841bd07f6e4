"""Which server's binlog the change stream is read from: the primary's, or a replica's where that is wanted.

Transactions are numbered by GTID, the same on all servers: a stream may go on on another one. Rows are always read on
the primary, by itself, and what is visible is asked there too.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from typing import Final

import msgspec

from alterd_contracts.errors import AlterdError, ShardUnreachable
from alterd_contracts.strategy import Login, Session
from alterd_contracts.topology import ServerAddress
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.connect import Credentials
from alterd_vitess.flags import REPLICA, Asked
from alterd_vitess.gtid import GtidSet
from alterd_vitess.run import Run
from alterd_vitess.shadow import marker
from alterd_vitess.stream.errors import StreamLost, StreamRefused, UnsafeChange, lost
from alterd_vitess.stream.frames import Watch
from alterd_vitess.stream.prepared import check_none_prepared
from alterd_vitess.stream.stream import ChangeStream

OWN_SERVER_IDS: Final = 2**31
"""Servers of a group are rarely numbered from here on; two readers of one number would end each other."""
BEHIND: Final = 10.0
"""Seconds for which a replica's binlog may lack what the primary has executed."""
LOOK_EVERY: Final = 1.0
ERRANT: Final = 5
"""Seconds for the primary to show what a replica has executed; a semi-synchronous one may be later than it."""
SHOWN: Final = 200


class Source(msgspec.Struct, frozen=True):
    """A server."""

    login: Login
    replica: bool = False

    def __str__(self) -> str:
        return f"{'the replica' if self.replica else 'the primary'} {self.login.host}:{self.login.port}"


class Sources:
    """The servers of one attempt, the next one to be read first; the primary last."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._primary = Source(run.task.login())
        self._wants_replica = (Asked.of(run.record).binlog_source or run.settings.binlog_source) == REPLICA
        logins = run.task.replica_logins() if self._wants_replica else ()
        self._replicas = deque(Source(login, replica=True) for login in logins)
        self._session: Session | None = None
        """On the primary, to look at a replica from."""

    async def open(self) -> tuple[ChangeStream, Source]:
        """A stream from where the last one ended.

        Raises `StreamRefused` where a replica is wanted and none may be read at the first start of a try; what
        `ChangeStream.open` raises for the primary.
        """
        refused: list[AlterdError] = []
        away = False
        if self._replicas and self._run.positions.fresh:  # a reader of the primary's binlog looks by itself
            await asyncio.to_thread(self._check_none_prepared)
        for source in tuple(self._replicas):
            try:
                return await self._open_replica(source), source
            except (StreamRefused, UnsafeChange) as error:
                self._replicas.remove(source)
                refused.append(error)
            except (StreamLost, ShardUnreachable) as error:
                self._replicas.rotate(-1)
                away = True
                self._run.task.log.warning(f"{source} is not read: {error.message}")
        if self._wants_replica and self._run.positions.fresh and not away:
            raise _none(refused)
        for why in refused:
            self._run.task.log.warning(why.message)
        if self._wants_replica:
            self._run.task.log.warning("no replica can be read: the change stream is the primary's")
        return await ChangeStream.open(self._watch(self._primary)), self._primary

    def lost(self, source: Source, *, behind: bool) -> None:
        """Another replica is next; one that fell behind is read no more."""
        if source in self._replicas:
            self._replicas.remove(source)
            if not behind:
                self._replicas.append(source)

    async def until_behind(self, source: Source) -> None:
        """Returns when `source` lacks for too long what the primary has executed."""
        samples: deque[tuple[float, GtidSet]] = deque()
        session = await self._looking()
        while True:
            before = time.monotonic()
            samples.append((before, GtidSet.parse(str(await session.value("SELECT @@global.gtid_executed")))))
            while samples and self._run.positions.received.contains(samples[0][1]):
                samples.popleft()
            if samples and time.monotonic() - samples[0][0] > BEHIND:
                self._run.task.log.warning(f"{source} is more than {BEHIND:g} s behind the primary")
                return
            await asyncio.sleep(LOOK_EVERY)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _looking(self) -> Session:
        if self._session is None:
            self._session = await self._run.task.primary()
        return self._session

    async def _open_replica(self, source: Source) -> ChangeStream:
        session = await self._looking()
        uuid = str(await session.value("SELECT @@server_uuid"))
        watch = msgspec.structs.replace(self._watch(source), replica_of=uuid, fresh=False)
        stream = await ChangeStream.open(watch)
        try:
            await self._check_errant(session, stream, source)
        except BaseException:
            await stream.close()
            raise
        return stream

    async def _check_errant(self, session: Session, stream: ChangeStream, source: Source) -> None:
        """What only the replica has executed would never be visible on the primary."""
        if await session.value("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s)", (stream.executed, ERRANT)):
            errant = str(await session.value("SELECT GTID_SUBTRACT(%s, @@global.gtid_executed)", (stream.executed,)))
            raise StreamRefused(
                f"{source} has transactions of its own: {errant[:SHOWN]}",
                hint="take another replica, or read the primary's binlog: set binlog_source=primary",
                server=f"{source.login.host}:{source.login.port}",
            )

    def _check_none_prepared(self) -> None:
        """On the primary, where the rows are read."""
        run, login = self._run, self._primary.login
        address = ServerAddress(login.host, login.port)
        session = BlockingSession.open(address, Credentials(login.user, login.password), name=login.name)
        try:
            check_none_prepared(session, run.schema, run.table)
        finally:
            session.close()

    def _watch(self, source: Source) -> Watch:
        run, login = self._run, source.login
        return Watch(
            host=login.host,
            port=login.port,
            user=login.user,
            password=login.password,
            session_name=login.name,
            server_id=OWN_SERVER_IDS + secrets.randbelow(2**31 - 1),
            start=str(run.positions.whole),
            table_schema=run.schema,
            table=run.table,
            key=run.mapping.key,
            marker=marker(run.record.migration_uuid),
            fresh=run.positions.fresh,
            folder=str(run.task.workdir),
        )


def behind(source: Source) -> StreamLost:
    return lost(f"{source.login.host}:{source.login.port}", f"it is more than {BEHIND:g} s behind the primary")


def _none(refused: list[AlterdError]) -> StreamRefused:
    """At the first start: what is wanted cannot be had."""
    said = "; ".join(error.message for error in refused) or "the shard has no replica that answers"
    return StreamRefused(
        f"no replica's binlog can be read: {said}",
        hint="mend that and retry, or read the primary's binlog: --binlog-source=primary",
    )
