"""One server of a shard, asked without ever waiting long for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from alterd_contracts.errors import AlterdError, Interrupted
from alterd_contracts.topology import ServerAddress
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.connect import Credentials
from alterd_throttler.bounded import PATIENCE, Silent

T = TypeVar("T")

SILENCE = 2.0
"""Seconds for the network and for each answer, after which a session is given up."""
NAME = "alterd:throttler"
"""The sessions' `program_name`."""
WAITS = {"lock_wait_timeout": 2, "innodb_lock_wait_timeout": 2}
"""Session variables: a heartbeat that waits for a lock tells nothing."""

Question = Callable[[BlockingSession], T]


class Probe:
    """A server and a thread. One question at a time; a server that hangs holds up its own thread alone."""

    def __init__(self, address: ServerAddress, credentials: Callable[[], Credentials]) -> None:
        self.address = address
        self._credentials = credentials
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"probe {address}")
        self._session: BlockingSession | None = None
        self._asked: asyncio.Future[Any] | None = None
        self._silent_since: float | None = None
        """When the first question was asked of those that were not answered in time."""

    async def ask(self, question: Question[T]) -> T:
        """The answer of a blocking function on this server's session.

        Raises `Silent` when it does not come in `PATIENCE` seconds, or at once while an earlier question is still
        open; else what the session and the question raise.
        """
        now = time.monotonic()
        if self._silent_since is None:
            self._silent_since = now
        if self._asked is not None and not self._asked.done():
            raise Silent(f"no answer for {now - self._silent_since:.1f} s")
        loop = asyncio.get_running_loop()
        asked = loop.run_in_executor(self._thread, partial(self._answer, question))
        self._asked = asked
        asked.add_done_callback(_heard)
        done, _ = await asyncio.wait({asked}, timeout=PATIENCE)
        if not done:
            raise Silent(f"no answer for {time.monotonic() - self._silent_since:.1f} s")
        self._silent_since = None
        return asked.result()

    async def close(self) -> None:
        """Ends the session as soon as its thread is free; does not wait for a server that hangs."""
        if self._session is not None and self._asked is not None and not self._asked.done():
            self._session.abandon()
        self._thread.submit(self._drop)
        self._thread.shutdown(wait=False)

    def _answer(self, question: Question[T]) -> T:
        if self._session is None or not self._session.is_open:
            self._session = BlockingSession.open(
                self.address,
                self._credentials(),
                name=NAME,
                init=WAITS,
                connect_timeout=SILENCE,
                read_timeout=SILENCE,
            )
        try:
            return question(self._session)
        except Interrupted:
            self._drop()  # lost, or another role: begin afresh
            raise

    def _drop(self) -> None:
        if self._session is not None:
            self._session.close()
            self._session = None


def _heard(asked: asyncio.Future[Any]) -> None:
    if not asked.cancelled():
        asked.exception()  # told as silence already, or nobody waits for it any more


def why(error: AlterdError) -> str:
    """The reason in a verdict."""
    return error.message.rstrip(".")
