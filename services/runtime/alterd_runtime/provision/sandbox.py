"""A sandbox in a folder: for each shard a MySQL primary and its replicas, with a keyspace file for alterd.

The servers go on when the command that started them ends; another command finds them by their pid files.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import msgspec

from alterd_contracts.errors import InvalidSetting, ShardUnreachable
from alterd_runtime.mysql.connect import Credentials
from alterd_runtime.mysql.quoting import identifier
from alterd_runtime.provision import ladder, mysql_binary
from alterd_runtime.provision.endpoint import Endpoint
from alterd_runtime.provision.folders import state_folder
from alterd_runtime.provision.ladder import Rung
from alterd_runtime.provision.locks import exclusive
from alterd_runtime.provision.mysql_binary import MySQLBinary
from alterd_runtime.provision.mysql_container import MySQLContainer
from alterd_runtime.provision.mysql_server import MySQLServer
from alterd_runtime.provision.ports import LOOPBACK, free_port, is_free
from alterd_runtime.provision.replication import follow
from alterd_runtime.provision.server import Server

SCHEMA = "commerce"
USER = "alterd"

ONE_SHARD = "0"
SHARDS = (1, 2, 4, 8)
"""How many there may be: keyranges of one length."""

KEYSPACE = """\
[keyspace]
name = "{schema}"
"""
SHARD = """
[[keyspace.shards]]
name = "{shard}"
schema = "{schema}"
servers = [{servers}]
user = "{user}"
password = {{ file = {password_file} }}
"""

Say = Callable[[str], None]


class SandboxServer(msgspec.Struct, frozen=True, kw_only=True):
    """One server of the sandbox."""

    name: str
    """``primary``, ``replica-1``, …; of several shards ``shard-1-primary``, …"""
    port: int
    pid: int = 0
    """0: not running."""
    shard: str = ONE_SHARD

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.port}"


class SandboxStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What there is."""

    home: str
    keyspace_file: str
    servers: tuple[SandboxServer, ...] = ()

    @property
    def running(self) -> bool:
        return bool(self.servers) and all(server.pid for server in self.servers)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a sandbox was made of; every later command does it the same way."""

    rung: Rung
    servers: tuple[SandboxServer, ...]

    @property
    def shards(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(server.shard for server in self.servers))

    def of(self, shard: str) -> tuple[SandboxServer, ...]:
        """The primary first."""
        return tuple(server for server in self.servers if server.shard == shard)


def names_of(shards: int) -> tuple[str, ...]:
    """``0``, or keyranges: ``-80`` and ``80-``."""
    if shards == 1:
        return (ONE_SHARD,)
    borders = ["", *(f"{256 // shards * number:02x}" for number in range(1, shards)), ""]
    return tuple(f"{low}-{high}" for low, high in pairwise(borders))


class Sandbox:
    """For each shard a primary and `replicas` replicas below `home`. One command at a time changes it; others wait.

    `shards`: 0 for as many as there are, else one.
    """

    def __init__(
        self, home: Path | None = None, *, replicas: int = 1, shards: int = 0, die_with_parent: bool = False
    ) -> None:
        self.home = (home or state_folder() / "sandbox").absolute()
        self._replicas, self._shards, self._die_with_parent = replicas, shards, die_with_parent
        self._servers: dict[str, Server] = {}
        self._binary: MySQLBinary | None = None

    @property
    def password_file(self) -> Path:
        """The password of the account `alterd`."""
        return self.home / "password"

    @property
    def keyspace_file(self) -> Path:
        return self.home / "keyspace.toml"

    def status(self) -> SandboxStatus:
        """The servers as they are now; none where `up` never ran."""
        plan = self._remembered()
        servers = tuple(self._seen(plan.rung, server) for server in plan.servers) if plan is not None else ()
        return SandboxStatus(home=str(self.home), keyspace_file=str(self.keyspace_file), servers=servers)

    def up(self, say: Say = lambda _: None) -> SandboxStatus:
        """Starts what is not running, adds replicas that are asked for. Raises `ShardUnreachable` with what to do."""
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            with exclusive(self.home / "lock"):
                self._up(say)
        except OSError as error:
            raise ShardUnreachable(
                f"the sandbox {self.home} cannot be made: {error.strerror or error}",
                hint="make the folder writable, or set ALTERD_HOME",
                folder=self.home,
            ) from error
        return self.status()

    def down(self, say: Say = lambda _: None) -> SandboxStatus:
        """Stops the servers, replicas first; their data stays."""
        plan = self._remembered()
        if plan is not None:
            with exclusive(self.home / "lock"):
                for server in reversed(self.status().servers):
                    if server.pid:
                        say(f"stopping the {server.name} on {server.address}")
                        self._server(plan.rung, server).stop()
        return self.status()

    def _up(self, say: Say) -> None:
        plan = self._planned(say)
        self._remember(plan)
        self._secret(self.password_file)
        servers = [self._server(plan.rung, server, say) for server in plan.servers]
        if plan.rung is not Rung.DOCKER and any(server.pid is None for server in servers):
            self._program(plan.rung, say)
        waiting = []
        for known, server in zip(plan.servers, servers, strict=True):
            if server.pid is None:
                say(f"starting the {known.name} on {known.address}")
                waiting.append(server)
            else:
                say(f"{known.name} runs on {known.address}")
        with ThreadPoolExecutor(max_workers=max(1, len(servers))) as pool:
            list(pool.map(lambda server: server.start(), servers))
        for shard in plan.shards:
            of_shard = [server for known, server in zip(plan.servers, servers, strict=True) if known.shard == shard]
            self._replicate(of_shard, waiting, say)
        self._write(self.keyspace_file, self._keyspace(plan))

    def _replicate(self, servers: Sequence[Server], waiting: Sequence[Server], say: Say) -> None:
        """The first server is the primary."""
        primary, *replicas = servers
        self._furnish(primary.endpoint)
        for replica in replicas:
            if replica in waiting or primary in waiting:
                say(f"the replica on {replica.endpoint.address} follows {primary.endpoint.address}")
            follow(replica.endpoint, primary.endpoint, primary.source)

    def _keyspace(self, plan: Plan) -> str:
        shards = (
            SHARD.format(
                shard=shard,
                schema=SCHEMA,
                servers=", ".join(f'"{server.address}"' for server in plan.of(shard)),
                user=USER,
                password_file=msgspec.json.encode(str(self.password_file)).decode(),
            )
            for shard in plan.shards
        )
        return KEYSPACE.format(schema=SCHEMA) + "".join(shards)

    def _planned(self, say: Say) -> Plan:
        """The plan as it was, with more replicas if asked for; a stopped server's port moves if somebody took it.

        Raises `InvalidSetting` where another number of shards is asked for.
        """
        old = self._remembered()
        rung = old.rung if old is not None else ladder.choose(ladder.look(allow_url=False), allow_url=False)
        shards = self._shards_of(old)
        there: dict[str, SandboxServer] = {}
        for server in old.servers if old is not None else ():
            there[server.name] = self._placed(rung, server, say)
        servers: list[SandboxServer] = []
        for number, shard in enumerate(shards, start=1):
            prefix = f"shard-{number}-" if len(shards) > 1 else ""
            count = max(len(old.of(shard)) if old is not None else 0, self._replicas + 1)
            for place in range(count):
                name = prefix + (f"replica-{place}" if place else "primary")
                servers.append(there.get(name) or SandboxServer(name=name, port=free_port(), shard=shard))
        return Plan(rung=rung, servers=tuple(servers))

    def _shards_of(self, old: Plan | None) -> tuple[str, ...]:
        if old is None:
            return names_of(self._shards or 1)
        if self._shards not in (0, len(old.shards)):
            raise InvalidSetting(
                f"the sandbox {self.home} has {len(old.shards)} shard{'' if len(old.shards) == 1 else 's'}",
                hint="`alterd sandbox down` and remove the folder, or choose another one with ALTERD_HOME",
                folder=self.home,
            )
        return old.shards

    def _placed(self, rung: Rung, server: SandboxServer, say: Say) -> SandboxServer:
        if self._seen(rung, server).pid or is_free(server.port):
            return server
        moved = msgspec.structs.replace(server, port=free_port())
        say(f"the port of the {server.name} is taken: it moves from {server.port} to {moved.port}")
        self._servers.pop(server.name, None)
        return moved

    def _seen(self, rung: Rung, server: SandboxServer) -> SandboxServer:
        pid = self._server(rung, server).pid
        return msgspec.structs.replace(server, pid=pid or 0)

    def _server(self, rung: Rung, server: SandboxServer, say: Say = lambda _: None) -> Server:
        if server.name not in self._servers:
            self._servers[server.name] = self._made(rung, server, say)
        return self._servers[server.name]

    def _made(self, rung: Rung, server: SandboxServer, say: Say) -> Server:
        root = self._secret(self.home / "root-password")
        if rung is Rung.DOCKER:
            network = f"alterd-sandbox-{hashlib.sha256(str(self.home).encode()).hexdigest()[:8]}"
            return MySQLContainer(
                f"{network}-{server.name}",
                network,
                port=server.port,
                password=root,
                die_with_parent=self._die_with_parent,
            )
        return MySQLServer(
            lambda: self._program(rung, say),  # status and down need none
            self.home / server.name,
            port=server.port,
            password=root,
            die_with_parent=self._die_with_parent,
        )

    def _program(self, rung: Rung, say: Say) -> MySQLBinary:
        """Looked for once."""
        if self._binary is None:
            on_path = mysql_binary.on_path(say) if rung is Rung.PATH else None
            self._binary = on_path or mysql_binary.from_debian(say)
        return self._binary

    def _furnish(self, primary: Endpoint) -> None:
        """The schema and the account, on the primary; replicas receive them."""
        session = primary.open()
        try:
            password = self._secret(self.password_file)
            session.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(SCHEMA)}")
            if self._is_welcome(Endpoint(primary.address, Credentials(USER, password))):
                return
            session.execute("CREATE USER IF NOT EXISTS %s@'%' IDENTIFIED BY %s", (USER, password))
            session.execute("ALTER USER %s@'%' IDENTIFIED BY %s", (USER, password))
            session.execute("GRANT ALL ON *.* TO %s@'%' WITH GRANT OPTION", (USER,))
        finally:
            session.close()

    def _is_welcome(self, account: Endpoint) -> bool:
        try:
            account.open().close()
        except ShardUnreachable:
            return False
        return True

    def _remembered(self) -> Plan | None:
        file = self.home / "sandbox.json"
        try:
            return msgspec.json.decode(file.read_bytes(), type=Plan)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise InvalidSetting(
                f"{file} cannot be read: {error}",
                hint=f"another version wrote it: stop its servers, remove {self.home}, and run up again",
                setting=str(file),
            ) from None

    def _remember(self, plan: Plan) -> None:
        self._write(self.home / "sandbox.json", msgspec.json.encode(plan).decode())

    def _secret(self, file: Path) -> str:
        """Made once, readable by its owner only; there whole or not at all."""
        if not file.exists():
            fresh = file.with_name(f"{file.name}.new")
            fresh.unlink(missing_ok=True)
            fresh.touch(mode=0o600)
            fresh.write_text(secrets.token_urlsafe(18))
            fresh.replace(file)
        return file.read_text().strip()

    def _write(self, file: Path, text: str) -> None:
        fresh = file.with_name(f"{file.name}.new")
        fresh.write_text(text)
        fresh.replace(file)
