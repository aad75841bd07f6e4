"""A NATS cluster on this machine, for tests of fail-over."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from alterd_runtime.provision.nats_server import ClusterPlace, NatsServer
from alterd_runtime.provision.ports import free_port


class NatsCluster:
    """`size` servers with routes between them; JetStream elects its leaders within half a second of the start."""

    def __init__(self, folder: Path, size: int = 3, *, die_with_parent: bool = True) -> None:
        routes = tuple(free_port() for _ in range(size))
        self.servers = [
            NatsServer(
                folder / name,
                die_with_parent=die_with_parent,
                place=ClusterPlace(cluster="alterd", server=name, port=port, routes=routes),
            )
            for name, port in ((f"n{number}", port) for number, port in enumerate(routes, 1))
        ]

    @property
    def urls(self) -> list[str]:
        return [server.url for server in self.servers]

    def server(self, name: str) -> NatsServer:
        """The server that calls itself `name`, as in a stream's cluster information."""
        return next(server for server in self.servers if server.store.name == name)

    def start(self) -> None:
        """Returns when clients can connect; JetStream answers a little later. Raises `BusUnreachable`."""
        for server in self.servers:
            server.start()

    def stop(self) -> None:
        for server in self.servers:
            server.stop()

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
