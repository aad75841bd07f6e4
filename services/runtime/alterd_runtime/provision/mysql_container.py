"""MySQL in a container, where Docker answers.

Never run so far: no machine that alterd was developed on had Docker. It needs the extra ``dev`` (testcontainers),
a Docker daemon on this machine, and an image; ``ALTERD_MYSQL_IMAGE`` names another one than the official MySQL.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
from pathlib import Path
from typing import Any

from alterd_contracts.errors import ShardUnreachable
from alterd_contracts.topology import ServerAddress
from alterd_runtime.mysql.connect import Credentials
from alterd_runtime.mysql.server import read_facts
from alterd_runtime.provision.endpoint import Endpoint
from alterd_runtime.provision.ports import LOOPBACK, free_port
from alterd_runtime.provision.waiting import wait_until

IMAGE_VARIABLE = "ALTERD_MYSQL_IMAGE"
IMAGE = "mysql:8.4"
START_TIMEOUT = 120.0
"""Seconds from a started container to an answer; pulling the image comes before."""
_OPTIONS = (
    "--gtid-mode=ON",
    "--enforce-gtid-consistency=ON",
    "--log-bin=binlog",
    "--binlog-row-image=FULL",
    "--innodb-buffer-pool-size=128M",
)


def docker_answers() -> bool:
    """Whether testcontainers is installed and a Docker daemon answers."""
    if importlib.util.find_spec("testcontainers") is None:
        return False
    if not os.environ.get("DOCKER_HOST") and not Path("/var/run/docker.sock").exists():
        return False
    import docker  # noqa: PLC0415

    try:
        client = docker.from_env(timeout=5)
        try:
            client.ping()
        finally:
            client.close()
    except (docker.errors.DockerException, OSError):  # requests' errors are OSErrors
        return False
    return True


class MySQLContainer:
    """One server in a container called `name`, in the Docker network `network`, which is made when missing.

    The published port is bound to 127.0.0.1 and stays the same over restarts. `password`: root's, for a new
    container. With `die_with_parent` testcontainers' reaper removes it after this program; without, it goes on.
    """

    def __init__(
        self, name: str, network: str, *, port: int = 0, password: str | None = None, die_with_parent: bool = True
    ) -> None:
        self.name = name
        self.network = network
        self.port = port or free_port()
        self._credentials = Credentials("root", secrets.token_urlsafe(18) if password is None else password)
        self._die_with_parent = die_with_parent

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(ServerAddress(LOOPBACK, self.port), self._credentials)

    @property
    def source(self) -> ServerAddress:
        """Containers of one network find each other by name."""
        return ServerAddress(self.name)

    @property
    def pid(self) -> int | None:
        container = self._find()
        return int(container.attrs["State"]["Pid"]) or None if container is not None else None

    def start(self) -> None:
        """Returns when clients can connect; does nothing when it runs. Raises `ShardUnreachable`."""
        import docker  # noqa: PLC0415

        container = self._find()
        try:
            if container is None:
                self._create()
            elif container.status != "running":
                container.start()
        except (docker.errors.DockerException, OSError, TimeoutError) as error:
            raise self._failed(str(error)) from error
        if not wait_until(self._answers, START_TIMEOUT):
            raise self._failed("it does not answer")
        if container is None:
            self._forget_its_making()

    def stop(self) -> None:
        container = self._find()
        if container is not None:
            container.stop(timeout=60)

    def kill(self) -> None:
        container = self._find()
        if container is not None and container.status == "running":
            container.kill()
            container.wait()

    def remove(self) -> None:
        """The network goes with the last container in it."""
        import docker  # noqa: PLC0415

        container = self._find()
        if container is not None:
            container.remove(force=True, v=True)
        for network in docker.from_env().networks.list(names=[self.network]):
            network.reload()
            if not network.containers:
                network.remove()

    def _create(self) -> None:
        import docker  # noqa: PLC0415
        from testcontainers.community.mysql import MySqlContainer  # noqa: PLC0415
        from testcontainers.core.config import testcontainers_config  # noqa: PLC0415

        client = docker.from_env()
        if not client.networks.list(names=[self.network]):
            client.networks.create(self.network)
        testcontainers_config.ryuk_disabled = not self._die_with_parent
        container = MySqlContainer(
            os.environ.get(IMAGE_VARIABLE) or IMAGE,
            username="root",
            password=self._credentials.password,
            dbname="mysql",  # no schema of its own
        )
        container.with_name(self.name).with_kwargs(network=self.network)
        container.with_command([*_OPTIONS, f"--server-id={self.port}"])
        ports: dict[str, Any] = container.ports  # docker takes an address and a port as well
        ports["3306"] = (LOOPBACK, self.port)
        container.start()

    def _forget_its_making(self) -> None:
        """Drops what the image's entrypoint logged, which a primary and its replica would each have of their own."""
        session = self.endpoint.open()
        try:
            new = read_facts(session).version >= (8, 2, 0)
            session.execute("RESET BINARY LOGS AND GTIDS" if new else "RESET MASTER")
        finally:
            session.close()

    def _answers(self) -> bool:
        try:
            self.endpoint.open(connect_timeout=2.0).close()
        except ShardUnreachable:
            return False
        return True

    def _find(self) -> Any:
        import docker  # noqa: PLC0415

        try:
            return docker.from_env().containers.get(self.name)
        except docker.errors.NotFound:
            return None

    def _failed(self, reason: str) -> ShardUnreachable:
        return ShardUnreachable(
            f"the MySQL container {self.name} does not start: {reason}",
            hint=f"docker logs {self.name}; another image: {IMAGE_VARIABLE}",
            server=self.source,
        )
