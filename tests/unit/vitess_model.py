"""A model of the native engine: rows, a binlog that is read before it is visible, chunks, batches, crashes.

The decisions are the engine's own (`Touched`, `CopyPlan`); server and network are a few dicts. Each rule can be taken
out; a run then must be able to lose, double or keep a stale row.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import StrEnum

from alterd_vitess.ranges import CopyPlan, Range
from alterd_vitess.touched import Touched

KEYS = 14
STEPS = 90


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
    CHUNK_RECORDED = "a chunk and its record are one transaction"


def key_bytes(key: int) -> bytes:
    return bytes([key + 1])


class Crippled(Touched):
    """The decisions without one rule."""

    def __init__(self, plan: CopyPlan, without: Rule | None) -> None:
        super().__init__(plan)
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
        return min((min(each.values()) for each in kept if each), default=None)


@dataclass
class Transaction:
    """In the binlog, perhaps not visible yet."""

    rows: dict[int, int | None]
    touched: set[int]
    visible: bool = False


@dataclass
class Chunk:
    """A copy statement on the server."""

    range: Range
    seen: dict[int, int] | None = None
    """The rows its snapshot has; None before the statement has started."""
    committed: bool = False
    registered: bool = True


@dataclass
class Batch:
    """An apply transaction on the server."""

    keys: list[bytes]
    seen: dict[int, int] | None = None
    committed: bool = False


class Loss(AssertionError):
    """The tables differ, or the server refused what must never be refused."""


@dataclass
class World:
    """Everything; durable are `source`, `shadow`, `binlog`, `copied` and `checkpoint`."""

    random: random.Random
    without: Rule | None = None
    source: dict[int, int] = field(default_factory=dict)
    shadow: dict[int, int] = field(default_factory=dict)
    binlog: list[Transaction] = field(default_factory=list)
    copied: list[Range] = field(default_factory=list)
    checkpoint: int = 0
    end: bytes = b""
    # In memory of the run.
    touched: Crippled = field(init=False)
    plan: CopyPlan = field(init=False)
    chunks: list[Chunk] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    delivered: int = 0
    frames: list[int] = field(default_factory=list)
    """Of each frame the number of transactions delivered with it and before."""
    asked: tuple[int, int] | None = None
    """A proof under way: frame and transactions it covers."""
    visible: int = 0
    counter: int = 0

    def __post_init__(self) -> None:
        for key in range(KEYS):
            if self.random.random() < 0.6:
                self.source[key] = self._value()
        # some writers are on their way when the run begins
        for _ in range(self.random.randrange(3)):
            self._write()
        self.checkpoint = 0
        while self.checkpoint < len(self.binlog) and self.binlog[self.checkpoint].visible:
            self.checkpoint += 1
        low = [key for key in self.source if key < KEYS - 4]
        self.end = key_bytes(max(low)) if low else b""
        for key in [key for key in self.source if low and key > max(low)]:
            del self.source[key]
        self._begin()

    def run(self) -> None:
        """Random steps, then quiet, then the comparison. Raises `Loss`."""
        for _ in range(STEPS):
            self.random.choice(self._moves())()
        self._settle()
        if self.shadow != self.source:
            raise Loss(f"source {self.source}, shadow {self.shadow}")

    # The run -------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self.plan = CopyPlan(self.end, self.copied)
        self.touched = Crippled(self.plan, self.without)
        self.chunks, self.batches = [], []
        self.delivered, self.frames, self.asked, self.visible = self.checkpoint, [], None, 0

    def _moves(self) -> list[Callable[[], None]]:
        return [
            *(self._write,) * 4,
            *(self._show,) * 3,
            *(self._deliver,) * 3,
            self._prove,
            self._proved,
            self._proved,
            self._dispatch,
            self._chunk_starts,
            self._chunk_commits,
            self._chunk_lands,
            self._take,
            self._take,
            self._batch_reads,
            self._batch_commits,
            self._batch_done,
            self._checkpoint,
            *((self._crash,) if self.random.random() < 0.1 else ()),
        ]

    def _deliver(self) -> None:
        """A frame of whole transactions, as soon as they are in the binlog."""
        count = min(self.random.randint(1, 3), len(self.binlog) - self.delivered)
        if count <= 0:
            return
        keys: set[bytes] = set()
        for transaction in self.binlog[self.delivered : self.delivered + count]:
            keys |= {key_bytes(key) for key in transaction.touched}
        self.delivered += count
        self.frames.append(self.delivered)
        self.touched.touch(sorted(keys), len(self.frames))

    def _prove(self) -> None:
        if self.asked is None and self.frames:
            self.asked = len(self.frames), self.delivered

    def _proved(self) -> None:
        if self.asked and all(each.visible for each in self.binlog[: self.asked[1]]):
            self.visible, self.asked = self.asked[0], None

    def _dispatch(self) -> None:
        if not self.plan.pending or len(self.chunks) >= 2:
            return
        first = self.plan.pending[0]
        inside = [key_bytes(key) for key in range(KEYS) if key_bytes(key) in first]
        high = first.high if len(inside) < 3 else self.random.choice(inside)
        if self.without is Rule.REGISTER_FIRST:
            self.chunks.append(Chunk(Range(first.low, high), registered=False))
        else:
            self.chunks.append(Chunk(self.plan.dispatch(high)))

    def _chunk_starts(self) -> None:
        for chunk in self.chunks:
            if chunk.seen is None:
                chunk.seen = {key: value for key, value in self.source.items() if key_bytes(key) in chunk.range}
                return

    def _chunk_commits(self) -> None:
        for chunk in self.chunks:
            if chunk.seen is not None and not chunk.committed:
                if not chunk.registered:
                    self._register(chunk)
                if chunk.seen.keys() & self.shadow.keys():
                    raise Loss("a chunk met a row that was there")
                self.shadow.update(chunk.seen)
                chunk.committed = True
                if self.without is not Rule.CHUNK_RECORDED:
                    self.copied.append(chunk.range)
                return

    def _register(self, chunk: Chunk) -> None:
        if not chunk.registered and self.plan.pending and self.plan.pending[0].low == chunk.range.low:
            self.plan.dispatch(chunk.range.high)
            chunk.registered = True

    def _chunk_lands(self) -> None:
        for chunk in self.chunks:
            if chunk.committed:
                self.chunks.remove(chunk)
                self.touched.landed(chunk.range)
                if self.without is Rule.CHUNK_RECORDED:
                    self.copied.append(chunk.range)
                return

    def _take(self) -> None:
        if len(self.batches) < 2 and (keys := self.touched.take(self.visible, self.random.randint(1, 4))):
            self.batches.append(Batch(keys))

    def _batch_reads(self) -> None:
        for batch in self.batches:
            if batch.seen is None:
                batch.seen = {key: value for key, value in self.source.items() if key_bytes(key) in batch.keys}
                return

    def _batch_commits(self) -> None:
        for batch in self.batches:
            if batch.seen is not None and not batch.committed:
                for key in [key for key in self.shadow if key_bytes(key) in batch.keys]:
                    del self.shadow[key]
                self.shadow.update(batch.seen)
                batch.committed = True
                return

    def _batch_done(self) -> None:
        for batch in self.batches:
            if batch.committed:
                self.batches.remove(batch)
                self.touched.applied(batch.keys)
                return

    def _checkpoint(self) -> None:
        since = self.touched.unapplied_since()
        frames = len(self.frames) if since is None else since - 1
        if frames > 0:
            self.checkpoint = self.frames[frames - 1]

    def _crash(self) -> None:
        """Memory is gone; what a session had begun is committed or not."""
        for chunk in self.chunks:
            if chunk.seen is not None and not chunk.committed and self.random.random() < 0.3:
                self._chunk_commits()
        if self.random.random() < 0.3:
            self._batch_commits()
        self._begin()

    # The writers ---------------------------------------------------------------------------------------------------

    def _value(self) -> int:
        self.counter += 1
        return self.counter

    def _write(self) -> None:
        """A transaction goes into the binlog; its rows are locked until it is visible."""
        locked = {key for each in self.binlog if not each.visible for key in each.rows}
        free = [key for key in range(KEYS) if key not in locked]
        rows: dict[int, int | None] = {}
        touched: set[int] = set()
        for _ in range(self.random.randint(1, 2)):
            choice = [key for key in free if key not in rows]
            if len(choice) < 2:
                break
            key, other = self.random.sample(choice, 2)
            if key not in self.source:
                rows[key] = self._value()
                touched |= self._images(None, key)
            elif self.random.random() < 0.3:
                rows[key] = None
                touched |= self._images(key, None)
            elif other not in self.source and self.random.random() < 0.4:
                rows[other], rows[key] = self.source[key], None
                touched |= self._images(key, other)
            else:
                rows[key] = self._value()
                touched |= self._images(key, key)
        if rows:
            self.binlog.append(Transaction(rows, touched))

    def _images(self, before: int | None, after: int | None) -> set[int]:
        if self.without is Rule.BEFORE_IMAGE and after is not None:
            before = None
        if self.without is Rule.AFTER_IMAGE and before is not None:
            after = None
        return {key for key in (before, after) if key is not None}

    def _show(self) -> None:
        """Some transaction becomes visible: those of different rows in any order."""
        hidden = [each for each in self.binlog if not each.visible]
        if hidden:
            chosen = self.random.choice(hidden[:2])
            chosen.visible = True
            for key, value in chosen.rows.items():
                if value is None:
                    self.source.pop(key, None)
                else:
                    self.source[key] = value

    # The end -------------------------------------------------------------------------------------------------------

    def _settle(self) -> None:
        while any(not each.visible for each in self.binlog):
            self._show()
        for _ in range(10_000):
            self._deliver()
            for step in (self._prove, self._proved, self._dispatch, self._chunk_starts, self._chunk_commits):
                step()
            for step in (self._chunk_lands, self._take, self._batch_reads, self._batch_commits, self._batch_done):
                step()
            if (
                self.delivered == len(self.binlog)
                and self.plan.finished
                and not len(self.touched)
                and not (self.chunks or self.batches)
            ):
                return
        raise Loss("the run does not come to its end")
