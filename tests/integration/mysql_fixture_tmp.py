"""Servers for the tests of MySQL access until the shared fixtures are there."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from alterd_contracts.errors import ShardUnreachable
from alterd_contracts.topology import ServerAddress
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.connect import Credentials
from alterd_runtime.mysql.quoting import identifier

MYSQLD = Path.home() / ".cache/alterd/mysql-9.7/mysqld"
ROOT = Credentials("root", "")


class Server:
    def __init__(self, address: ServerAddress, process: subprocess.Popen[bytes]) -> None:
        self.address = address
        self.process = process
        self.credentials = ROOT


@contextlib.contextmanager
def running(folder: Path, server_id: int) -> Iterator[Server]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    data = folder / "data"
    common = [str(MYSQLD), f"--datadir={data}"] + (["--user=root"] if os.geteuid() == 0 else [])
    with (folder / "log").open("wb") as output:
        subprocess.run([*common, "--initialize-insecure"], check=True, stdout=output, stderr=output)
        process = subprocess.Popen(
            [
                *common,
                f"--port={port}",
                "--bind-address=127.0.0.1",
                f"--socket={folder}/s",
                "--mysqlx=OFF",
                "--gtid-mode=ON",
                "--enforce-gtid-consistency=ON",
                f"--server-id={server_id}",
                f"--pid-file={folder}/pid",
                "--innodb-buffer-pool-size=32M",
            ],
            stdout=output,
            stderr=output,
        )
    try:
        address = ServerAddress("127.0.0.1", port)
        deadline = time.monotonic() + 60
        while True:
            try:
                BlockingSession.open(address, ROOT).close()
                break
            except ShardUnreachable:
                assert process.poll() is None
                assert time.monotonic() < deadline
        yield Server(address, process)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="session")
def mysql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("mysql")
    with running(folder, 1) as server:
        yield server
    shutil.rmtree(folder)


@pytest.fixture
def schema(mysql: Server) -> Iterator[str]:
    name = f"t_{uuid.uuid4().hex[:12]}"
    session = BlockingSession.open(mysql.address, mysql.credentials)
    session.execute(f"CREATE SCHEMA {identifier(name)}")
    yield name
    session.execute(f"DROP SCHEMA {identifier(name)}")
    session.close()
