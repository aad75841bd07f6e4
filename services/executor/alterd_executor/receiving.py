"""Work from the queue: read, judged by its record, handed to a supervisor."""

from __future__ import annotations

import msgspec
import structlog

from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import AlterdError
from alterd_contracts.work import Work
from alterd_executor.granting import Standing, standing
from alterd_executor.supervisor import Supervisor
from alterd_executor.watching import UnreadableRecord, read_record
from alterd_executor.world import World
from alterd_runtime.bus import Delivery, Unreadable
from alterd_runtime.failpoints import failpoint
from alterd_runtime.metrics import RUNS

log = structlog.get_logger(__name__)

_reader: Reader[Work] = Reader(Work)


class RecordBehind(AlterdError):
    """The record does not know of this attempt yet."""

    code = "record_behind"
    retryable = True


class Receiver:
    """Handles deliveries of work; each stays in hand until its attempt has ended, though it is acked long before."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._in_hand: set[tuple[str, int]] = set()

    @property
    def running(self) -> int:
        return len(self._in_hand)

    async def __call__(self, delivery: Delivery) -> None:
        failpoint("executor.work_fetched")
        work = _read(delivery)
        key = subjects.open_key(work.keyspace, work.shard, work.migration_uuid)
        try:
            record = await read_record(self._world.records, key)
        except UnreadableRecord as error:
            raise Unreadable(error.message) from None
        if record is not None and record.attempt < work.attempt:
            raise RecordBehind(f"the record {key} stands at attempt {record.attempt}, the work at {work.attempt}")
        in_hand = (key, work.attempt) in self._in_hand
        if record is None or in_hand or standing(record, work, self._world.identity) is not Standing.OFFERED:
            log.info("work.dropped", key=key, attempt=work.attempt, in_hand=in_hand)
            return
        self._in_hand.add((key, work.attempt))
        RUNS.set(self.running)
        try:
            await Supervisor(self._world, work, record).run(lambda: _ack(delivery))
        finally:
            self._in_hand.discard((key, work.attempt))
            RUNS.set(self.running)


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
