"""A named, killable session for asyncio. It never reconnects."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Literal, Self, TypeVar

import structlog

from alterd_contracts.errors import AlterdError, LostSession
from alterd_contracts.topology import ServerAddress
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.connect import CONNECT_TIMEOUT, Credentials
from alterd_runtime.mysql.errors import QUERY_INTERRUPTED, UNKNOWN_THREAD, MySQLError

log = structlog.get_logger(__name__)

T = TypeVar("T")
Kill = Literal["query", "connection"]

KILL_PATIENCE = 10.0
"""Seconds in which a KILL must find its way to the server; then the session is given up."""
KILL_PAUSE = 0.02
"""Seconds before a KILL is repeated: one that comes between two statements hits neither. Doubles up to one second."""


class Session:
    """One connection in a thread of its own. One statement at a time.

    A refused statement raises `MySQLError`, a lost connection `LostSession`, a server that lost its primary's
    role `ReadOnlyServer`. Cancelling the task that waits for a statement kills the statement, waits for its end
    and leaves the session usable, unless `on_cancel` is "connection".
    """

    def __init__(
        self,
        blocking: BlockingSession,
        credentials: Credentials,
        thread: ThreadPoolExecutor,
        on_cancel: Kill = "query",
    ) -> None:
        self.blocking = blocking
        """The same session for blocking code: for a caller that runs no statement here meanwhile."""
        self._credentials = credentials
        self._thread = thread
        self._on_cancel: Kill = on_cancel
        self._turn = asyncio.Lock()
        self._closed = False

    @classmethod
    async def open(
        cls,
        address: ServerAddress,
        credentials: Credentials,
        *,
        database: str | None = None,
        name: str = "alterd",
        init: Mapping[str, str | int | None] | None = None,
        connect_timeout: float = CONNECT_TIMEOUT,
        on_cancel: Kill = "query",
    ) -> Self:
        """A session whose `program_name` is `name`. `init`: session variables, None takes the server's global value.

        Raises `ShardUnreachable`, `InvalidSetting` (schema), `MySQLError` (a variable).
        """
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"mysql {name}")
        opening = asyncio.get_running_loop().run_in_executor(
            thread,
            partial(
                BlockingSession.open,
                address,
                credentials,
                database=database,
                name=name,
                init=init,
                connect_timeout=connect_timeout,
            ),
        )
        try:
            return cls(await asyncio.shield(opening), credentials, thread, on_cancel)
        except asyncio.CancelledError:
            opening.add_done_callback(_close_late)
            raise
        finally:
            if opening.cancelled() or not opening.done() or opening.exception() is not None:
                thread.shutdown(wait=False)

    @property
    def connection_id(self) -> int:
        """The server's id of this session."""
        return self.blocking.connection_id

    @property
    def address(self) -> ServerAddress:
        return self.blocking.address

    @property
    def name(self) -> str:
        return self.blocking.name

    @property
    def is_open(self) -> bool:
        return self.blocking.is_open

    async def query(self, sql: str, params: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows, by column name."""
        return await self._run(partial(self.blocking.query, sql, params))

    async def value(self, sql: str, params: Sequence[Any] = ()) -> Any:
        """The first column of the first row, None without rows."""
        return await self._run(partial(self.blocking.value, sql, params))

    async def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Runs a statement: the number of rows it changed."""
        return await self._run(partial(self.blocking.execute, sql, params))

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """START TRANSACTION … COMMIT, or ROLLBACK when the block raises. Never under LOCK TABLES: it would unlock.

        When COMMIT raises `LostSession` nobody knows whether it happened.
        """
        self.blocking.check_no_transaction()
        try:
            await self.execute("START TRANSACTION")
            yield
            await self.execute("COMMIT")
        except BaseException:
            await self._run(self.blocking.rollback)
            raise

    async def kill_query(self) -> None:
        """Ends the statement that runs here, if any; it raises `MySQLError` 1317 where it was awaited."""
        await self._kill("query")

    async def kill(self) -> None:
        """Ends this session at the server."""
        await self._kill("connection")

    async def close(self) -> None:
        """Ends the session; a statement that another task awaits is killed. Idempotent."""
        if not self._closed:
            self._closed = True
            if self._turn.locked():
                try:
                    await self._kill("connection")
                except AlterdError:
                    self.blocking.abandon()
            await self._run(self.blocking.close)
            self._thread.shutdown(wait=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _run(self, call: Callable[[], T]) -> T:
        async with self._turn:
            if self._closed and call != self.blocking.close:
                raise LostSession(f"the session {self.blocking} was closed")
            running = asyncio.get_running_loop().run_in_executor(self._thread, call)
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                await _to_the_end(self._stop(running))
                raise

    async def _stop(self, running: asyncio.Future[Any]) -> None:
        """Ends what runs in the thread and leaves the session clean."""
        loop = asyncio.get_running_loop()
        pause, deadline = KILL_PAUSE, loop.time() + KILL_PATIENCE
        while not running.done():
            try:
                await self._kill(self._on_cancel)
                deadline = loop.time() + KILL_PATIENCE
            except AlterdError as error:
                if loop.time() > deadline:
                    log.warning("mysql.session_abandoned", session=str(self.blocking), reason=error.message)
                    self.blocking.abandon()
            await asyncio.wait({running}, timeout=pause)
            pause = min(2 * pause, 1.0)
        running.exception()  # it was asked to fail
        if self.blocking.is_open:
            # a KILL that came late may still hit the next statement
            await loop.run_in_executor(self._thread, _settle, self.blocking)

    async def _kill(self, what: Kill) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self._send_kill, what)

    def _send_kill(self, what: Kill) -> None:
        killer = BlockingSession.open(self.address, self._credentials, read_timeout=CONNECT_TIMEOUT)
        try:
            killer.execute(f"KILL {'QUERY' if what == 'query' else 'CONNECTION'} {self.connection_id}")
        except MySQLError as error:
            if error.errno != UNKNOWN_THREAD:
                raise
        finally:
            killer.close()


def _settle(session: BlockingSession) -> None:
    try:
        session.execute("DO 0")
    except LostSession:
        return
    except MySQLError as error:
        if error.errno != QUERY_INTERRUPTED:
            raise


def _close_late(opening: asyncio.Future[BlockingSession]) -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


async def _to_the_end(work: Any) -> None:
    """Awaits `work` whole, however often the waiting task is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    task.result()
