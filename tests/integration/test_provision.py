"""The servers that sandbox and tests stand on: they come up, are found again, survive kills and leave nothing."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from alterd_contracts.errors import BusUnreachable, ShardUnreachable, UnsafeShard
from alterd_runtime.provision import mysql_binary
from alterd_runtime.provision.endpoint import Endpoint
from alterd_runtime.provision.mysql_binary import MySQLBinary
from alterd_runtime.provision.mysql_server import MySQLServer
from alterd_runtime.provision.nats_cluster import NatsCluster
from alterd_runtime.provision.nats_server import NatsServer
from alterd_runtime.provision.process import has_ended
from alterd_runtime.provision.replication import follow, promote, read_replication, wait_caught_up
from tests.support import eventually

PARENT = """
import sys
from pathlib import Path
from alterd_runtime.provision.nats_server import NatsServer
server = NatsServer(Path(sys.argv[1]), die_with_parent=sys.argv[2] == "attached")
server.start()
print(server.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def binary() -> MySQLBinary:
    """Whatever this machine has; the container rung has no program."""
    found = mysql_binary.on_path() or mysql_binary.from_debian(print)
    assert found is not None
    return found


@pytest.fixture
def pair(binary: MySQLBinary, tmp_path: Path) -> Iterator[tuple[MySQLServer, MySQLServer]]:
    primary, replica = (MySQLServer(binary, tmp_path / name, durable=False) for name in ("primary", "replica"))
    try:
        primary.start()
        replica.start()
        yield primary, replica
    finally:
        replica.remove()
        primary.remove()


def killed_parent_of(command: list[str]) -> int:
    """The pid of the server that a program started before it was killed."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    return pid


def query(endpoint: Endpoint, sql: str) -> list[dict[str, Any]]:
    with closing(endpoint.open()) as session:
        return session.query(sql)


def listening(port: int) -> set[str]:
    """The addresses that listen on `port`, as /proc shows them."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    lines += [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]]
    return {line[1].split(":")[0] for line in lines if line[3] == "0A" and int(line[1].split(":")[1], 16) == port}


@pytest.mark.parametrize(("mode", "dies"), [("attached", True), ("detached", False)])
async def test_a_server_dies_with_its_parent_unless_told_otherwise(tmp_path: Path, mode: str, dies: bool) -> None:
    store = tmp_path / "nats"
    command = [sys.executable, "-c", PARENT, str(store), mode]
    pid = killed_parent_of(command)
    found = NatsServer(store, die_with_parent=False)
    if dies:
        await eventually(lambda: has_ended(pid))
        assert found.pid is None
        return
    try:
        found.start()  # finds it, starts nothing
        assert found.pid == pid
        assert found.port
    finally:
        found.stop()
    assert has_ended(pid)


def test_nats_listens_on_loopback_only_and_keeps_its_port(tmp_path: Path) -> None:
    with NatsServer(tmp_path / "a store with blanks", monitor=True) as server:
        url, pid = server.url, server.pid
        assert listening(server.port) == {"0100007F"}
        assert listening(int(server.monitor_url.rpartition(":")[2])) == {"0100007F"}
        server.kill()
        assert server.pid is None
        server.start()
        assert server.url == url
        assert server.pid != pid


def test_a_nats_server_that_cannot_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        NatsServer(tmp_path / "first") as first,
        pytest.raises(BusUnreachable, match="address already in use") as caught,
    ):
        NatsServer(tmp_path / "second", first.port).start()
    assert str(first.port) in caught.value.hint
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BusUnreachable, match="no nats-server") as caught:
        NatsServer(tmp_path / "third").start()
    assert "alterd[local]" in caught.value.hint


def test_a_cluster_has_three_servers(tmp_path: Path) -> None:
    with NatsCluster(tmp_path) as cluster:
        assert len({server.pid for server in cluster.servers}) == 3
        assert cluster.server("n2").url == cluster.urls[1]
    assert [server.pid for server in cluster.servers] == [None] * 3


