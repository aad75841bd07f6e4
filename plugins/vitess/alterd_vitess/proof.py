"""Visibility: the binlog delivers a transaction before the primary shows its rows."""

from __future__ import annotations

import asyncio

from alterd_contracts.strategy import Session
from alterd_vitess.gtid import GtidSet
from alterd_vitess.positions import Intervals, Positions

PATIENCE = 5
"""Seconds for which one question waits; then it is asked again."""


class Proof:
    """Which frames' transactions are all in the primary's gtid_executed."""

    def __init__(self, session: Session, positions: Positions) -> None:
        self._session, self._positions = session, positions
        self._open = GtidSet()
        self._turn = asyncio.Lock()
        self.visible = 0
        """The last frame up to which all is proven."""

    def needed(self, gtids: Intervals) -> None:
        """These transactions touched keys."""
        for sid, first, last in gtids:
            self._open.add(sid, first, last)

    async def prove(self) -> int:
        """Returns when all that had been received at the call is visible: the last frame of it."""
        async with self._turn:  # who asks meanwhile must not take the answer for given
            asked, self._open = self._open, GtidSet()
            sequence = self._positions.sequence
            if asked:
                # the set, not its last member: transactions become visible in any order
                while await self._session.value("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s)", (str(asked), PATIENCE)):
                    continue
            self.visible = max(self.visible, sequence)
            return self.visible
