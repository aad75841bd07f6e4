"""MySQL through Docker, for machines that have Docker and no ``mysqld``."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.shop import Shop

IMAGE = "mysql:8.4"
OPTIONS = "--gtid-mode=ON --enforce-gtid-consistency=ON --server-id=1 --log-bin=binlog"


def docker_answers() -> bool:
    """Whether an engine is there, not only the client."""
    if not os.environ.get("DOCKER_HOST") and not Path("/var/run/docker.sock").exists():
        return False
    import docker  # noqa: PLC0415 - only where it is asked for: it is slow to load
    from docker.errors import DockerException  # noqa: PLC0415

    try:
        client = docker.from_env(timeout=5)
        try:
            return bool(client.ping())
        finally:
            client.close()
    except DockerException:
        return False


@contextmanager
def container_shop() -> Iterator[Shop]:
    """A primary in a container, published on 127.0.0.1."""
    from testcontainers.community.mysql import MySqlContainer  # noqa: PLC0415

    password = secrets.token_hex(12)
    container = MySqlContainer(IMAGE, username="root", root_password=password, password=password, dialect="pymysql")
    with container.with_command(OPTIONS) as running:
        address = f"{running.get_container_host_ip()}:{running.get_exposed_port(3306)}"
        yield Shop((address,), "root", password)
