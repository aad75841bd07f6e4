"""Wiring of the executor."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from typing import Any

import structlog

from alterd_contracts import subjects
from alterd_contracts.declaration import Declaration
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import UnknownStrategy
from alterd_contracts.requests import CheckRequest
from alterd_executor.cancelling import Canceller
from alterd_executor.checking import Checker
from alterd_executor.cleaning import Cleaner
from alterd_executor.collector import Collector
from alterd_executor.folders import sweep
from alterd_executor.identity import Identity
from alterd_executor.nursery import Nursery
from alterd_executor.presence import Presence
from alterd_executor.receiving import Receiver
from alterd_executor.throttling import Throttling
from alterd_executor.watching import Following
from alterd_executor.world import World
from alterd_runtime.bus import Slots, Worker
from alterd_runtime.metrics import SLOTS
from alterd_runtime.plugins import Plugins, Strategies
from alterd_runtime.service import Context, run

log = structlog.get_logger(__name__)

QUEUE = "executor"
GIVING_BACK = 12.0
"""Seconds for the attempts in hand to be given back; what is left then is the next executor's to find out."""
ACK_WAIT = 10.0
"""Seconds until work that an executor took and did not answer for is given to another."""

_requests: Reader[CheckRequest] = Reader(CheckRequest)


async def serve(context: Context) -> None:
    """Runs the executor until the context says stop."""
    plugins = Plugins().load()
    strategies = plugins.strategies()
    offered = offers(strategies, context.settings.executor.strategies)
    throttling = Throttling(context.bus)
    world = World(
        bus=context.bus,
        identity=Identity.new(context.instance),
        settings=context.settings.executor,
        strategies=strategies,
        records=context.bus.bucket(subjects.STATE),
        following=Following(context.bus.bucket(subjects.STATE)),
        topology=context.bus.bucket(subjects.TOPOLOGY),
        progress=context.bus.bucket(subjects.PROGRESS),
        nursery=Nursery(),
        throttling=throttling,
        http_url=context.http.url if context.http else "",
        stopping=context.stopping,
    )
    if context.http:
        context.http.route("/throttle", throttling.respond)
    receiver = Receiver(world)
    slots = Slots(world.settings.slots)
    SLOTS.set(slots.count)
    presence = Presence(
        context.bus.bucket(subjects.EXECUTORS),
        lambda: world.identity.info(
            slots=slots.count,
            running=receiver.running,
            lease_ttl=world.settings.lease_ttl,
            strategies=offered,
            broken_plugins=plugins.broken,
        ),
        world.settings.lease_ttl,
    )
    checker = Checker(records=world.records, topology=world.topology, strategies=strategies, checks=plugins.checks())
    collector = Collector(world)
    await asyncio.to_thread(sweep, world.settings.workdir)
    world.nursery.prepare()
    try:
        await presence.renew()
        async with (
            _answering(context, offered, checker),
            _background(presence.run(), collector.run(), Cleaner(world, collector).run()),
        ):
            chosen = [declared for declared in offered if not declared.hidden]
            workers = [_worker(context, declared, receiver, slots) for declared in chosen]
            canceller = Canceller(world, receiver, frozenset(declared.strategy for declared in chosen))
            context.serving()
            await _work([*workers, canceller], context.stopping)
    finally:
        await throttling.close()
        await world.nursery.close()
        await presence.leave()


def offers(strategies: Strategies, wanted: tuple[str, ...]) -> tuple[Declaration, ...]:
    """What this executor offers: of all declarations those that are wanted, hidden runners always.

    Raises `UnknownStrategy`: a wanted one is not there.
    """
    declared = strategies.declarations()
    if not wanted:
        return declared
    for name in wanted:
        if not any(name == one.strategy for one in declared):
            raise UnknownStrategy(
                f"no plugin here offers the strategy {name!r}",
                hint="see the setting executor.strategies, and `alterd plugins`",
                strategy=name,
            )
    return tuple(one for one in declared if one.hidden or one.strategy in wanted)


def _worker(context: Context, declared: Declaration, receiver: Receiver, slots: Slots) -> Worker:
    return context.bus.worker(
        subjects.WORK,
        f"executor-{declared.strategy}",
        subjects.work_of(declared.strategy),
        receiver,
        slots=slots,
        ack_wait=ACK_WAIT,
    )


async def _work(workers: Sequence[Worker | Canceller], stopping: asyncio.Event) -> None:
    """Takes work until the executor stops, then waits for what is in hand to be given back."""
    working = [asyncio.create_task(worker.run()) for worker in workers]
    stop = asyncio.create_task(stopping.wait())
    try:
        done, _ = await asyncio.wait({stop, *working}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stop}:
            task.result()  # a worker ends by an error only
    finally:
        stop.cancel()
        for task in working:
            task.cancel()
        _, left = await asyncio.wait(working, timeout=GIVING_BACK)
        if left:
            log.warning("executor.not_given_back", workers=len(left))
            for task in left:
                task.cancel()
            await asyncio.wait(left)


@contextlib.asynccontextmanager
async def _answering(context: Context, offered: tuple[Declaration, ...], checker: Checker) -> AsyncIterator[None]:
    """Serves checks and plans of every strategy that users can choose."""
    stops: list[Callable[[], Awaitable[None]]] = []
    try:
        for declared in offered:
            for name in () if declared.hidden else (declared.strategy, *declared.aliases):
                for subject, handle in ((subjects.check(name), checker.check), (subjects.plan(name), checker.plan)):
                    stops.append(await context.bus.serve(subject, _requests, handle, queue=QUEUE))
        yield
    finally:
        for stop in stops:
            await stop()


@contextlib.asynccontextmanager
async def _background(*work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Runs `work` beside the block. What breaks there is told, and ends with the block."""
    tasks = [asyncio.create_task(one) for one in work]
    for task in tasks:
        task.add_done_callback(_tell)
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _tell(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("executor.background_broke", exc_info=error)


def main() -> int:
    return run("executor", lambda settings: settings.executor.instance, serve)
