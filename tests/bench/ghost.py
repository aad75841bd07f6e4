"""gh-ost: found or built by ``scripts/get-gh-ost``, run on the primary itself."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import NamedTuple

import msgspec

from tests.bench.changes import PATIENCE, ChangeFailed, Held, Outcome
from tests.bench.ghost_output import Course
from tests.bench.stand import CLAUSE, SCHEMA, TABLE, Stand

SCRIPT = Path(__file__).parents[2] / "scripts" / "get-gh-ost"
BUILDING = 900.0
"""Seconds for building it."""


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A gh-ost that runs here."""

    path: Path
    version: str


class NotHere(Exception):
    """There is no gh-ost; the text says why."""


def find(script: Path = SCRIPT) -> Program:
    """Raises `NotHere`."""
    try:
        got = subprocess.run([script], check=False, capture_output=True, text=True, timeout=BUILDING)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotHere(f"{script.name} does not come to an end: {error}") from error
    if got.returncode:
        raise NotHere((got.stderr.strip() or f"{script.name} ended with {got.returncode}").splitlines()[-1])
    path = Path(got.stdout.strip())
    try:
        said = subprocess.run([path, "--version"], check=True, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        raise NotHere(f"{path.name} does not run: {error}") from error
    return Program(path=path, version=said.stdout.strip())


class GhOst:
    """With the old table kept, as alterd does. `options`: those that this contestant is about."""

    def __init__(self, stand: Stand, program: Program, folder: Path, name: str, options: tuple[str, ...]) -> None:
        self._stand, self._program = stand, program
        self.name, self._options = name, options
        self.how = " ".join(("gh-ost --allow-on-master", *options))
        self._folder = folder
        self._folder.mkdir(parents=True, exist_ok=True)
        self._flag = folder / "postpone"

    @contextlib.asynccontextmanager
    async def _configured(self) -> AsyncIterator[None]:
        credentials = self._stand.server.endpoint.credentials
        self._conf.touch(mode=0o600)
        self._conf.write_text(f"[client]\nuser={credentials.user}\npassword={credentials.password}\n")
        try:
            yield
        finally:
            self._conf.unlink()

    def on_stage(self) -> AbstractAsyncContextManager[None]:
        return self._configured()

    async def change(self) -> Outcome:
        begun = time.monotonic()
        async with self._started() as running:
            return await self._ended(running, begun)

    @contextlib.asynccontextmanager
    async def held(self) -> AsyncIterator[Held]:
        self._flag.touch()
        begun = time.monotonic()
        async with self._started(f"--postpone-cut-over-flag-file={self._flag}") as running:
            await asyncio.wait_for(running.waits.wait(), PATIENCE)
            if running.course.postponed is None:
                await running.process.wait()
                raise self._failed(running)
            yield Held(shadow=f"_{TABLE}_gho", pids=(running.process.pid,))
            self._flag.unlink()
            await self._ended(running, begun)

    @property
    def _conf(self) -> Path:
        return self._folder / "gh-ost.cnf"

    @contextlib.asynccontextmanager
    async def _started(self, *more: str) -> AsyncIterator[_Running]:
        socket = self._folder / "gh-ost.sock"
        socket.unlink(missing_ok=True)
        address = self._stand.server.endpoint.address
        process = await asyncio.create_subprocess_exec(
            self._program.path,
            *("--execute", "--verbose", "--allow-on-master", "--assume-rbr", f"--conf={self._conf}"),
            *(f"--host={address.host}", f"--port={address.port}", f"--serve-socket-file={socket}"),
            *(f"--database={SCHEMA}", f"--table={TABLE}", f"--alter={CLAUSE}", *self._options, *more),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        course = Course()
        waits = asyncio.Event()
        running = _Running(process, course, waits, asyncio.create_task(_listen(process, course, waits)))
        try:
            yield running
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
            await running.listening

    async def _ended(self, running: _Running, begun: float) -> Outcome:
        code = await asyncio.wait_for(running.process.wait(), PATIENCE)
        ended = time.monotonic()
        await running.listening
        course = running.course
        if code or course.copy_began is None or course.copy_ended is None:
            raise self._failed(running)
        said = "" if course.locked is None else f"locked for {course.locked:.3f} s"
        return Outcome(
            begun=begun,
            copy_began=course.copy_began,
            copy_ended=course.copy_ended,
            ended=ended,
            phases={
                "before the copy": course.copy_began - begun,
                "copy": course.copy_ended - course.copy_began,
                "after the copy": ended - course.copy_ended,
            },
            said=said,
        )

    def _failed(self, running: _Running) -> ChangeFailed:
        words = "\n".join(running.course.last_words)
        return ChangeFailed(f"{self.name} ended with {running.process.returncode}:\n{words}")


class _Running(NamedTuple):
    process: asyncio.subprocess.Process
    course: Course
    waits: asyncio.Event
    """Set when it waits before its cut-over, or has ended."""
    listening: asyncio.Task[None]


async def _listen(process: asyncio.subprocess.Process, course: Course, waits: asyncio.Event) -> None:
    assert process.stdout is not None
    try:
        async for line in process.stdout:
            course.hear(time.monotonic(), line.decode(errors="replace").rstrip())
            if course.postponed is not None:
                waits.set()
    finally:
        waits.set()
