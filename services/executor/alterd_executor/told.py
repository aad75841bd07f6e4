"""What the scheduler tells of migrations, as far as executors act on it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import msgspec
import structlog

from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.events import Event, Fact, MigrationEvent
from alterd_runtime.bus import Bus

log = structlog.get_logger(__name__)

_events: Reader[Event] = Reader(Event)


async def told(bus: Bus, *facts: Fact, new_only: bool = False) -> AsyncIterator[MigrationEvent | None]:
    """Events of these facts, from the oldest that is kept; None once, when those that were there are told."""
    filters = [subjects.events(fact=fact) for fact in facts]
    async for message in bus.tail(subjects.EVENTS, *filters, new_only=new_only):
        if message is None:
            yield None
            continue
        try:
            event = _events.read(message.data)
        except msgspec.DecodeError as error:
            log.error("event.unreadable", sequence=message.sequence, error=str(error))
            continue
        if isinstance(event, MigrationEvent):
            yield event
