"""A sandbox in a folder: a MySQL primary and its replicas, with a keyspace file for alterd.

The servers go on when the command that started them ends; another command finds them by their pid files.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path

import msgspec

from alterd_runtime.provision.folders import state_folder
from alterd_runtime.provision.mysql_binary import find_mysqld
from alterd_runtime.provision.mysql_server import MySQLServer
from alterd_runtime.provision.ports import free_port
from alterd_runtime.provision.process import ServerProcess

SCHEMA = "commerce"
USER = "alterd"
STOP_TIMEOUT = 60.0

KEYSPACE = """\
[keyspace]
name = "{schema}"
default_ddl_strategy = "mysql"

[[keyspace.shards]]
name = "0"
schema = "{schema}"
servers = [{servers}]
user = "{user}"
password = {{ file = "{password_file}" }}
"""

Say = Callable[[str], None]


class SandboxServer(msgspec.Struct, frozen=True, kw_only=True):
    """One server of the sandbox."""

    name: str
    """``primary``, ``replica-1``, …"""
    port: int
    server_id: int
    pid: int = 0
    """0: not running."""

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


class SandboxStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What there is."""

    home: str
    keyspace_file: str
    servers: tuple[SandboxServer, ...] = ()

    @property
    def running(self) -> bool:
        return bool(self.servers) and all(server.pid for server in self.servers)


class Sandbox:
    """A primary and `replicas` replicas below `home`."""

    def __init__(self, home: Path | None = None, *, replicas: int = 1, die_with_parent: bool = False) -> None:
        self.home = home or state_folder() / "sandbox"
        self._replicas, self._die_with_parent = replicas, die_with_parent
        self._processes: dict[str, ServerProcess] = {}

    @property
    def password_file(self) -> Path:
        return self.home / "password"

    @property
    def keyspace_file(self) -> Path:
        return self.home / "keyspace.toml"

    def status(self) -> SandboxStatus:
        """The servers as they are now; none where `up` never ran."""
        servers = tuple(msgspec.structs.replace(server, pid=self._pid(server.name)) for server in self._remembered())
        return SandboxStatus(home=str(self.home), keyspace_file=str(self.keyspace_file), servers=servers)

    def up(self, say: Say = lambda _: None) -> SandboxStatus:
        """Starts what is not running. Raises `ShardUnreachable` with what to do."""
        self.home.mkdir(parents=True, exist_ok=True)
        mysqld = find_mysqld(say)
        plan = self._remembered() or self._planned()
        password = self._password()
        self._remember(plan)
        servers: list[MySQLServer] = []
        for known in plan:
            server = MySQLServer(
                mysqld,
                self.home / known.name,
                server_id=known.server_id,
                user=USER,
                password=password,
                port=known.port,
                die_with_parent=self._die_with_parent,
            )
            servers.append(server)
            if self._pid(known.name):
                say(f"{known.name} runs on {server.address}")
                continue
            self._processes[known.name] = server.process
            say(f"starting the {known.name} on {server.address}")
            server.start()
        primary, *replicas = servers
        primary.run(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}")
        for replica in replicas:
            if not replica.run("SHOW REPLICA STATUS"):
                say(f"replica on {replica.address} follows {primary.address}")
                replica.replicate_from(primary)
        addresses = ", ".join(f'"{server.address}"' for server in servers)
        self.keyspace_file.write_text(
            KEYSPACE.format(schema=SCHEMA, servers=addresses, user=USER, password_file=self.password_file)
        )
        return self.status()

    def down(self, say: Say = lambda _: None) -> SandboxStatus:
        """Stops the servers, replicas first; their data stays."""
        for server in reversed(self.status().servers):
            if server.pid:
                say(f"stopping the {server.name} on {server.address}")
                self._process(server.name).stop(STOP_TIMEOUT)
        return self.status()

    def _pid(self, name: str) -> int:
        """The running server's process id, 0 where none runs."""
        return self._process(name).pid or 0

    def _process(self, name: str) -> ServerProcess:
        if name not in self._processes:
            home = self.home / name
            self._processes[name] = ServerProcess(
                home / "mysqld.pid", home / "mysqld.log", f"--datadir={home / 'data'}"
            )
        return self._processes[name]

    def _planned(self) -> tuple[SandboxServer, ...]:
        names = ["primary", *(f"replica-{number}" for number in range(1, self._replicas + 1))]
        return tuple(
            SandboxServer(name=name, port=free_port(), server_id=number) for number, name in enumerate(names, start=1)
        )

    def _remembered(self) -> tuple[SandboxServer, ...]:
        try:
            text = (self.home / "sandbox.json").read_bytes()
        except FileNotFoundError:
            return ()
        return msgspec.json.decode(text, type=tuple[SandboxServer, ...])

    def _remember(self, servers: tuple[SandboxServer, ...]) -> None:
        (self.home / "sandbox.json").write_bytes(msgspec.json.encode(servers))

    def _password(self) -> str:
        """Made once, readable by its owner only."""
        if not self.password_file.exists():
            self.password_file.touch(mode=0o600)
            self.password_file.write_text(secrets.token_hex(16))
        return self.password_file.read_text()
