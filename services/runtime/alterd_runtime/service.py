"""How every service starts and stops: settings, logs, the bus, health, signals."""

from __future__ import annotations

import asyncio
import platform
import signal
import sys
import time
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from alterd_contracts import __version__
from alterd_contracts.errors import AlterdError, BusUnreachable
from alterd_runtime import logs
from alterd_runtime.bus import Bus
from alterd_runtime.http import Health, HttpServer
from alterd_runtime.metrics import BUILD
from alterd_runtime.settings import Settings, instance_name, load

log = structlog.get_logger(__name__)

LOOP_STALL = 10.0
"""Seconds after which a loop that does not turn counts as not live."""


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What a service's main function gets."""

    settings: Settings
    instance: str
    bus: Bus
    http: HttpServer | None
    health: Health
    stopping: asyncio.Event
    """Set by SIGTERM and SIGINT."""

    def serving(self) -> None:
        """The service takes work from here on, and /readyz says so. Every main function calls it."""
        self.health.ready["service"] = ""


ENSURE_PAUSE = 0.5
"""Seconds between attempts to create what is missing."""

Main = Callable[[Context], Awaitable[None]]


def run(service: str, configured_instance: Callable[[Settings], str], main: Main) -> int:
    """Runs a service until a signal; the exit code."""
    try:
        settings = load()
        instance = instance_name(configured_instance(settings))
        logs.configure(service, instance, settings.log.level)
        asyncio.run(_run(service, settings, instance, main))
    except AlterdError as error:
        print(f"error: {error.message}", file=sys.stderr)  # noqa: T201
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


async def _run(service: str, settings: Settings, instance: str, main: Main) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopping.set)
    health = Health(ready={"nats": "not connected yet", "service": "starting"})
    BUILD.info({"version": __version__, "python": platform.python_version(), "service": service})
    beat = _Beat()
    http = None
    if settings.http.port >= 0:
        http = HttpServer(settings.http, lambda: beat.judge(health))
        http.start()
    ticking = asyncio.create_task(beat.run())
    try:
        opening = Bus.open(settings.nats, service, instance)
        async with opening as bus:
            beat.bus = bus
            await _ensured(bus, stopping)
            if stopping.is_set():
                return
            health.ready["nats"] = ""
            log.info("service.started", version=__version__, http=http.url if http else "")
            context = Context(
                settings=settings, instance=instance, bus=bus, http=http, health=health, stopping=stopping
            )
            await main(context)
            log.info("service.stopped")
    finally:
        ticking.cancel()
        if http:
            http.stop()


async def _ensured(bus: Bus, stopping: asyncio.Event) -> None:
    """Returns when streams and buckets are there; a cluster that elects its leaders takes a while."""
    while not stopping.is_set():
        try:
            await bus.ensure()
        except BusUnreachable as error:
            log.warning("streams.not_ready", why=error.message)
            await asyncio.sleep(ENSURE_PAUSE)
        else:
            return


class _Beat:
    """Proves that the loop turns, and looks at the connection."""

    def __init__(self) -> None:
        self.bus: Bus | None = None
        self._last = time.monotonic()

    async def run(self) -> None:
        while True:
            self._last = time.monotonic()
            await asyncio.sleep(1.0)

    def judge(self, health: Health) -> Health:
        stalled = time.monotonic() - self._last > LOOP_STALL
        live = {**health.live, "loop": "does not turn" if stalled else ""}
        ready = dict(health.ready)
        if self.bus is not None:
            live["nats"] = "closed for good" if self.bus.closed else ""
            ready["nats"] = "" if self.bus.connected else "not connected"
        return Health(live=live, ready=ready)
