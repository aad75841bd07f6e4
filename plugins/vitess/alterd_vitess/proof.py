"""Visibility: the binlog delivers a transaction before the primary shows its rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from alterd_contracts.strategy import Session
from alterd_vitess.gtid import GtidSet
from alterd_vitess.positions import Intervals, Positions

PATIENCE = 5
"""Seconds for which one question waits; then it is asked again."""
SHOWN = 200


class Proof:
    """Which frames' transactions are all in the primary's gtid_executed, whichever server's binlog they come from."""

    def __init__(self, session: Session, positions: Positions, warn: Callable[[str], None] = lambda _: None) -> None:
        self._session, self._positions, self._warn = session, positions, warn
        self._open = GtidSet()
        self._withdrawn = GtidSet()
        self._turn = asyncio.Lock()
        self.visible = 0
        """The last frame up to which all is proven."""

    def needed(self, gtids: Intervals) -> None:
        """These transactions touched keys."""
        for sid, first, last in gtids:
            self._open.add(sid, first, last)
            if self._withdrawn:
                self._withdrawn = self._withdrawn.minus(GtidSet.of(sid, first, last))

    def withdraw(self, gtids: GtidSet) -> None:
        """These were begun to be read only: they come again from their first row on, or never were committed."""
        self._open = self._open.minus(gtids)
        self._withdrawn.update(gtids)

    async def prove(self) -> int:
        """Returns when all that had been received at the call is visible: the last frame of it. May be cancelled."""
        async with self._turn:  # who asks meanwhile must not take the answer for given
            asked, self._open = self._open, GtidSet()
            sequence = self._positions.sequence
            try:
                await self._wait(asked)
            except BaseException:
                self._open.update(asked)  # nothing is proven
                raise
            self.visible = max(self.visible, sequence)
            return self.visible

    async def _wait(self, asked: GtidSet) -> None:
        rounds = 0
        while asked := asked.minus(self._withdrawn):
            # the set, not its last member: transactions become visible in any order
            if not await self._session.value("SELECT WAIT_FOR_EXECUTED_GTID_SET(%s, %s)", (str(asked), PATIENCE)):
                return
            rounds += 1
            if rounds & (rounds - 1) == 0:
                self._warn(f"for {rounds * PATIENCE} s the primary does not show what was read: {str(asked)[:SHOWN]}")
