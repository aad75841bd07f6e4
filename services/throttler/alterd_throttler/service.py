"""Wires the throttler together."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
from typing import Any

import structlog

from alterd_contracts.envelope import Reader
from alterd_contracts.hookspecs import Metric
from alterd_contracts.inputs import Control
from alterd_contracts.requests import ThrottleCheck
from alterd_contracts.subjects import THROTTLE_CHECK, THROTTLE_RULE
from alterd_runtime.http import Respond
from alterd_runtime.plugins import Plugins
from alterd_runtime.service import Context
from alterd_throttler.directory import Directory
from alterd_throttler.judge import LAG, THREADS_RUNNING
from alterd_throttler.rules import Rules
from alterd_throttler.throttler import ANSWER_TIMEOUT, Throttler

log = structlog.get_logger(__name__)

CONCURRENCY = 256
"""Questions at once: each of an idle shard may wait for its first measurement."""

_questions: Reader[ThrottleCheck] = Reader(ThrottleCheck)
_commands: Reader[Control] = Reader(Control)


async def main(context: Context) -> None:
    """Measures and answers until asked to stop."""
    directory = Directory(context.bus)
    following = asyncio.create_task(directory.run(), name="topology")
    rules = Rules(context.bus, directory)
    ruling = asyncio.create_task(rules.run(), name="rules")
    throttler = Throttler(context.bus, directory, context.settings.throttler, plugin_metrics(), context.instance, rules)
    stopping = asyncio.create_task(context.stopping.wait())
    try:
        loaded = asyncio.create_task(_all(directory.loaded, rules.loaded), name="loaded")
        beginning: set[asyncio.Task[Any]] = {loaded, following, ruling, stopping}
        await asyncio.wait(beginning, return_when=asyncio.FIRST_COMPLETED)
        loaded.cancel()
        stop_serving = await context.bus.serve(THROTTLE_CHECK, _questions, throttler.check, concurrency=CONCURRENCY)
        stop_ruling = await context.bus.serve(THROTTLE_RULE, _commands, rules.decide, queue="rules")
        if context.http:
            context.http.route("/throttle", _http(throttler, asyncio.get_running_loop()))
        context.serving()
        await asyncio.wait({following, ruling, stopping}, return_when=asyncio.FIRST_COMPLETED)
        for ended in (following, ruling):
            if ended.done():
                ended.result()
        await stop_ruling()
        await stop_serving()
    finally:
        await throttler.stop()
        tasks: tuple[asyncio.Task[Any], ...] = (following, ruling, stopping)
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


async def _all(*events: asyncio.Event) -> None:
    for event in events:
        await event.wait()


def plugin_metrics() -> list[Metric]:
    """The plugins' metrics; a name that is taken is left out, and said."""
    found: dict[str, Metric] = {}
    for metric in Plugins().load().metrics():
        if metric.name in found or metric.name in (LAG, THREADS_RUNNING):
            log.error("metric.name_taken", metric=metric.name)
        else:
            found[metric.name] = metric
    return list(found.values())


def _http(throttler: Throttler, loop: asyncio.AbstractEventLoop) -> Respond:
    """Called in the HTTP server's threads."""

    def respond(query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        answer = asyncio.run_coroutine_threadsafe(throttler.respond(query), loop)
        try:
            return answer.result(timeout=2 * ANSWER_TIMEOUT)
        except concurrent.futures.TimeoutError:
            answer.cancel()
            return 429, {"go": False, "reason": "the throttler does not answer in time"}

    return respond
