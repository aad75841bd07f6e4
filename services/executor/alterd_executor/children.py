"""Processes of runs, one of them always started ahead of its work."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
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
    """The process of one run."""

    def __init__(self, process: asyncio.subprocess.Process, channel: Channel[FromRun]) -> None:
        self._process, self._channel = process, channel
        self.output: Output = _before_work
        """Gets each line that the process writes to stdout or stderr."""
        assert process.stdout is not None
        self._pumping = asyncio.create_task(pump(process.stdout, lambda line: self.output(line)))  # noqa: PLW0108 - `output` changes

    @classmethod
    async def spawn(cls) -> Child:
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "alterd_executor.child",
                "--fd",
                str(theirs.fileno()),
                "--parent",
                str(os.getpid()),
                pass_fds=(theirs.fileno(),),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return cls(process, await Channel.over(ours, FromRun))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    def send(self, message: msgspec.Struct) -> None:
        self._channel.send(message)

    async def receive(self) -> FromRun | None:
        """The next message; None when the process has ended or closed its end. Raises `Garbled`."""
        return await self._channel.receive()

    async def ended(self) -> int:
        """Waits for the process to end by itself, a moment, then kills it; its exit code (negative: a signal)."""
        self._channel.close()  # after its last word it waits for that
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ENDING):
                await self._process.wait()
        return await self.kill()

    async def kill(self) -> int:
        """Ends the process and what is left of its group."""
        self._channel.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        code = await self._process.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):  # a stray heir of its stdout must not hold us up
                await self._pumping
        return code


class Nursery:
    """Hands out processes; keeps a spare one warm, so that a short statement does not wait for an interpreter."""

    def __init__(self) -> None:
        self._spare: asyncio.Task[Child] | None = None

    def prepare(self) -> None:
        """Starts the spare if there is none."""
        if self._spare is None:
            self._spare = asyncio.create_task(Child.spawn())

    async def take(self) -> Child:
        """A process that waits for its `Start`."""
        spare, self._spare = self._spare, None
        child = await (spare or Child.spawn())
        if not child.alive:
            log.warning("executor.spare_died", code=await child.kill())
            child = await Child.spawn()
        self.prepare()
        return child

    async def close(self) -> None:
        spare, self._spare = self._spare, None
        if spare is not None:
            with contextlib.suppress(OSError):
                await (await spare).kill()


def _before_work(line: str) -> None:
    log.debug("executor.spare_says", line=line)
