"""Every fact as one line of JSON, in the order of the stream.

A fact that was in hand when the process was killed comes again after ten seconds, behind later ones.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

from alterd_consumers.facts import follow
from alterd_contracts.events import Event
from alterd_runtime.bus import Delivery
from alterd_runtime.service import Context

log = structlog.get_logger(__name__)

PAUSE = 1.0
"""Seconds before a line that could not be written is tried again; what follows waits, to keep the order."""

_encoder = msgspec.json.Encoder(order="deterministic")


async def main(context: Context, file: Path | None = None) -> None:
    """Writes to `file`, or to standard output."""
    write: Callable[[bytes], None] = to_stdout if file is None else Appender(file)

    async def take(event: Event, delivery: Delivery) -> None:
        text = line(event)
        while True:
            try:
                return await asyncio.to_thread(write, text)
            except OSError as error:
                context.health.ready["audit"] = f"cannot write: {error.strerror}"
                log.error("audit.not_written", fact=event.id, error=str(error))
                if await _asked_to_stop(context.stopping):
                    return await delivery.back()  # at once: the next process writes it before what follows
            else:
                context.health.ready["audit"] = ""

    await follow(context, "audit", take)


def line(event: Event) -> bytes:
    """The fact as JSON, with a line feed."""
    return _encoder.encode(event) + b"\n"


def to_stdout(text: bytes) -> None:
    sys.stdout.buffer.write(text)
    sys.stdout.buffer.flush()


class Appender:
    """Appends whole lines to a file, on disk when it returns. The file may be moved away at any time."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, text: bytes) -> None:
        """Raises OSError; then a part of the line may stand in the file, and is ended before the next."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            size = os.fstat(descriptor).st_size
            torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
            rest = b"\n" + text if torn else text
            while rest:
                rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


async def _asked_to_stop(stopping: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(PAUSE):
            await stopping.wait()
    except TimeoutError:
        return False
    return True
