"""Who this executor is."""

from __future__ import annotations

import os
import socket
import uuid
from datetime import UTC, datetime

import msgspec

from alterd_contracts import __version__
from alterd_contracts.declaration import Declaration
from alterd_contracts.work import ExecutorInfo


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """One process of an executor."""

    executor: str
    incarnation: str
    started_at: datetime

    @classmethod
    def new(cls, executor: str) -> Identity:
        return cls(executor=executor, incarnation=uuid.uuid4().hex, started_at=datetime.now(UTC))

    def info(
        self,
        *,
        slots: int,
        running: int,
        lease_ttl: int,
        strategies: tuple[Declaration, ...],
        broken_plugins: dict[str, str],
    ) -> ExecutorInfo:
        """What the world may know."""
        return ExecutorInfo(
            executor=self.executor,
            incarnation=self.incarnation,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=__version__,
            slots=slots,
            running=running,
            lease_ttl=lease_ttl,
            started_at=self.started_at,
            strategies=strategies,
            broken_plugins=broken_plugins,
        )
