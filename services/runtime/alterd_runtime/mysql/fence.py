"""The fence: which attempt may write for a shard migration. It lies in MySQL, where the writes are.

The claim is one conditional write. Every fenced transaction first reads the row FOR SHARE, so a claim waits for
transactions that have begun, and those that come later are refused. What an older attempt still runs outside of
such a transaction is killed: its sessions are known by their ``program_name``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import structlog

from alterd_contracts.errors import Ambiguous, Fenced, UnsafeShard
from alterd_contracts.names import check_keyspace, check_shard, check_uuid
from alterd_runtime.mysql.errors import DEADLOCK, LOCK_WAIT_TIMEOUT, UNKNOWN_THREAD, MySQLError, ReadOnlyServer
from alterd_runtime.mysql.session import Session
from alterd_runtime.mysql.sidecar import FENCE

log = structlog.get_logger(__name__)

PATIENCE = 60.0
"""Seconds for older attempts to end: a killed statement first rolls back."""
CLAIM_WAIT = 2
"""Seconds for which a claim waits for an older attempt's transaction before its sessions are killed again."""
GONE_PAUSE = 0.05
"""Seconds between two looks whether killed sessions are gone."""

_NAME = re.compile(r"alterd:([0-9a-f_]{36}):(\d{1,10}):([a-z0-9_-]+)/([A-Za-z0-9_-]+)")

_CLAIM = f"""
INSERT INTO {FENCE} (`keyspace`, `shard`, `migration_uuid`, `attempt`, `executor`, `claimed_at`)
VALUES (%s, %s, %s, %s, %s, UTC_TIMESTAMP(6)) AS `new`
ON DUPLICATE KEY UPDATE
  `executor` = IF({FENCE}.`attempt` < `new`.`attempt`, `new`.`executor`, {FENCE}.`executor`),
  `claimed_at` = IF({FENCE}.`attempt` < `new`.`attempt`, `new`.`claimed_at`, {FENCE}.`claimed_at`),
  `attempt` = GREATEST({FENCE}.`attempt`, `new`.`attempt`)
"""  # from left to right: attempt last, as the others compare with the old one

_CHECK = f"""
SELECT `attempt`, `executor`, @@global.read_only AS read_only FROM {FENCE}
WHERE `keyspace` = %s AND `shard` = %s AND `migration_uuid` = %s FOR SHARE
"""

_SESSIONS = """
SELECT a.PROCESSLIST_ID AS id, a.ATTR_VALUE AS name, t.PROCESSLIST_COMMAND AS command,
       t.PROCESSLIST_STATE AS state
FROM performance_schema.session_connect_attrs AS a
LEFT JOIN performance_schema.threads AS t ON t.PROCESSLIST_ID = a.PROCESSLIST_ID
WHERE a.ATTR_NAME = 'program_name' AND a.ATTR_VALUE LIKE CONCAT('alterd:', %s, ':%')
"""

_SEES_ITSELF = """
SELECT COUNT(*) FROM performance_schema.session_connect_attrs
WHERE PROCESSLIST_ID = CONNECTION_ID() AND ATTR_NAME = 'program_name'
"""


