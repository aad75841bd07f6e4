"""``alterd up``: a whole alterd in the foreground, until a signal."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path

import msgspec

from alterd_cli import home
from alterd_cli.output import note
from alterd_cli.running import everything, only_one, write_whole
from alterd_cli.supervision import Supervisor
from alterd_runtime.provision.nats_server import NatsServer


async def run_here(nats_port: int, ready_file: Path | None, *, verbose: bool) -> None:
    """Returns after SIGINT or SIGTERM, when all is stopped.

    Raises `Refused` (it runs already), `BusUnreachable`, `ServiceUnreachable` (something does not start).
    """
    folder = home.folder()
    waiting = _Signals()
    with only_one(folder), contextlib.ExitStack() as written:
        note(f"state and logs are in {folder}")
        try:
            async with everything(folder, nats_port, note, logs_here=verbose) as (nats, supervisor):
                waiting.started()
                if ready_file is not None:
                    write_whole(ready_file, _document(nats, supervisor))
                    written.callback(ready_file.unlink, missing_ok=True)
                note("everything is ready: intake, scheduler, executor, throttler. Ctrl-C stops it.")
                await waiting.asked.wait()
                note("stopping")
        except asyncio.CancelledError:
            if not waiting.asked.is_set():
                raise
    note("stopped")


class _Signals:
    """While all is starting a signal breaks the start off; after that it is waited for. A second one is ignored."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self._starting = asyncio.current_task()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, self._stop)

    def started(self) -> None:
        self._starting = None

    def _stop(self) -> None:
        if not self.asked.is_set():
            self.asked.set()
            if self._starting is not None:
                self._starting.cancel()


def _document(nats: NatsServer, supervisor: Supervisor) -> str:
    services = {
        program.name: {"pid": supervisor.pid(program.name), "http": f"http://127.0.0.1:{program.port}"}
        for program in supervisor.programs
    }
    return msgspec.json.encode({"nats": nats.url, "services": services}).decode() + "\n"