async def test_mysql_survives_kill_9_and_is_promoted(pair: tuple[MySQLServer, MySQLServer]) -> None:
    primary, replica = pair
    follow(replica.endpoint, primary.endpoint, primary.source)
    query(primary.endpoint, "CREATE SCHEMA shop")
    query(primary.endpoint, "CREATE TABLE shop.t (id INT PRIMARY KEY)")
    query(primary.endpoint, "INSERT INTO shop.t VALUES (1)")
    assert wait_caught_up(replica.endpoint, primary.endpoint)

    address = primary.endpoint.address
    primary.kill()
    replica.kill()
    primary.start()
    replica.start()
    assert primary.endpoint.address == address
    assert query(replica.endpoint, "SELECT @@super_read_only AS locked") == [{"locked": 1}]
    with closing(replica.endpoint.open()) as session:
        await eventually(lambda: read_replication(session).running)
    query(primary.endpoint, "INSERT INTO shop.t VALUES (2)")
    assert wait_caught_up(replica.endpoint, primary.endpoint)

    primary.kill()
    promote(replica.endpoint)
    query(replica.endpoint, "INSERT INTO shop.t VALUES (3)")
    assert query(replica.endpoint, "SELECT id FROM shop.t ORDER BY id") == [{"id": 1}, {"id": 2}, {"id": 3}]

    primary.start()
    with pytest.raises(UnsafeShard, match="has transactions that"):  # the new primary is not demoted by mistake
        follow(replica.endpoint, primary.endpoint, primary.source)
    follow(primary.endpoint, replica.endpoint, replica.source)
    assert wait_caught_up(primary.endpoint, replica.endpoint)


def test_mysql_is_private_and_leaves_nothing(binary: MySQLBinary, tmp_path: Path) -> None:
    home = tmp_path / ("long " * 20).strip()  # longer than a socket's path may be
    server = MySQLServer(binary, home, password="a 'quoted\\ one", durable=False)
    with server:
        assert listening(server.port) == {"0100007F"}
        arguments = Path(f"/proc/{server.pid}/cmdline").read_text()
        assert "quoted" not in arguments
        assert not list(home.glob("*.sql"))  # it held the password
        facts = "SELECT @@gtid_mode AS gtid, @@binlog_format AS format, @@log_replica_updates AS updates"
        assert query(server.endpoint, facts) == [{"gtid": "ON", "format": "ROW", "updates": 1}]
        assert query(server.endpoint, "SELECT @@gtid_executed AS executed") == [{"executed": ""}]
        socket = next(word for word in arguments.split("\0") if word.startswith("--socket=")).partition("=")[2]
        assert Path(socket).parent.stat().st_mode & 0o077 == 0
    assert not Path(socket).parent.exists()
    server.remove()
    assert not home.exists()


def test_a_mysql_server_that_cannot_start_says_why(binary: MySQLBinary, tmp_path: Path, nats: NatsServer) -> None:
    with pytest.raises(ShardUnreachable, match=r"Address already in use|port: ") as caught:
        MySQLServer(binary, tmp_path / "taken", port=nats.port).start()
    assert str(nats.port) in caught.value.hint
    unwritable = tmp_path / "file"
    unwritable.touch()
    with pytest.raises(ShardUnreachable, match="cannot be"):
        MySQLServer(binary, unwritable / "home").start()


def test_a_paused_server_is_stopped_all_the_same(tmp_path: Path) -> None:
    server = NatsServer(tmp_path / "nats")
    server.start()
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    server.stop()
    assert has_ended(pid)


def test_unpacking_needs_debian_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    (bin_folder / "bash").symlink_to(shutil.which("bash") or "/bin/bash")
    monkeypatch.setenv("PATH", str(bin_folder))
    monkeypatch.setenv("ALTERD_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(ShardUnreachable, match="this is no Debian") as caught:
        mysql_binary.from_debian(lambda _: None)
    assert "PATH" in caught.value.hint
