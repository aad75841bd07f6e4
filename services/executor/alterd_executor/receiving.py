"""Work from the queue: read, judged by its record, handed to a supervisor."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import AlterdError
from alterd_contracts.migration import Migration
from alterd_contracts.work import Work
from alterd_executor.granting import Standing, standing
from alterd_executor.supervisor import Supervisor
from alterd_executor.watching import UnreadableRecord, read_record
from alterd_executor.world import World
from alterd_runtime.bus import Delivery, Place, Unreadable
from alterd_runtime.failpoints import failpoint
from alterd_runtime.metrics import RUNS

log = structlog.get_logger(__name__)

_reader: Reader[Work] = Reader(Work)


class RecordBehind(AlterdError):
    """The record does not know of this attempt yet."""

    code = "record_behind"
    retryable = True


class Receiver:
    """Handles attempts; each stays in hand until it has ended, though its work is acked long before."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._in_hand: dict[tuple[str, int], asyncio.Event] = {}
        """Attempts, and whether the scheduler's log holds that they were taken here."""

    @property
    def running(self) -> int:
        return len(self._in_hand)

    async def __call__(self, delivery: Delivery) -> None:
        failpoint("executor.work_fetched")
        work = _read(delivery)
        key = subjects.open_key(work.keyspace, work.shard, work.migration_uuid)
        if (taken := self._in_hand.get((key, work.attempt))) is not None:
            await taken.wait()  # until then nothing but this delivery would bring the attempt to others
        try:
            record = await read_record(self._world.records, key)
        except UnreadableRecord as error:
            raise Unreadable(error.message) from None
        if record is not None and record.attempt < work.attempt:
            raise RecordBehind(f"the record {key} stands at attempt {record.attempt}, the work at {work.attempt}")
        if record is None or not await self.take(work, record, lambda: _ack(delivery), delivery.place):
            log.info("work.dropped", key=key, attempt=work.attempt)

    async def take(
        self, work: Work, record: Migration, taken: Callable[[], Awaitable[None]], slot: Place | None = None
    ) -> bool:
        """Brings the attempt to its end; False: it is in hand here already, or no longer offered.

        `taken` is called once the scheduler's log holds that it was taken: its work may leave the queue. `slot`: the
        one that it has, if any.
        """
        place = (record.open_key, work.attempt)
        if place in self._in_hand or standing(record, work, self._world.identity) is not Standing.OFFERED:
            return False
        held = self._in_hand[place] = asyncio.Event()

        async def told() -> None:
            held.set()
            await taken()

        RUNS.set(self.running)
        try:
            await Supervisor(self._world, work, record, slot).run(told)
        finally:
            held.set()
            del self._in_hand[place]
            RUNS.set(self.running)
        return True


def _read(delivery: Delivery) -> Work:
    try:
        return _reader.read(delivery.data)
    except msgspec.DecodeError as error:
        raise Unreadable(f"no work: {error}") from None


async def _ack(delivery: Delivery) -> None:
    try:
        await delivery.ack()
    except AlterdError as error:  # it comes again, and finds itself in hand or granted
        log.info("work.not_acked", error=error.message)
