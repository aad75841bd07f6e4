"""mysqld as a process of ours, on 127.0.0.1."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from alterd_contracts.errors import LostSession, ShardUnreachable
from alterd_contracts.topology import ServerAddress
from alterd_runtime.mysql.connect import Credentials
from alterd_runtime.provision.endpoint import Endpoint
from alterd_runtime.provision.mysql_binary import MySQLBinary
from alterd_runtime.provision.mysql_template import errors_of, fill, run_as
from alterd_runtime.provision.ports import LOOPBACK, free_port
from alterd_runtime.provision.process import ServerProcess
from alterd_runtime.provision.replication import let_go
from alterd_runtime.provision.waiting import wait_until

START_TIMEOUT = 120.0
"""Seconds; a start takes 1 to 2, crash recovery of a large data folder longer."""
STOP_TIMEOUT = 60.0
PORT_TRIES = 3
"""A free port may be taken by somebody else before mysqld listens on it."""

# "loose": versions that do not know the option have no use for it either
_OPTIONS = (
    f"--bind-address={LOOPBACK}",
    "--skip-name-resolve",
    "--loose-mysqlx=OFF",
    "--log-bin=binlog",
    "--binlog-row-image=FULL",
    "--loose-binlog-format=ROW",
    "--gtid-mode=ON",
    "--enforce-gtid-consistency=ON",
    "--loose-log-replica-updates=ON",
    "--innodb-buffer-pool-size=128M",
    "--max-connections=200",
)
# What is lost is lost with the machine's power, not with a killed mysqld: the kernel has every commit.
_NOT_DURABLE = ("--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2")
_DURABLE = ("--sync-binlog=1", "--innodb-flush-log-at-trx-commit=1")


class MySQLServer:
    """One server with GTIDs and row-based binlogs.

    `binary`: the program, or how to find it when it is needed. `home`: folder of its data, log and pid file.
    `port`: 0 takes a free one and keeps it for later starts.
    `password`: root's, set at the first start; random unless given, and never on a command line.
    `durable`: False skips fsync. `options`: more of mysqld's, such as ``--lower-case-table-names=1``.
    With `die_with_parent` it is killed when this program ends, however it ends (Linux); without, it goes on and
    another `MySQLServer` with the same home, port and password finds it again.
    """

    def __init__(
        self,
        binary: MySQLBinary | Callable[[], MySQLBinary],
        home: Path,
        *,
        port: int = 0,
        password: str | None = None,
        durable: bool = True,
        die_with_parent: bool = True,
        options: Sequence[str] = (),
    ) -> None:
        self._binary = binary
        self.home = home.absolute()
        self.port = port
        self._credentials = Credentials("root", secrets.token_urlsafe(18) if password is None else password)
        self._durable = durable
        self._die_with_parent = die_with_parent
        self._options = tuple(options)
        self._may_move = port == 0
        self._data = self.home / "data"
        self._used = self.home / "used"
        self._process = ServerProcess(self.home / "mysqld.pid", self.home / "mysqld.log", f"--datadir={self._data}")

    @property
    def binary(self) -> MySQLBinary:
        """Raises what the finder raises."""
        if not isinstance(self._binary, MySQLBinary):
            self._binary = self._binary()
        return self._binary

    @property
    def endpoint(self) -> Endpoint:
        """As root; known once the server was started."""
        return Endpoint(ServerAddress(LOOPBACK, self.port), self._credentials)

    @property
    def source(self) -> ServerAddress:
        return self.endpoint.address

    @property
    def url(self) -> str:
        """With root's password."""
        return self.endpoint.url

    @property
    def pid(self) -> int | None:
        """None when it does not run."""
        return self._process.pid

    def start(self) -> None:
        """Returns when clients can connect; does nothing when it runs. Raises `ShardUnreachable`."""
        if self.pid is None:
            self._prepare()
            for left in reversed(range(PORT_TRIES if self._may_move else 1)):
                self.port = self.port or free_port()
                if self._launch() or not left or not self._port_was_taken():
                    break
                self.port = 0
            self._may_move = False
        else:
            self._wait()
        if self.pid is None:
            raise ShardUnreachable(
                f"{self.binary} does not start; from {self._process.log}:\n{errors_of(self._process.last_words(50))}",
                hint=f"is the port {self.port} taken, the disk full, the folder another user's?",
                server=self.source,
            )
        self._used.touch()

    def stop(self) -> None:
        """Ends it in order, and by force when it does not end. Idempotent."""
        if self.pid is not None:
            with contextlib.suppress(ShardUnreachable, LostSession):  # it hangs or ends already
                let_go(self.endpoint)
        self._process.stop(STOP_TIMEOUT)
        shutil.rmtree(self._socket_folder(), ignore_errors=True)

    def kill(self) -> None:
        """kill -9: what a crash of the server leaves."""
        self._process.kill()

    def restart(self) -> None:
        """Raises `ShardUnreachable`."""
        self.stop()
        self.start()

    def remove(self) -> None:
        """Ends it and deletes its data."""
        self.kill()
        shutil.rmtree(self._socket_folder(), ignore_errors=True)
        if self.home.exists():
            shutil.rmtree(self.home)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _prepare(self) -> None:
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            if not self._data.exists():
                fill(self._data, self.binary)
            self._socket_folder().mkdir(mode=0o700, exist_ok=True)
            for stale in self._socket_folder().iterdir():  # of a killed server; its lock file may name a live pid
                stale.unlink()
        except OSError as error:
            raise ShardUnreachable(
                f"MySQL cannot be started in {self.home}: {error.strerror or error}",
                hint="the folder must be writable and yours",
                folder=self.home,
            ) from error

    def _launch(self) -> bool:
        """Whether it came up."""
        init = self.home / "init.sql"
        options = self.home / "my.cnf"
        options.touch()  # empty: mysqld reads it in place of the machine's
        arguments = [*self.binary.command(f"--defaults-file={options}"), *self._arguments()]
        if not self._used.exists():
            init.touch(mode=0o600)
            init.write_text(_first_statements(self._credentials))
            arguments.append(f"--init-file={init}")
        try:
            if self._process.log.exists():
                self._process.log.replace(self._process.log.with_suffix(".log.old"))
            self._process.start(arguments, die_with_parent=self._die_with_parent)
            return self._wait()
        except BaseException:
            self._process.kill()
            raise
        finally:
            init.unlink(missing_ok=True)

    def _wait(self) -> bool:
        def answers() -> bool:
            with contextlib.suppress(ShardUnreachable):
                self.endpoint.open(connect_timeout=1.0).close()
                return True
            return False

        if not wait_until(lambda: self.pid is None or answers(), START_TIMEOUT):
            self._process.kill()
        return self.pid is not None

    def _port_was_taken(self) -> bool:
        return "Address already in use" in self._process.last_words(50)

    def _arguments(self) -> list[str]:
        return [
            f"--datadir={self._data}",
            f"--port={self.port}",
            f"--socket={self._socket_folder() / 'mysqld.sock'}",
            f"--server-id={self.port}",  # one of a kind on this machine
            f"--report-host={LOOPBACK}",
            f"--report-port={self.port}",
            *_OPTIONS,
            *(_DURABLE if self._durable else _NOT_DURABLE),
            *self._options,
            *run_as(),
        ]

    def _socket_folder(self) -> Path:
        # A socket's path has about 100 characters at most; `home` may be longer.
        name = hashlib.sha256(str(self.home).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"alterd-{os.geteuid()}-{name}"


def _first_statements(root: Credentials) -> str:
    """For --init-file: one statement a line, run before the server listens. Not logged: servers start alike."""
    password = root.password.replace("\\", "\\\\").replace("'", "''")
    statements = (
        "SET SESSION sql_log_bin = 0",
        f"ALTER USER 'root'@'localhost' IDENTIFIED BY '{password}'",
        f"CREATE USER IF NOT EXISTS 'root'@'{LOOPBACK}' IDENTIFIED BY '{password}'",
        f"GRANT ALL ON *.* TO 'root'@'{LOOPBACK}' WITH GRANT OPTION",
        f"GRANT PROXY ON ''@'' TO 'root'@'{LOOPBACK}' WITH GRANT OPTION",
    )
    return "".join(f"{statement};\n" for statement in statements)
