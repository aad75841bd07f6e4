"""Hands every fact to the plugins' hook ``alterd_observe_event``, at least once.

In order, but for a fact that a plugin refused: that one comes again later.
"""

from __future__ import annotations

import asyncio

import structlog

from alterd_consumers.facts import follow
from alterd_contracts.events import Event
from alterd_runtime.bus import Delivery
from alterd_runtime.bus.worker import Unreadable
from alterd_runtime.plugins import Plugins
from alterd_runtime.service import Context

log = structlog.get_logger(__name__)

TRIES = 5
"""Times a fact is handed to the plugins before it goes to the dead letters: one plugin must not stop them all."""


async def main(context: Context) -> None:
    plugins = Plugins().load()
    await follow(context, "observer", Observer(plugins).take)


class Observer:
    """Remembers how often a fact was refused. `pause`: seconds before it comes again, more each time."""

    def __init__(self, plugins: Plugins, pause: float = 2.0) -> None:
        self._plugins, self._pause = plugins, pause
        self._tries: dict[str, int] = {}

    async def take(self, event: Event, delivery: Delivery) -> None:
        """A plugin that raises gets the fact again; so do the others. Raises `Unreadable` after `TRIES` of them."""
        try:
            await asyncio.to_thread(self._plugins.observe, event)
        except Exception as error:
            tried = self._tries.pop(event.id, 0) + 1
            why = f"{type(error).__name__}: {error}"
            log.exception("observer.failed", fact=event.id, tried=tried)
            if tried >= TRIES:
                raise Unreadable(f"the plugins refused it {tried} times: {why}") from error
            self._tries[event.id] = tried
            await delivery.back(self._pause * tried)
        else:
            self._tries.pop(event.id, None)
