"""What a user can get wrong, through the command line: a clear error, its exit code, and nothing queued."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alterd_runtime.provision.nats_server import NatsServer
from alterd_runtime.provision.server import Server
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.support.servers import new_server
from tests.support.shop import Shop

Run = Callable[..., subprocess.CompletedProcess[str]]

KEYSPACE = """\
[keyspace]
name = "{name}"
default_ddl_strategy = "mysql"
[[keyspace.shards]]
name = "0"
schema = "{schema}"
servers = [{servers}]
user = "{user}"
password = {password}
"""


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Another writable server."""
    server = new_server(tmp_path_factory.mktemp("second") / "server")
    server.start()
    try:
        yield server
    finally:
        server.remove()


@pytest.fixture
def alterd(fleet: Fleet, nats: NatsServer) -> Run:
    """The command line, as a user calls it."""

    def run(*arguments: str, stdin: str = "", nats_url: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "alterd_cli", *arguments],
            env=fleet.environment(ALTERD_NATS__SERVERS=nats_url or nats.url),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def keyspace_file(folder: Path, name: str, servers: list[str], user: str, password: str, schema: str = "s") -> str:
    path = folder / f"{name}.toml"
    listed = ", ".join(f'"{server}"' for server in servers)
    path.write_text(KEYSPACE.format(name=name, schema=schema, servers=listed, user=user, password=password))
    return str(path)


STATEMENTS = [
    ("ALTER TABLE customer ADD COLUM x int", 4, "1064"),
    ("ALTER TABLE customer ADD COLUMN 'x", 2, "quote"),
    ("ALTER TABLE customer ADD COLUMN a int", 4, "Duplicate column name 'a'"),
    ("ALTER TABLE nowhere ADD COLUMN a int", 3, "nowhere"),
    ("UPDATE customer SET a = 1", 2, "update"),
    ("ALTER TABLE customer ADD COLUMN ok int; TRUNCATE customer; SELECT 1", 2, "3: SELECT 1"),
]


async def test_every_mistake_has_its_error_and_its_exit_code(
    fleet: Fleet, client: Client, shop: Shop, alterd: Run, tmp_path: Path, second: Server
) -> None:
    fleet.start_all()
    [warm] = await client.submit("CREATE TABLE warm (id int PRIMARY KEY)")
    await client.story(warm)
    before = len(await client.events())

    def refused(code: int, words: str, *arguments: str, stdin: str = "") -> str:
        done = alterd(*arguments, stdin=stdin)
        assert done.returncode == code, (arguments, done)
        assert words.lower() in done.stderr.lower(), (arguments, done.stderr)
        assert "error:" in done.stderr
        assert "Traceback" not in done.stderr
        assert shop.password not in done.stdout + done.stderr
        return done.stderr

    for sql, code, words in STATEMENTS:
        refused(code, words, "submit", "-k", "commerce", sql)
        refused(code, words, "submit", "-k", "commerce", "-", stdin=sql)

    fine = "ALTER TABLE customer ADD COLUMN b int"
    refused(3, "no keyspace 'nowhere'", "submit", "-k", "nowhere", fine)
    refused(3, "nonsense", "submit", "-k", "commerce", "--ddl-strategy", "nonsense", fine)
    refused(2, "--foo", "submit", "-k", "commerce", "--ddl-strategy", "mysql --foo", fine)
    refused(2, "uuid", "submit", "-k", "commerce", "--uuid", "9e8a9249-3976", fine)
    refused(2, "context", "submit", "-k", "commerce", "--migration-context", "a b", fine)
    refused(2, "uuid", "cancel", "not-a-uuid")
    refused(3, "9e8a9249_3976_11ed_9442_0a43f95f28a3", "cancel", "9e8a9249_3976_11ed_9442_0a43f95f28a3")
    refused(3, "9e8a9249_3976_11ed_9442_0a43f95f28a3", "show", "9e8a9249_3976_11ed_9442_0a43f95f28a3")

    password = f'{{ file = "{tmp_path / "password"}" }}'
    literal = keyspace_file(tmp_path, "literal", ["127.0.0.1:1"], "u", '"opensesame"')
    assert "opensesame" not in refused(2, "password", "keyspace", "apply", literal)
    (tmp_path / "wrong").write_text("not-the-password")
    wrong = f'{{ file = "{tmp_path / "wrong"}" }}'
    for name, servers, secret, code, words in (
        ("away", ["127.0.0.1:1"], password, 5, "127.0.0.1:1"),
        ("wrong", list(shop.servers), wrong, 5, "access denied"),
        ("split", [*shop.servers, str(second.endpoint.address)], password, 4, "writable"),
    ):
        if name == "split":  # both let the same account in
            session = second.endpoint.open()
            session.execute("CREATE USER IF NOT EXISTS %s@'%%' IDENTIFIED BY %s", (shop.user, shop.password))
            session.execute("ALTER USER %s@'127.0.0.1' IDENTIFIED BY %s", (shop.user, shop.password))
            session.close()
        file = keyspace_file(tmp_path, name, servers, shop.user, secret, shop.schema)
        assert alterd("keyspace", "apply", file).returncode == 0
        said = refused(code, words, "submit", "-k", name, fine)
        assert "not-the-password" not in said

    as_json = alterd("submit", "-k", "commerce", "-o", "json", "SELECT 1")
    assert as_json.returncode == 2
    assert json.loads(as_json.stdout)["errors"][0]["code"] == "unsupported_statement"

    down = alterd("show", nats_url="nats://127.0.0.1:1")
    assert (down.returncode, "127.0.0.1:1" in down.stderr) == (5, True)

    assert len(await client.events()) == before, "nothing was queued"
    assert shop.columns() == ["id", "a", "name"]
    refusals = await client.refusals()
    assert len(refusals) > len(STATEMENTS), "the audit knows what was refused"