class Fence(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of one shard migration."""

    keyspace: str
    shard: str
    migration_uuid: str
    attempt: int
    """From 1."""
    executor: str

    def __post_init__(self) -> None:
        check_keyspace(self.keyspace)
        check_shard(self.shard)
        check_uuid(self.migration_uuid)
        if self.attempt < 1:
            raise ValueError(f"attempts count from 1, not {self.attempt}")

    @property
    def session_name(self) -> str:
        """The `program_name` that each of this attempt's sessions must carry."""
        return f"alterd:{self.migration_uuid}:{self.attempt}:{self.keyspace}/{self.shard}"

    async def claim(self, session: Session) -> bool:
        """Takes the fence; False when this or a later attempt has it already.

        Waits for fenced transactions of the holder: at most the session's ``innodb_lock_wait_timeout``, then
        `MySQLError` 1205.
        """
        session.blocking.check_no_transaction()  # a claim that can be rolled back is none
        while True:
            try:
                written = await session.execute(_CLAIM, (*self._key, self.attempt, self.executor))
            except MySQLError as error:
                if error.errno != DEADLOCK:
                    raise
                continue  # the server rolled this statement back whole, for another claim's sake
            return written > 0

    async def take_over(self, session: Session, *, patience: float = PATIENCE) -> None:
        """Claims, and returns when nothing of an older attempt is left on the server.

        Raises `Fenced`, `Ambiguous` (an older attempt does not end), `UnsafeShard` (sessions cannot be seen).
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience

        def left() -> float:
            return max(deadline - loop.time(), GONE_PAUSE)

        usual = await session.value("SELECT @@session.innodb_lock_wait_timeout")
        await session.execute("SET SESSION innodb_lock_wait_timeout = %s", (CLAIM_WAIT,))
        try:
            while True:
                # a paused process may keep a fenced transaction for ever, and the claim would wait for it
                await self.kill_older(session, patience=left())
                if await self._claimed(session):
                    break
                if loop.time() > deadline:
                    raise self._not_ending("a transaction of an older attempt keeps the fence")
        finally:
            if session.is_open:
                await session.execute("SET SESSION innodb_lock_wait_timeout = %s", (usual,))
        # only now can no older attempt begin anything new
        await self.kill_older(session, patience=left())

    async def _claimed(self, session: Session) -> bool:
        """False when the holder's transaction is in the way. Raises `Fenced`."""
        try:
            if await self.claim(session):
                return True
        except MySQLError as error:
            if error.errno != LOCK_WAIT_TIMEOUT:
                raise
            return False
        raise self._fenced(await self._row(session))

    async def check(self, session: Session) -> None:
        """Inside a transaction: from here to its end no later attempt can take the fence.

        Raises `Fenced`, `ReadOnlyServer`.
        """
        rows = await session.query(_CHECK, self._key)
        row = rows[0] if rows else None
        if row is None or row["attempt"] != self.attempt or row["executor"] != self.executor:
            raise self._fenced(row)
        if row["read_only"]:
            raise ReadOnlyServer(
                f"{session.address} is read only: it is not the primary any more", server=session.address
            )

    @asynccontextmanager
    async def transaction(self, session: Session) -> AsyncIterator[None]:
        """A transaction that begins with `check`; committed at the end of the block, rolled back if it raises."""
        async with session.transaction():
            await self.check(session)
            yield

    async def kill_older(self, session: Session, *, patience: float = PATIENCE) -> int:
        """KILLs the sessions of older attempts on the server of `session` and waits until they are gone.

        Returns how many there were. Raises `Ambiguous` when one does not go within `patience` seconds,
        `UnsafeShard` when the server does not show sessions by name.
        """
        if not await session.value(_SEES_ITSELF):
            raise UnsafeShard(
                f"{session.address} does not show the names of its sessions: what an older attempt runs is unknown",
                hint="set performance_schema=ON and leave performance_schema_session_connect_attrs_size alone",
                server=session.address,
            )
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        killed: set[int] = set()
        while older := await self._older_sessions(session):
            for number in older.keys() - killed:
                await _kill(session, number)
                killed.add(number)
                log.info("mysql.killed_older_attempt", session=older[number]["name"], connection=number)
            if loop.time() > deadline:
                left = ", ".join(
                    f"{row['name']} (connection {number}, {row['command']}, {row['state']})"
                    for number, row in sorted(older.items())
                )
                raise self._not_ending(f"these sessions were killed and go on: {left}")
            await asyncio.sleep(GONE_PAUSE)
        return len(killed)

    async def _older_sessions(self, session: Session) -> dict[int, dict[str, Any]]:
        found: dict[int, dict[str, Any]] = {}
        for row in await session.query(_SESSIONS, (self.migration_uuid,)):
            match = _NAME.fullmatch(row["name"] or "")
            if match is None:
                continue
            uuid, attempt, keyspace, shard = match.groups()
            if (keyspace, shard, uuid) == self._key and int(attempt) < self.attempt:
                found[row["id"]] = row
        return found

    async def _row(self, session: Session) -> dict[str, Any] | None:
        rows = await session.query(
            f"SELECT `attempt`, `executor` FROM {FENCE}"
            " WHERE `keyspace` = %s AND `shard` = %s AND `migration_uuid` = %s",
            self._key,
        )
        return rows[0] if rows else None

    @property
    def _key(self) -> tuple[str, str, str]:
        return self.keyspace, self.shard, self.migration_uuid

    def _fenced(self, row: dict[str, Any] | None) -> Fenced:
        holder = f"attempt {row['attempt']} by {row['executor']}" if row else "nobody"
        return Fenced(
            f"attempt {self.attempt} by {self.executor} may not write: {holder} holds the fence of "
            f"{self.migration_uuid} on {self.keyspace}/{self.shard}",
            migration=self.migration_uuid,
            keyspace=self.keyspace,
            shard=self.shard,
        )

    def _not_ending(self, what: str) -> Ambiguous:
        return Ambiguous(
            f"attempt {self.attempt} cannot begin: {what}",
            hint="look at the server's process list; retry the migration when these sessions are gone",
            migration=self.migration_uuid,
            keyspace=self.keyspace,
            shard=self.shard,
        )


async def _kill(session: Session, connection_id: int) -> None:
    try:
        await session.execute(f"KILL CONNECTION {connection_id}")
    except MySQLError as error:
        if error.errno != UNKNOWN_THREAD:
            raise
