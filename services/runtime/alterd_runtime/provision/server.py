"""What the sandbox and the tests need of a MySQL server, however it is run."""

from __future__ import annotations

from typing import Protocol

from alterd_contracts.topology import ServerAddress
from alterd_runtime.provision.endpoint import Endpoint


class Server(Protocol):
    """A server of ours. Its data outlive `stop` and `kill`, its address too."""

    @property
    def endpoint(self) -> Endpoint:
        """As root, from this machine."""

    @property
    def source(self) -> ServerAddress:
        """Where its replicas find it."""

    @property
    def pid(self) -> int | None:
        """A process of this machine, or None: it does not run."""

    def start(self) -> None:
        """Returns when clients can connect; does nothing when it runs. Raises `ShardUnreachable`."""

    def stop(self) -> None:
        """Ends it in order. Idempotent."""

    def kill(self) -> None:
        """kill -9."""

    def remove(self) -> None:
        """Ends it and deletes its data."""
