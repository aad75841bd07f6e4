"""Touched keys: what the change stream says must be read again, and when that may be done. Pure.

A key is *touched* by an event's before- and after-image. It carries the sequence of the last frame that touched it, and

* is taken only when all transactions up to that frame are proven visible on the primary: the binlog delivers a
  transaction before it can be read;
* is held while a chunk under way covers it: nobody knows which version the chunk reads;
* is forgotten where a chunk still to be dispatched will read it, once it is visible;
* is in one batch at a time.

A frame's transactions may be passed by a checkpoint when no key carries it or an earlier one any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from alterd_vitess.ranges import CopyPlan, Range

SCANNED = 8
"""Keys looked at for each key wanted: those that are forgotten or held cost next to nothing."""


class Touched:
    """The touched keys of one attempt."""

    def __init__(self, plan: CopyPlan) -> None:
        self.plan = plan
        self.forgotten = 0
        self._waiting: dict[bytes, int] = {}
        self._held: dict[Range, dict[bytes, int]] = {}
        self._taken: dict[bytes, int] = {}

    def __len__(self) -> int:
        """Keys that still have to be applied."""
        return len(self._waiting) + len(self._taken) + sum(map(len, self._held.values()))

    @property
    def waiting(self) -> int:
        """Keys that could be taken once they are visible."""
        return len(self._waiting)

    def touch(self, keys: Iterable[bytes], sequence: int) -> None:
        """Frame `sequence` touched `keys`. Sequences rise."""
        self._waiting.update(dict.fromkeys(keys, sequence))

    def take(self, visible: int, limit: int) -> list[bytes]:
        """Up to `limit` keys that are to be applied now, all frames up to `visible` being visible.

        They are the caller's until `applied` or `put_back`.
        """
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

    def applicable(self, limit: int) -> set[bytes]:
        """Some of the keys that wait, whose rows the shadow may have; they go on waiting."""
        some = islice(self._waiting, limit)
        return {key for key in some if not self.plan.ahead(key) and self.plan.flying(key) is None}

    def take_all(self) -> list[bytes]:
        """All keys, where nobody writes any more: the copy is finished and the table locked."""
        if not self.plan.finished or self._taken:
            raise RuntimeError("the copy or a batch is under way")
        self._taken, self._waiting = self._waiting, {}
        return list(self._taken)

    def applied(self, keys: Iterable[bytes]) -> None:
        """The batch is committed."""
        for key in keys:
            del self._taken[key]

    def put_back(self, keys: Iterable[bytes]) -> None:
        """The batch was rolled back. What touched a key meanwhile counts."""
        for key in keys:
            self._waiting.setdefault(key, self._taken.pop(key))

    def landed(self, chunk: Range) -> None:
        """The chunk is committed: what was held for it can be taken."""
        self.plan.committed(chunk)
        for key, sequence in self._held.pop(chunk, {}).items():
            self._waiting.setdefault(key, sequence)

    def unapplied_since(self) -> int | None:
        """The first frame that may have touched a key that is not applied; None where all is."""
        kept: Sequence[dict[bytes, int]] = (self._waiting, self._taken, *self._held.values())
        return min((min(each.values()) for each in kept if each), default=None)

    # The rules, one each, so that a test can take them out.

    def _is_visible(self, sequence: int, visible: int) -> bool:
        return sequence <= visible

    def _is_forgotten(self, key: bytes) -> bool:
        return self.plan.ahead(key)

    def _holder(self, key: bytes) -> Range | None:
        return self.plan.flying(key)
