"""Which transactions are received, and up to where all of them are applied. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from alterd_vitess.gtid import GtidSet

Intervals = Iterable[tuple[str, int, int]]
"""GTIDs as (sid, first, last)."""


class Positions:
    """Frames of the change stream, numbered from 1, and their GTIDs."""

    def __init__(self, start: GtidSet) -> None:
        self.received = start.copy()
        self.sequence = 0
        self._applied = start.copy()
        self._frames: deque[tuple[int, list[tuple[str, int, int]]]] = deque()

    def receive(self, gtids: Intervals) -> int:
        """The next frame's number."""
        self.sequence += 1
        kept = list(gtids)
        self._frames.append((self.sequence, kept))
        for sid, first, last in kept:
            self.received.add(sid, first, last)
        return self.sequence

    def applied(self, unapplied_since: int | None) -> GtidSet:
        """All transactions of the frames before `unapplied_since`; None: of all frames. A checkpoint may say so."""
        while self._frames and (unapplied_since is None or self._frames[0][0] < unapplied_since):
            for sid, first, last in self._frames.popleft()[1]:
                self._applied.add(sid, first, last)
        return self._applied
