"""The real servers that tests run on."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alterd_contracts.topology import Keyspace, SecretRef, ServerAddress, Shard
from alterd_runtime.provision import ladder, mysql_binary
from alterd_runtime.provision.endpoint import Endpoint
from alterd_runtime.provision.ladder import Rung
from alterd_runtime.provision.mysql_container import MySQLContainer
from alterd_runtime.provision.mysql_server import MySQLServer
from alterd_runtime.provision.server import Server
from tests.support.shop import Shop


def new_server(home: Path, password: str | None = None) -> Server:
    """A server of our own below `home`, not started: mysqld, a container, or what Debian has.

    `password`: root's; random unless given.
    """
    rung = ladder.choose(ladder.look(allow_url=False), allow_url=False)
    if rung is Rung.DOCKER:
        return MySQLContainer(f"alterd-test-{secrets.token_hex(4)}", "alterd-test", password=password)
    binary = mysql_binary.on_path() if rung is Rung.PATH else None
    return MySQLServer(binary or mysql_binary.from_debian(print), home, password=password, durable=False)


def small_server(home: Path, *options: str) -> MySQLServer:
    """Its system tablespace stops growing at 40 MB: what lies there meets a full disk. Started by mysqld alone."""
    binary = mysql_binary.on_path() or mysql_binary.from_debian(print)
    sized = "--innodb-data-file-path=ibdata1:12M:autoextend:max:40M"
    return MySQLServer(binary, home, durable=False, options=(sized, *options))


@contextmanager
def provided_shop() -> Iterator[Shop]:
    """A primary: the one that the environment names, or one of our own."""
    if given := os.environ.get(ladder.URL_VARIABLE):
        yield shop_at(Endpoint.of_url(given))
        return
    with tempfile.TemporaryDirectory(prefix="alterd-mysql-") as folder:
        server = new_server(Path(folder) / "server")
        server.start()
        try:
            yield shop_at(server.endpoint)
        finally:
            server.remove()


def shop_at(endpoint: Endpoint) -> Shop:
    return Shop((str(endpoint.address),), endpoint.credentials.user, endpoint.credentials.password)


def keyspace_of(shop: Shop, folder: Path, name: str = "commerce") -> Keyspace:
    """A keyspace of one shard, its password in a file of `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    secret = folder / "password"
    secret.touch(mode=0o600)
    secret.write_text(shop.password)
    shard = Shard(
        name="0",
        schema=shop.schema,
        servers=tuple(ServerAddress.parse(address) for address in shop.servers),
        user=shop.user,
        password=SecretRef(file=str(secret)),
    )
    return Keyspace(name=name, default_ddl_strategy="mysql", shards=(shard,))
