"""A MySQL server in a folder: for the sandbox, the demo and the tests. Listens on 127.0.0.1 only."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from alterd_contracts.errors import AlterdError, ShardUnreachable
from alterd_runtime.mysql.connect import connect
from alterd_runtime.provision.ports import free_port
from alterd_runtime.provision.process import ServerProcess
from alterd_runtime.provision.waiting import wait_until

START_TIMEOUT = 60.0
STOP_TIMEOUT = 60.0
PROBE_PAUSE = 0.05

OPTIONS = (
    "--bind-address=127.0.0.1",
    "--mysqlx=OFF",
    "--gtid-mode=ON",
    "--enforce-gtid-consistency=ON",
    "--log-bin=binlog",
    "--log-replica-updates=ON",
    "--binlog-expire-logs-seconds=86400",
    "--innodb-buffer-pool-size=128M",
    "--innodb-redo-log-capacity=64M",
    "--skip-replica-start=OFF",
    "--max-connections=500",
)
NOT_DURABLE = ("--sync-binlog=0", "--innodb-flush-log-at-trx-commit=2")


class MySQLServer:
    """One server with an account that may do everything. It keeps its port over restarts."""

    def __init__(
        self,
        mysqld: Path,
        home: Path,
        *,
        server_id: int,
        user: str = "alterd",
        password: str = "",
        port: int = 0,
        durable: bool = True,
        die_with_parent: bool = True,
        extra: tuple[str, ...] = (),
    ) -> None:
        self._mysqld, self._home = mysqld, home
        self.server_id, self.user = server_id, user
        self.password = password or secrets.token_hex(12)
        self.port = port or free_port()
        self._durable, self._die_with_parent, self._extra = durable, die_with_parent, extra
        self._data = home / "data"
        self.process = ServerProcess(home / "mysqld.pid", home / "mysqld.log", f"--datadir={self._data}")

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def pid(self) -> int | None:
        """None when it does not run."""
        return self.process.pid

    def start(self) -> None:
        """Makes the data folder the first time; returns when the server answers. Raises `ShardUnreachable`."""
        if self.pid is not None:
            return
        first = not (self._data / "mysql.ibd").exists()
        self._home.mkdir(parents=True, exist_ok=True)
        arguments = [f"--datadir={self._data}", *(["--user=root"] if os.geteuid() == 0 else [])]
        if first:
            shutil.rmtree(self._data, ignore_errors=True)
            self._run_to_end([*arguments, "--initialize-insecure"])
        accounts = self._home / "accounts.sql"
        accounts.touch(mode=0o600)
        accounts.write_text(self._accounts())
        # short, for a socket's path has room for about 100 characters; new, for a killed server leaves its own
        socket = Path(tempfile.gettempdir()) / f"alterd-{secrets.token_hex(6)}.sock"
        argv = [
            str(self._mysqld),
            *arguments,
            f"--port={self.port}",
            f"--socket={socket}",
            f"--server-id={self.server_id}",
            "--report-host=127.0.0.1",
            f"--report-port={self.port}",
            f"--pid-file={self._home / 'server.pid'}",
            f"--init-file={accounts}",
            *OPTIONS,
            *(() if self._durable else NOT_DURABLE),
            *self._extra,
        ]
        self.process.start(argv, die_with_parent=self._die_with_parent)
        try:
            self._wait_until_it_answers()
        finally:
            accounts.unlink()

    def session(self, database: str | None = None) -> Any:
        """A PyMySQL connection of the account."""
        return connect("127.0.0.1", self.port, self.user, self.password, database=database)

    def run(self, *statements: str) -> list[Any]:
        """Runs statements in one session; the rows of the last."""
        connection = self.session()
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def replicate_from(self, primary: MySQLServer) -> None:
        """Becomes a read-only replica of `primary`."""
        self.run(
            "STOP REPLICA",
            f"CHANGE REPLICATION SOURCE TO SOURCE_HOST='127.0.0.1', SOURCE_PORT={primary.port},"
            f" SOURCE_USER='{primary.user}', SOURCE_PASSWORD='{primary.password}', SOURCE_AUTO_POSITION=1,"
            " GET_SOURCE_PUBLIC_KEY=1, SOURCE_CONNECT_RETRY=1, SOURCE_RETRY_COUNT=86400",
            "START REPLICA",
            "SET PERSIST read_only=ON",
            "SET PERSIST super_read_only=ON",
        )

    def promote(self) -> None:
        """A replica becomes a primary."""
        self.run("STOP REPLICA", "RESET REPLICA ALL", "SET PERSIST super_read_only=OFF", "SET PERSIST read_only=OFF")

    def stop(self) -> None:
        """Ends it in order. Idempotent."""
        self.process.stop(STOP_TIMEOUT)

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _accounts(self) -> str:
        """Made on each server by itself, outside the binary log: a replica needs no copy of them."""
        account = f"'{self.user}'@'%'"
        lines = [
            "SET sql_log_bin=0",
            f"CREATE USER IF NOT EXISTS {account} IDENTIFIED BY '{self.password}'",
            f"GRANT ALL ON *.* TO {account} WITH GRANT OPTION",
            f"ALTER USER 'root'@'localhost' IDENTIFIED BY '{secrets.token_hex(16)}'",
        ]
        return ";\n".join(lines) + ";\n"

    def _wait_until_it_answers(self) -> None:
        if not wait_until(lambda: self._answers() or self.pid is None, START_TIMEOUT, PROBE_PAUSE) or self.pid is None:
            self.kill()
            raise ShardUnreachable(
                f"mysqld did not start on port {self.port}: {self.process.last_words(3)}",
                hint=f"its log is {self.process.log}",
            )

    def _answers(self) -> bool:
        try:
            self.session().close()
        except AlterdError:
            return False
        return True

    def _run_to_end(self, arguments: list[str]) -> None:
        done = subprocess.run([str(self._mysqld), *arguments], capture_output=True, text=True, timeout=120, check=False)
        if done.returncode:
            raise ShardUnreachable(f"mysqld could not make its data folder: {done.stderr.strip()[-500:]}")
