"""Touched keys: what the change stream says must be read again, and when that may be done. Pure.

A key is *touched* by an event's before- and after-image. It carries the sequence of the last frame that touched it, and

* is taken only when all transactions up to that frame are proven visible on the primary: the binlog delivers a
  transaction before it can be read;
* is held while a chunk under way covers it: nobody knows which version the chunk reads;
* is forgotten where a chunk still to be dispatched will read it, once it is visible;
* is in one batch at a time.

So many keys wait in memory, all others in a file (`spill`): while there are any in it, a key that is touched and does
not wait in memory goes there, so each waits in one place only. Beside these are the keys that are held or in a batch.

A frame's transactions may be passed by a checkpoint when no key carries it or an earlier one any more.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from alterd_vitess.ranges import CopyPlan, Range
from alterd_vitess.spill import Spill, older

MOST = 1_000_000
"""Keys in memory: about 150 MB."""
SCANNED = 8
"""Keys looked at for each key wanted: those that are forgotten or held cost next to nothing."""


class Touched:
    """The touched keys of one attempt."""

    def __init__(self, plan: CopyPlan, most: int = MOST, spill: Spill | None = None) -> None:
        """`most`: keys that wait in memory. Methods raise `KeysNotKept` when `spill` has no room."""
        self.plan = plan
        self.forgotten = 0
        self._most = most
        self._spill = Spill() if spill is None else spill
        self._waiting: dict[bytes, int] = {}
        self._held: dict[Range, dict[bytes, int]] = {}
        self._taken: dict[bytes, int] = {}
        self._watches: list[set[bytes]] = []

    def __len__(self) -> int:
        """Keys that still have to be applied."""
        return self.waiting + len(self._taken) + sum(map(len, self._held.values()))

    @property
    def waiting(self) -> int:
        """Keys that could be taken once they are visible."""
        return len(self._waiting) + len(self._spill)

    @property
    def spilled(self) -> int:
        """Those of them that are in the file."""
        return len(self._spill)

    def touch(self, keys: Iterable[bytes], sequence: int) -> None:
        """Frame `sequence` touched `keys`. Sequences rise."""
        touched = dict.fromkeys(keys, sequence)
        for seen in self._watches:
            seen.update(touched)
        if len(self._waiting) + len(touched) > self._most or len(self._spill):
            self._spill.put(self._beyond(touched), sequence)
        else:
            self._waiting.update(touched)

    def _beyond(self, touched: dict[bytes, int]) -> list[bytes]:
        """Keys that there is no room for; the others wait in memory now."""
        waiting = self._waiting
        again = touched.keys() & waiting.keys()
        waiting.update({key: touched[key] for key in again})
        new = [key for key in touched if key not in again]
        room = 0 if len(self._spill) else max(0, self._most - len(waiting))
        waiting.update({key: touched[key] for key in new[:room]})
        return new[room:]

    def take(self, visible: int, limit: int) -> list[bytes]:
        """Up to `limit` keys that are to be applied now, all frames up to `visible` being visible.

        They are the caller's until `applied` or `put_back`.
        """
        self._refill(SCANNED * limit)
        batch: list[bytes] = []
        unseen: list[bytes] = []
        for key in list(islice(self._waiting, SCANNED * limit)):
            sequence = self._waiting[key]
            if not self._is_visible(sequence, visible) or key in self._taken:
                unseen.append(key)
                continue
            del self._waiting[key]
            if self._is_forgotten(key):
                self.forgotten += 1
            elif (chunk := self._holder(key)) is not None:
                self._held.setdefault(chunk, {})[key] = sequence
            else:
                self._taken[key] = sequence
                batch.append(key)
                if len(batch) == limit:
                    break
        for key in unseen:  # behind those that may be ready
            self._waiting[key] = self._waiting.pop(key)
        return batch

    def _refill(self, wanted: int) -> None:
        """So many keys are to wait in memory, as far as there are."""
        missing = min(wanted, self._most) - len(self._waiting)
        if len(self._spill) and missing > 0:
            self._waiting.update(self._spill.some(missing))

    def applicable(self, limit: int) -> set[bytes]:
        """Some of the keys that wait, whose rows the shadow may have; they go on waiting."""
        some = islice(self._waiting, limit)
        return {key for key in some if not self._is_forgotten(key) and self._holder(key) is None}

    def take_all(self) -> list[bytes]:
        """All keys, where nobody writes any more: the copy is finished and the table locked."""
        if not self.plan.finished or self._taken:
            raise RuntimeError("the copy or a batch is under way")
        spilled = self._spill.some(len(self._spill)) if len(self._spill) else {}
        self._taken, self._waiting = self._waiting | spilled, {}
        return list(self._taken)

    def applied(self, keys: Iterable[bytes]) -> None:
        """The batch is committed."""
        for key in keys:
            del self._taken[key]

    def put_back(self, keys: Iterable[bytes]) -> None:
        """The batch was rolled back. What touched a key meanwhile counts."""
        self._wait_again({key: self._taken.pop(key) for key in keys})

    def landed(self, chunk: Range) -> None:
        """The chunk is committed: what was held for it can be taken."""
        self.plan.committed(chunk)
        self._wait_again(self._held.pop(chunk, {}))

    def _wait_again(self, keys: dict[bytes, int]) -> None:
        """They wait with the sequence that they had, unless something touched them meanwhile."""
        for key, sequence in older(keys, self._spill).items():
            self._waiting.setdefault(key, sequence)

    @contextlib.contextmanager
    def watched(self) -> Iterator[set[bytes]]:
        """All keys that are touched within the block; the caller may take some out."""
        seen: set[bytes] = set()
        self._watches.append(seen)
        try:
            yield seen
        finally:
            self._watches = [each for each in self._watches if each is not seen]

    def unapplied_since(self) -> int | None:
        """The first frame that may have touched a key that is not applied; None where all is."""
        kept: Sequence[dict[bytes, int]] = (self._waiting, self._taken, *self._held.values())
        first = [min(each.values()) for each in kept if each]
        spilled = self._spill.oldest()
        return min(first if spilled is None else [*first, spilled], default=None)

    # The rules, one each, so that a test can take them out.

    def _is_visible(self, sequence: int, visible: int) -> bool:
        return sequence <= visible

    def _is_forgotten(self, key: bytes) -> bool:
        return self.plan.ahead(key)

    def _holder(self, key: bytes) -> Range | None:
        return self.plan.flying(key)
