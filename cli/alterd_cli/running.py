"""A whole alterd on this machine: NATS and the four services, as ``up`` and ``demo`` run it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

from alterd_cli import services
from alterd_cli.supervision import Program, Say, Supervisor, free_port
from alterd_contracts.errors import BusUnreachable, Refused
from alterd_runtime.provision.nats_server import NatsServer

READY_TIMEOUT = 60.0
"""Seconds for all services to be ready."""
NATS_LOOK_INTERVAL = 0.5
"""Seconds between looks whether NATS still runs."""


@contextlib.contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Two of them on one folder would fight. Raises `Refused`."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (home / "up.lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            pid = lock.read().strip()
            raise Refused(
                f"alterd runs already on {home} (process {pid})",
                hint="stop it with Ctrl-C there, or choose another folder with ALTERD_HOME",
                home=home,
            ) from None
        lock.seek(0)
        lock.truncate()
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def programs(
    home: Path, nats_url: str, *, environ: Mapping[str, str] | None = None, logs_here: bool = False
) -> list[Program]:
    """The four services, each with a port of its own for /readyz. `logs_here`: their logs go to our stderr."""
    folder = home / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for name in services.CORE:
        port = free_port()
        extra = {"ALTERD_NATS__SERVERS": nats_url, "ALTERD_HTTP__PORT": str(port), "PYTHONUNBUFFERED": "1"}
        found.append(
            Program(
                name=name,
                argv=services.command(name),
                environ={**os.environ, **(environ or {}), **extra},
                port=port,
                log=None if logs_here else folder / f"{name}.log",
            )
        )
    return found


@contextlib.asynccontextmanager
async def everything(
    home: Path,
    nats_port: int,
    say: Say,
    *,
    environ: Mapping[str, str] | None = None,
    logs_here: bool = False,
) -> AsyncIterator[tuple[NatsServer, Supervisor]]:
    """Runs all until the block ends; it begins when all is ready. Commands with the same `home` find its NATS.

    Raises `BusUnreachable` (NATS does not start), `ServiceUnreachable` (a service does not become ready).
    """
    server = NatsServer(home / "nats", nats_port)
    stopping = asyncio.Event()
    try:
        server.start()
        write_whole(home / "nats.url", server.url + "\n")
        say(f"NATS answers at {server.url}")
        supervisor = Supervisor(programs(home, server.url, environ=environ, logs_here=logs_here), say)
        running = asyncio.create_task(supervisor.run(stopping))
        guard = asyncio.create_task(_guard(server, say))
        try:
            await supervisor.ready(READY_TIMEOUT)
            yield server, supervisor
        finally:
            stopping.set()
            await asyncio.gather(running)
            guard.cancel()
            await asyncio.gather(guard, return_exceptions=True)
    finally:
        (home / "nats.url").unlink(missing_ok=True)
        server.stop()


def write_whole(path: Path, text: str) -> None:
    """Readers see all of it, or what was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    draft.write_text(text)
    draft.replace(path)


async def _guard(server: NatsServer, say: Say) -> None:
    """Starts NATS again when it dies; it keeps its port and its data."""
    while True:
        await asyncio.sleep(NATS_LOOK_INTERVAL)
        if server.pid:
            continue
        say("NATS ended; starting it again")
        try:
            server.start()
        except BusUnreachable as error:
            say(f"NATS does not start: {error.message}")
