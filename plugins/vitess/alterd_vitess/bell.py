"""Tells whoever waits that something has changed; each then looks for itself."""

from __future__ import annotations

import asyncio


class Bell:
    """Rings wake all that hear. Between a look and `heard` nothing may be awaited, or a ring is missed."""

    def __init__(self) -> None:
        self._next: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def ring(self) -> None:
        rung, self._next = self._next, asyncio.get_running_loop().create_future()
        rung.set_result(None)

    async def heard(self) -> None:
        """Returns at the next ring."""
        await asyncio.shield(self._next)
