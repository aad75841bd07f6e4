"""Which transactions are received, and up to where all of them are applied. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from itertools import zip_longest

from alterd_vitess.gtid import GtidSet

Intervals = Iterable[tuple[str, int, int]]
"""GTIDs as (sid, first, last)."""
MOST_FRAMES = 10_000
"""Frames told apart; of more, two by two are taken for one, and a checkpoint passes both or none."""


class Positions:
    """Frames of the change stream, numbered from 1, and their GTIDs."""

    def __init__(self, start: GtidSet, *, fresh: bool = False) -> None:
        """`fresh`: `start` is of this attempt, and nothing was read from there on before."""
        self.received = start.copy()
        """All that was seen, prepared XA transactions among it."""
        self.whole = start.copy()
        """All that is over: where a stream may start again. A prepared transaction is read again."""
        self.fresh = fresh
        self.sequence = 0
        self._applied = start.copy()
        self._frames: deque[tuple[int, list[tuple[str, int, int]]]] = deque()

    def receive(self, gtids: Intervals, prepared: Intervals = ()) -> int:
        """The next frame's number. `gtids` are over with it, `prepared` are seen in it."""
        self.sequence += 1
        kept = list(gtids)
        if kept:
            self._frames.append((self.sequence, kept))
            if len(self._frames) > MOST_FRAMES:
                self._frames = _halved(self._frames)
        for sid, first, last in kept:
            self.received.add(sid, first, last)
            self.whole.add(sid, first, last)
        for sid, first, last in prepared:
            self.received.add(sid, first, last)
        return self.sequence

    def applied(self, unapplied_since: int | None) -> GtidSet:
        """All transactions of the frames before `unapplied_since`; None: of all frames. A checkpoint may say so.

        Not those that are prepared: the next attempt reads their rows again, and not what is between.
        """
        while self._frames and (unapplied_since is None or self._frames[0][0] < unapplied_since):
            for sid, first, last in self._frames.popleft()[1]:
                self._applied.add(sid, first, last)
        return self._applied

    def settled(self, unapplied_since: int | None) -> GtidSet:
        """The same with the prepared ones that are open: nothing can be done about them now. Lag is measured by it."""
        found = self.applied(unapplied_since).copy()
        found.update(self.received.minus(self.whole))
        return found


def _halved(
    frames: deque[tuple[int, list[tuple[str, int, int]]]],
) -> deque[tuple[int, list[tuple[str, int, int]]]]:
    """Two by two, under the later one's number."""
    found: deque[tuple[int, list[tuple[str, int, int]]]] = deque()
    each = iter(frames)
    for (number, gtids), following in zip_longest(each, each):
        together = GtidSet()
        for sid, first, last in (*gtids, *(following[1] if following else ())):
            together.add(sid, first, last)
        found.append((following[0] if following else number, together.intervals()))
    return found
