"""Where runs get their processes from: a template that has everything loaded, and forks."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections import deque

import structlog

from alterd_contracts.errors import RunDied
from alterd_executor.children import Child
from alterd_executor.programs import pump
from alterd_executor.protocol import Channel, FromRun
from alterd_executor.template import ENDED, FORK, FORKED, REAP, WORD

log = structlog.get_logger(__name__)

TRIES = 3
"""Templates that are started for one process."""
KILLED = -9
"""What became of runs whose template died: the system ends them with it."""


Forked = tuple[int, asyncio.Future[int]]
"""A process id, and the exit code in time (negative: a signal)."""


class Template:
    """A running template."""

    def __init__(self, process: asyncio.subprocess.Process, asked: socket.socket) -> None:
        self._process, self._asked = process, asked
        self._forking: deque[asyncio.Future[Forked]] = deque()
        self._exits: dict[int, asyncio.Future[int]] = {}
        self._heard = b""
        self.alive = True
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(asked.fileno(), self._hear)
        assert process.stdout is not None
        self._pumping = asyncio.create_task(pump(process.stdout, _says))

    @classmethod
    async def start(cls) -> Template:
        ours, theirs = socket.socketpair()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "alterd_executor.template"),
                *("--fd", str(theirs.fileno()), "--parent", str(os.getpid())),
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
        ours.setblocking(False)
        return cls(process, ours)

    async def fork(self, channel: int, output: int) -> Forked:
        """A run on these descriptors. Raises `RunDied`."""
        forked: asyncio.Future[Forked] = self._loop.create_future()
        self._forking.append(forked)
        try:
            socket.send_fds(self._asked, [WORD.pack(FORK, 0, 0)], [channel, output])
        except OSError as error:
            self._died()
            raise RunDied(f"no process can be started for the run: {error}") from None
        return await asyncio.shield(forked)

    async def close(self) -> None:
        """Ends it, and every run with it."""
        self._died()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        await self._pumping

    def _hear(self) -> None:
        try:
            heard = self._asked.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            heard = b""
        if not heard:
            self._died()
            return
        self._heard += heard
        while len(self._heard) >= WORD.size:
            word, self._heard = self._heard[: WORD.size], self._heard[WORD.size :]
            kind, pid, code = WORD.unpack(word)
            if kind == FORKED and pid:
                exited = self._exits[pid] = self._loop.create_future()
                self._forking.popleft().set_result((pid, exited))
            elif kind == FORKED:
                why = RunDied(f"no process can be started for the run: {os.strerror(code)}")
                self._forking.popleft().set_exception(why)
            elif kind == ENDED:
                self._exits.pop(pid).set_result(code)
                self._forget(pid)

    def _forget(self, pid: int) -> None:
        try:
            self._asked.send(WORD.pack(REAP, pid, 0))
        except OSError:
            self._died()

    def _died(self) -> None:
        if not self.alive:
            return
        self.alive = False
        self._loop.remove_reader(self._asked.fileno())
        self._asked.close()
        while self._forking:
            self._forking.popleft().set_exception(RunDied("no process can be started for the run: its template died"))
        for exited in self._exits.values():
            exited.set_result(KILLED)


class Nursery:
    """Hands out processes. The template is started ahead of the first."""

    def __init__(self) -> None:
        self._template: asyncio.Task[Template] | None = None

    def prepare(self) -> None:
        """Starts the template if there is none."""
        if self._template is None:
            self._template = asyncio.create_task(Template.start())

    async def take(self) -> Child:
        """A process that waits for its `Start`. Raises `RunDied`."""
        for left in reversed(range(TRIES)):
            try:
                return await self._forked(await self._ready())
            except RunDied as error:
                log.warning("executor.not_forked", why=error.message)
                if not left:
                    raise
        raise AssertionError("the last try returns or raises")

    async def close(self) -> None:
        starting, self._template = self._template, None
        if starting is not None:
            with contextlib.suppress(OSError):
                await (await starting).close()

    async def _ready(self) -> Template:
        self.prepare()
        assert self._template is not None
        starting = self._template
        try:
            template = await asyncio.shield(starting)
        except OSError as error:
            self._forget(starting)
            raise RunDied(f"no process can be started for the run: {error}") from None
        if template.alive:
            return template
        self._forget(starting)
        await template.close()
        return await self._ready()

    def _forget(self, starting: asyncio.Task[Template]) -> None:
        if self._template is starting:
            self._template = None

    async def _forked(self, template: Template) -> Child:
        ours, theirs = socket.socketpair()
        reads, writes = os.pipe()
        try:
            with theirs, os.fdopen(writes, "wb", buffering=0), contextlib.ExitStack() as unless_forked:
                printed = unless_forked.enter_context(os.fdopen(reads, "rb", buffering=0))
                pid, exited = await template.fork(theirs.fileno(), writes)
                unless_forked.pop_all()
            output = asyncio.StreamReader()
            loop = asyncio.get_running_loop()
            await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(output), printed)
            return Child(pid, exited, await Channel.over(ours, FromRun), output)
        except BaseException:
            ours.close()  # one that was forked nevertheless ends by that
            raise


def _says(line: str) -> None:
    log.warning("executor.template_says", line=line)
