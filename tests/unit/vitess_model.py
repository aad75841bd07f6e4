"""A model of the native engine: rows, a binlog that is read before it is visible, chunks, batches, crashes.

The decisions are the engine's own (`Touched`, `CopyPlan`, `Positions`); server and network are a few dicts. Each rule
can be taken out; a run then must be able to lose, double or keep a stale row.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from alterd_vitess.gtid import GtidSet
from alterd_vitess.positions import Positions
from alterd_vitess.ranges import CopyPlan, Range
from tests.unit.vitess_pieces import Batch, Chunk, Delivered, Loss, Transaction
from tests.unit.vitess_rules import Crippled, Rule

KEYS = 14
STEPS = 90


def key_bytes(key: int) -> bytes:
    return bytes([key + 1])


def gtid(number: int) -> tuple[str, int, int]:
    """Of a transaction in the binlog."""
    return "server", number + 1, number + 1


@dataclass
class World:
    """Everything; durable are `source`, `shadow`, `binlog`, `open`, `copied` and `checkpoint`."""

    random: random.Random
    without: Rule | None = None
    source: dict[int, int] = field(default_factory=dict)
    shadow: dict[int, int] = field(default_factory=dict)
    binlog: list[Transaction] = field(default_factory=list)
    open: list[int] = field(default_factory=list)
    """Transactions that are prepared."""
    copied: list[Range] = field(default_factory=list)
    checkpoint: GtidSet = field(default_factory=GtidSet)
    end: bytes = b""
    # In memory of the run.
    touched: Crippled = field(init=False)
    plan: CopyPlan = field(init=False)
    chunks: list[Chunk] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)
    positions: Positions = field(init=False)
    most: int = field(init=False)
    """Keys in memory."""
    needed: set[int] = field(default_factory=set)
    """Transactions that touched something."""
    asked: tuple[int, set[int]] | None = None
    """A proof under way: frame and transactions it covers."""
    visible: int = 0
    # In memory of the stream's reader.
    delivered: int = 0
    skipped: GtidSet = field(default_factory=GtidSet)
    groups: dict[int, set[int]] = field(default_factory=dict)
    """What prepared transactions touched."""
    rest: set[int] | None = None
    """What is left of a transaction that is sent in parts."""
    counter: int = 0

    def __post_init__(self) -> None:
        for key in range(KEYS):
            if self.random.random() < 0.6:
                self.source[key] = self._value()
        # some writers are on their way when the run begins
        for _ in range(self.random.randrange(3)):
            self._write()
        for number, transaction in enumerate(self.binlog):
            if transaction.visible:
                self.checkpoint.add(*gtid(number))
        self.most = self.random.choice((1, 3, 1000, 1000))
        last = max((key for key in self.source if key < KEYS - 4), default=-1)
        self.end = key_bytes(last) if last >= 0 else b""
        for key in [key for key in self.source if key > last]:  # an empty plan is one of an empty table
            del self.source[key]
        self._begin()

    def run(self) -> None:
        """Random steps, then quiet, then the comparison. Raises `Loss`."""
        for _ in range(STEPS):
            self.random.choice(self._moves())()
        self._settle()
        if self.shadow != self.source:
            raise Loss(f"source {self.source}, shadow {self.shadow}")

    @property
    def plan_is_there(self) -> bool:
        """No transaction that is prepared is older than the stream."""
        return hasattr(self, "plan")

    # The run -------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self.plan = CopyPlan(self.end, self.copied)
        self.touched = Crippled(self.plan, self.without, self.most)
        self.chunks, self.batches = [], []
        self.positions = Positions(self.checkpoint)
        self.asked, self.visible, self.needed = None, 0, set()
        self._begin_stream()

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
            *((self._begin_stream,) if self.random.random() < 0.1 else ()),
            self._end_prepared,
        ]

    def _begin_stream(self) -> None:
        """A first one, or one after another was lost."""
        again = self.positions.received if self.without is Rule.REREAD_PREPARED else self.positions.whole
        self.skipped, self.delivered = again.copy(), 0
        self.groups, self.rest = {}, None

    def _deliver(self) -> None:
        """A frame, as soon as its transactions are in the binlog."""
        frame = Delivered()
        for _ in range(self.random.randint(1, 3)):
            if not self._next_to_deliver():
                break
            number, transaction = self.delivered, self.binlog[self.delivered]
            touched = transaction.touched if self.rest is None else self.rest
            if len(touched) > 1 and not transaction.prepared and self.random.random() < 0.3:
                self._deliver_part(frame, number, touched)
                return
            self._read(frame, number, transaction, touched)
            self.delivered, self.rest = number + 1, None
        self._touch(frame)

    def _next_to_deliver(self) -> bool:
        while self.delivered < len(self.binlog):
            if not self.skipped.contains(GtidSet.of(*gtid(self.delivered))):
                return True
            self.delivered += 1
        return False

    def _deliver_part(self, frame: Delivered, number: int, touched: set[int]) -> None:
        """What came before it, then some of it."""
        self._touch(frame)
        some = set(self.random.sample(sorted(touched), len(touched) - 1))
        self.rest = touched - some
        part = Delivered(keys=some)
        if self.without is Rule.PART_IS_NOT_WHOLE:
            part.gtids.append(gtid(number))
        if self.without is not Rule.PART_VISIBLE:
            part.needed.add(number)
        self._touch(part)

    def _read(self, frame: Delivered, number: int, transaction: Transaction, touched: set[int]) -> None:
        """One transaction, or what is left of it, as the reader does."""
        if transaction.prepared and self.without is not Rule.KEEP_PREPARED:
            self.groups[number] = touched
            frame.prepared.append(gtid(number))
            return
        frame.gtids.append(gtid(number))
        if transaction.ends is not None:
            kept = self.groups.pop(transaction.ends, None)
            if kept is not None:
                frame.gtids.append(gtid(transaction.ends))
                touched = kept if transaction.rows else set()
        frame.keys |= touched
        if touched:
            frame.needed.add(number)

    def _touch(self, frame: Delivered) -> None:
        if not (frame.gtids or frame.prepared or frame.keys):
            return
        if self.without is Rule.CHECKPOINT_PREPARED:
            frame.gtids += frame.prepared
        sequence = self.positions.receive(frame.gtids, frame.prepared)
        self.needed |= frame.needed
        self.touched.touch(sorted(map(key_bytes, frame.keys)), sequence)

    def _prove(self) -> None:
        if self.asked is None and self.positions.sequence:
            self.asked = self.positions.sequence, set(self.needed)

    def _proved(self) -> None:
        if self.asked and all(self.binlog[number].visible for number in self.asked[1]):
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
        read = [chunk for chunk in self.chunks if chunk.seen is not None and not chunk.committed]
        if not read:
            return
        chunk = self.random.choice(read)
        if not chunk.registered:
            self._register(chunk)
        assert chunk.seen is not None
        if chunk.seen.keys() & self.shadow.keys():
            raise Loss("a chunk met a row that was there")
        self.shadow.update(chunk.seen)
        chunk.committed = True
        if self.without is not Rule.CHUNK_RECORDED:
            self.copied.append(chunk.range)

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
        read = [batch for batch in self.batches if batch.seen is not None and not batch.committed]
        if not read:
            return
        batch = self.random.choice(read)
        for key in [key for key in self.shadow if key_bytes(key) in batch.keys]:
            del self.shadow[key]
        assert batch.seen is not None
        self.shadow.update(batch.seen)
        batch.committed = True

    def _batch_done(self) -> None:
        for batch in self.batches:
            if batch.committed:
                self.batches.remove(batch)
                self.touched.applied(batch.keys)
                return

    def _checkpoint(self) -> None:
        self.checkpoint = self.positions.applied(self.touched.unapplied_since()).copy()
        if self.without is Rule.CHECKPOINT_ENDED:
            for number, transaction in enumerate(self.binlog):
                if transaction.prepared and self.positions.whole.contains(GtidSet.of(*gtid(number))):
                    self.checkpoint.add(*gtid(number))

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
        locked |= {key for number in self.open for key in self.binlog[number].rows}
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
        if rows and touched and self.plan_is_there and self.random.random() < 0.2:
            self.open.append(len(self.binlog))
            self.binlog.append(Transaction(rows, touched, visible=True, prepared=True))
        elif rows:
            self.binlog.append(Transaction(rows, touched))

    def _end_prepared(self) -> None:
        """XA COMMIT or XA ROLLBACK: a transaction of its own."""
        if self.open:
            number = self.open.pop(self.random.randrange(len(self.open)))
            committed = self.random.random() < 0.8
            self.binlog.append(Transaction(self.binlog[number].rows if committed else {}, set(), ends=number))

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
        while self.open:
            self._end_prepared()
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
