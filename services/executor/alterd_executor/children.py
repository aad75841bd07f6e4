"""The process of one run, as its executor holds it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable

import msgspec
import structlog

from alterd_executor.programs import pump
from alterd_executor.protocol import Channel, FromRun

log = structlog.get_logger(__name__)

ENDING = 5.0
"""Seconds for a process to end after its last word."""

Output = Callable[[str], None]


class Child:
    """The process of one run. `exited`: its exit code, negative for a signal."""

    def __init__(
        self, pid: int, exited: asyncio.Future[int], channel: Channel[FromRun], output: asyncio.StreamReader
    ) -> None:
        self.pid, self._exited, self._channel = pid, exited, channel
        self.output: Output = _before_work
        """Gets each line that the process writes to stdout or stderr."""
        self._pumping = asyncio.create_task(pump(output, lambda line: self.output(line)))  # noqa: PLW0108 - `output` changes

    def send(self, message: msgspec.Struct) -> None:
        self._channel.send(message)

    async def receive(self) -> FromRun | None:
        """The next message; None when the process has ended or closed its end. Raises `Garbled`."""
        return await self._channel.receive()

    async def ended(self) -> int:
        """Waits for the process to end by itself, a moment, then kills it; its exit code (negative: a signal)."""
        self._channel.close()  # after its last word it waits for that
        await asyncio.wait({self._exited}, timeout=ENDING)
        return await self.kill()

    async def kill(self) -> int:
        """Ends the process and what is left of its group."""
        self._channel.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        code = await asyncio.shield(self._exited)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):  # a stray heir of its stdout must not hold us up
                await self._pumping
        return code


def _before_work(line: str) -> None:
    log.debug("executor.run_says", line=line)
