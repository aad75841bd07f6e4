"""The change stream, from frame to touched keys; a lost one is begun again at the last transaction's border."""

from __future__ import annotations

import asyncio

from alterd_runtime.failpoints import failpoint
from alterd_vitess.gtid import GtidSet
from alterd_vitess.proof import Proof
from alterd_vitess.run import Run
from alterd_vitess.sources import Source, Sources, behind
from alterd_vitess.stream.errors import StreamLost, UnsafeChange
from alterd_vitess.stream.frames import Frame
from alterd_vitess.stream.stream import ChangeStream

RESTARTS = 5
"""Streams in a row that may be lost before they bring anything; then the attempt is given back."""
PAUSE = 0.2
"""Seconds before a lost stream is begun again, doubled each time."""


class Following:
    """Feeds `run.touched`."""

    def __init__(self, run: Run, proof: Proof) -> None:
        self._run, self._proof = run, proof
        self._sources = Sources(run)
        self._partly = GtidSet()
        """Transactions of which a part was read."""
        self.began = asyncio.Event()
        """The server sends its binlog, and no prepared transaction holds the table: the copy may begin."""

    async def forever(self) -> None:
        """Until the swap. Raises what ends the change stream for good: `UnsafeChange`, `StreamLost` again and again."""
        try:
            await self._again_and_again()
        finally:
            await self._sources.close()

    async def reached(self, gtids: GtidSet) -> None:
        """Returns when the stream has brought all of these transactions."""
        while not self._run.positions.received.contains(gtids):
            await self._run.bell.heard()

    async def _again_and_again(self) -> None:
        fruitless = 0
        while True:
            before = self._run.positions.sequence
            try:
                await self._follow()
                return
            except UnsafeChange:
                if self._run.swapped:  # the new table's rows are not ours to follow
                    return
                raise
            except StreamLost as error:
                self._give_up_parts(GtidSet())
                fruitless = fruitless + 1 if self._run.positions.sequence == before else 1
                if fruitless > RESTARTS:
                    raise
                self._run.task.log.warning(f"{error.message}; the change stream begins again")
                await asyncio.sleep(PAUSE * 2 ** (fruitless - 1))

    async def _follow(self) -> None:
        stream, source = await self._sources.open()
        self._run.positions.fresh = False
        self.began.set()
        try:
            if source.replica:
                await self._read_while_near(stream, source)
            else:
                await self._read(stream)
        except StreamLost:
            self._sources.lost(source, behind=False)
            raise
        finally:
            await stream.close()

    async def _read_while_near(self, stream: ChangeStream, source: Source) -> None:
        """Raises `StreamLost` when the replica falls behind."""
        reading = asyncio.create_task(self._read(stream))
        looking = asyncio.create_task(self._sources.until_behind(source))
        try:
            await asyncio.wait({reading, looking}, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                await reading
                return
            await looking
            self._sources.lost(source, behind=True)
            raise behind(source)
        finally:
            for task in (reading, looking):
                task.cancel()
            await asyncio.gather(reading, looking, return_exceptions=True)

    async def _read(self, stream: ChangeStream) -> None:
        run = self._run
        async for frame in stream:
            if run.swapped:
                return
            self._take(frame)
            run.bell.ring()

    def _take(self, frame: Frame) -> None:
        run = self._run
        sequence = run.positions.receive(frame.gtids, frame.prepared)
        if frame.gtids or frame.prepared:
            if self._partly:
                self._give_up_parts(_set_of(frame.gtids))
        else:
            self._partly.update(_set_of(frame.touching))
        if frame.keys:
            run.touched.touch(frame.keys, sequence)
            self._proof.needed(frame.touching)
        if not frame.gtids and not frame.prepared:
            failpoint("stream.part_touched")
        if frame.prepared:
            failpoint("stream.group_prepared")

    def _give_up_parts(self, ended: GtidSet) -> None:
        """Transactions in parts, but for those that have `ended`, come again from their first row on, or never."""
        left, self._partly = self._partly.minus(ended), GtidSet()
        if left:
            self._proof.withdraw(left)


def _set_of(gtids: list[tuple[str, int, int]]) -> GtidSet:
    found = GtidSet()
    for sid, first, last in gtids:
        found.add(sid, first, last)
    return found
