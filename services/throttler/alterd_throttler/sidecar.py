"""The sidecar schema on the primary, made before the first heartbeat."""

from __future__ import annotations

from collections.abc import Callable

from alterd_contracts.topology import ServerAddress
from alterd_runtime.mysql import sidecar
from alterd_runtime.mysql.connect import Credentials
from alterd_runtime.mysql.session import Session
from alterd_throttler.bounded import Bounded
from alterd_throttler.probe import NAME, SILENCE, WAITS


class Sidecar:
    """Remembers on which server it has been seen."""

    def __init__(self, credentials: Callable[[], Credentials]) -> None:
        self._credentials = credentials
        self._ready: ServerAddress | None = None
        self._session: Session | None = None
        self._work: Bounded[None] = Bounded(self._cut)

    async def ensure(self, primary: ServerAddress) -> None:
        """Raises `Silent` while it takes its time, else what the session raises."""
        if self._ready != primary:
            await self._work.run(lambda: self._make(primary))

    def forget(self) -> None:
        """Look again: something was missing."""
        self._ready = None

    async def close(self) -> None:
        await self._work.close()

    async def _make(self, primary: ServerAddress) -> None:
        async with await Session.open(
            primary, self._credentials(), name=NAME, init=WAITS, connect_timeout=SILENCE
        ) as session:
            self._session = session
            await sidecar.ensure(session)
        self._ready = primary

    def _cut(self) -> None:
        if self._session is not None:
            self._session.blocking.abandon()
