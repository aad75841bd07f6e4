"""Child processes that are started again when they die."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import msgspec

from alterd_contracts.errors import ServiceUnreachable

BACK_OFF_FIRST = 0.5
BACK_OFF_LAST = 30.0
"""Seconds before a dead service is started again; doubles from the first to the last."""
STEADY = 60.0
"""Seconds after which a service counts as well, and its back-off begins anew."""
STOP_PATIENCE = 20.0
"""Seconds for a service to end after SIGTERM, before SIGKILL."""
LOOK_INTERVAL = 0.1
"""Seconds between looks at /readyz while services start."""

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None

Say = Callable[[str], None]


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A service to keep running."""

    name: str
    argv: Sequence[str]
    environ: Mapping[str, str]
    port: int
    """Where /readyz answers."""
    log: Path | None = None
    """Takes what the service writes; None: our own stderr."""


class Supervisor:
    """Runs programs until it is told to stop."""

    def __init__(self, programs: Sequence[Program], say: Say) -> None:
        self.programs = tuple(programs)
        self._say = say
        self._children: dict[str, asyncio.subprocess.Process] = {}
        self._stopping = False

    def pid(self, name: str) -> int:
        """0 while it does not run."""
        child = self._children.get(name)
        return child.pid if child is not None and child.returncode is None else 0

    async def run(self, stopping: asyncio.Event) -> None:
        """Keeps all running until `stopping`, then ends them."""
        keepers = [asyncio.create_task(self._keep(program, stopping)) for program in self.programs]
        try:
            await asyncio.gather(*keepers)
        finally:
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)

    async def ready(self, timeout: float) -> None:
        """Returns when all say so. Raises `ServiceUnreachable` with what the slowest one said."""
        said: dict[str, str] = {}
        try:
            async with asyncio.timeout(timeout):
                for program in self.programs:
                    while said.get(program.name) != "":
                        said[program.name] = await not_ready(program.port)
                        if said[program.name]:
                            await asyncio.sleep(LOOK_INTERVAL)
        except TimeoutError:
            name, why = next((name, why) for name, why in said.items() if why)
            raise ServiceUnreachable(
                f"{name} is not ready after {timeout:g} s: {why}", hint=self._where_logs(name), service=name
            ) from None

    async def _keep(self, program: Program, stopping: asyncio.Event) -> None:
        pause = BACK_OFF_FIRST
        while not stopping.is_set():
            began = time.monotonic()
            code = await self._once(program, stopping)
            if stopping.is_set():
                return
            if time.monotonic() - began > STEADY:
                pause = BACK_OFF_FIRST
            self._say(
                f"{program.name} ended with {_code(code)}; starting it again in {pause:g} s. "
                f"{self._where_logs(program.name)}"
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await stopping.wait()
            pause = min(pause * 2, BACK_OFF_LAST)

    async def _once(self, program: Program, stopping: asyncio.Event) -> int:
        with contextlib.ExitStack() as files:
            sink: IO[bytes] | int = sys.stderr.fileno()
            if program.log is not None:
                sink = files.enter_context(program.log.open("ab"))
            child = await asyncio.create_subprocess_exec(
                *program.argv,
                env=dict(program.environ),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,  # Ctrl-C is ours to pass on, in order
                preexec_fn=_die_with_parent,
            )
        self._children[program.name] = child
        ended = asyncio.ensure_future(child.wait())
        told = asyncio.ensure_future(stopping.wait())
        try:
            await asyncio.wait({ended, told}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            told.cancel()
            code = await _end(child, ended)
        return code

    def _where_logs(self, name: str) -> str:
        program = next(program for program in self.programs if program.name == name)
        return f"its log: {program.log}" if program.log else "its log stands above"


async def _end(child: asyncio.subprocess.Process, ended: asyncio.Future[int]) -> int:
    """SIGTERM, and SIGKILL to what does not heed it."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            child.terminate()
        try:
            async with asyncio.timeout(STOP_PATIENCE):
                return await asyncio.shield(ended)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    return await ended


def _die_with_parent() -> None:
    """A service must not outlive a supervisor that was killed."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _code(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-code).name
    return f"exit code {code}"


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


async def not_ready(port: int) -> str:
    """Why the service behind `port` is not ready; empty when it is."""
    try:
        async with asyncio.timeout(2.0):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(b"GET /readyz HTTP/1.0\r\nHost: localhost\r\n\r\n")
                await writer.drain()
                answer = await reader.read()
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError) as error:
        return f"/readyz does not answer ({str(error) or type(error).__name__})"
    head, _, body = answer.partition(b"\r\n\r\n")
    if b" 200 " in head.split(b"\r\n", 1)[0]:
        return ""
    try:
        parts = json.loads(body)
    except ValueError:
        return "/readyz does not say what is missing"
    return ", ".join(f"{name}: {why}" for name, why in parts.items() if why != "ok")
