"""The rules that keep the rows right, and the engine's decisions without one of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from enum import StrEnum

from alterd_vitess.ranges import CopyPlan, Range
from alterd_vitess.spill import IN_MEMORY, Spill
from alterd_vitess.touched import Touched


class Rule(StrEnum):
    """What keeps the rows right."""

    HOLD = "a touched key inside a chunk under way waits for that chunk"
    PLAN_END = "a key beyond the plan's end is not ahead of the copy"
    VISIBLE_TO_FORGET = "a key is forgotten only when its change is visible"
    VISIBLE_TO_APPLY = "a key is applied only when its change is visible"
    SEQUENCE = "a key touched again after the proof is not taken with it"
    NEWER_TOUCH_COUNTS = "a key touched while it is applied is applied again"
    BEFORE_IMAGE = "the before-image's key is touched"
    AFTER_IMAGE = "the after-image's key is touched"
    REGISTER_FIRST = "a chunk is under way before its statement starts"
    ONE_BATCH = "a key is in one batch at a time"
    CHECKPOINT_HELD = "a checkpoint never passes a held key"
    CHECKPOINT_TAKEN = "a checkpoint never passes a key whose batch is not committed"
    CHECKPOINT_WAITING = "a checkpoint never passes a key that waits"
    CHECKPOINT_SPILLED = "a checkpoint never passes a key that waits in the file"
    SPILLED_SEQUENCE = "a key in the file carries its last touch"
    CHECKPOINT_PREPARED = "a checkpoint never passes a prepared transaction that is open"
    CHECKPOINT_ENDED = "a checkpoint never passes a prepared transaction whose end is not applied"
    KEEP_PREPARED = "what a prepared transaction touched is touched when it is committed"
    REREAD_PREPARED = "a new stream reads the prepared transactions that are open again"
    PART_IS_NOT_WHOLE = "a part of a transaction moves no checkpoint"
    PART_VISIBLE = "a part of a transaction is visible when the transaction is"
    CHUNK_RECORDED = "a chunk and its record are one transaction"


class Forgetful(Spill):
    """A file in which a key keeps the sequence that it came with."""

    def _touch_again(self, database: sqlite3.Connection, rows: list[tuple[int, bytes]]) -> None:
        pass


class Crippled(Touched):
    """The decisions without one rule."""

    def __init__(self, plan: CopyPlan, without: Rule | None, most: int) -> None:
        super().__init__(plan, most, Forgetful(IN_MEMORY) if without is Rule.SPILLED_SEQUENCE else Spill(IN_MEMORY))
        self._without = without
        self._first: dict[bytes, int] = {}
        """The first frame that touched a key since it was applied."""

    def _is_visible(self, sequence: int, visible: int) -> bool:
        if self._without is Rule.VISIBLE_TO_APPLY:
            return True
        return super()._is_visible(sequence, visible)

    def take(self, visible: int, limit: int) -> list[bytes]:
        if self._without is Rule.VISIBLE_TO_FORGET:
            for key in [key for key in self._waiting if self.plan.ahead(key)]:
                del self._waiting[key]
        if self._without is Rule.SEQUENCE:
            # the key was looked at when the proof was asked for, and its newer touch goes with it
            early = [key for key in self._waiting if self._first.get(key, visible + 1) <= visible]
            for key in early:
                self._waiting[key] = min(self._waiting[key], visible)
        if self._without is Rule.ONE_BATCH:
            before = dict(self._taken)
            self._taken.clear()
            batch = super().take(visible, limit)
            self._taken = {**before, **self._taken}
            return batch
        batch = super().take(visible, limit)
        for key in batch:
            self._first.pop(key, None)
        return batch

    def touch(self, keys: Iterable[bytes], sequence: int) -> None:
        keys = list(keys)
        for key in keys:
            self._first.setdefault(key, sequence)
        if self._without is Rule.NEWER_TOUCH_COUNTS:
            keys = [key for key in keys if key not in self._taken]
        super().touch(keys, sequence)

    def applied(self, keys: Iterable[bytes]) -> None:
        for key in keys:
            self._taken.pop(key, None)

    def _is_forgotten(self, key: bytes) -> bool:
        if self._without is Rule.PLAN_END:
            frontier = self.plan.pending[0].low if self.plan.pending else None
            return frontier is not None and key > frontier
        return super()._is_forgotten(key)

    def _holder(self, key: bytes) -> Range | None:
        return None if self._without is Rule.HOLD else super()._holder(key)

    def unapplied_since(self) -> int | None:
        kept = [self._waiting, self._taken, *self._held.values()]
        if self._without is Rule.CHECKPOINT_HELD:
            kept = [self._waiting, self._taken]
        elif self._without is Rule.CHECKPOINT_TAKEN:
            kept = [self._waiting, *self._held.values()]
        elif self._without is Rule.CHECKPOINT_WAITING:
            kept = [self._taken, *self._held.values()]
        first = [min(each.values()) for each in kept if each]
        spilled = self._spill.oldest()
        if self._without not in (Rule.CHECKPOINT_SPILLED, Rule.CHECKPOINT_WAITING) and spilled is not None:
            first.append(spilled)
        return min(first, default=None)
