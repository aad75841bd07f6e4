"""The real servers that tests run on."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

from alterd_contracts.topology import Keyspace, SecretRef, ServerAddress, Shard
from alterd_runtime.provision.mysql_binary import find_mysqld, mysqld_on_path
from alterd_runtime.provision.mysql_server import MySQLServer
from tests.support.docker import container_shop, docker_answers
from tests.support.shop import Shop

GIVEN_MYSQL = "ALTERD_TEST_MYSQL_URL"
"""``mysql://user:password@host:port``: tests use this server instead of one of their own."""


@contextmanager
def provided_shop() -> Iterator[Shop]:
    """A primary: the given one, one in a container, or one of our own."""
    if given := os.environ.get(GIVEN_MYSQL):
        url = urlsplit(given)
        yield Shop((f"{url.hostname}:{url.port or 3306}",), unquote(url.username or ""), unquote(url.password or ""))
        return
    if mysqld_on_path() is None and docker_answers():
        with container_shop() as shop:
            yield shop
        return
    with tempfile.TemporaryDirectory(prefix="alterd-mysql-") as folder:
        server = MySQLServer(find_mysqld(print), Path(folder), server_id=1, durable=False)
        with server:
            yield Shop((server.address,), server.user, server.password)


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
