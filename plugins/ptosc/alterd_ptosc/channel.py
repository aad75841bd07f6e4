"""The socket at which the tool's part of alterd (`talk.pm`) asks, a line at a time."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

NAME = "alterd.sock"
STILL = 5.0
"""Seconds after which the tool hears that its answer takes time."""

Answer = Callable[[str], Awaitable[str]]
"""From a question to ``go …``, or ``no`` and the reason."""


@contextlib.asynccontextmanager
async def listening(workdir: Path, answer: Answer) -> AsyncIterator[None]:
    """Answers what is asked at the socket in `workdir`. What `answer` raises ends the connection: nobody goes on."""
    talks: set[asyncio.Task[None]] = set()

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.ensure_future(_talk(reader, writer, answer))
        talks.add(talk)
        talk.add_done_callback(talks.discard)

    server = await asyncio.start_unix_server(begin, sock=_bound(workdir))
    try:
        yield
    finally:
        server.close()
        for talk in list(talks):
            talk.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        (workdir / NAME).unlink(missing_ok=True)


def _bound(workdir: Path) -> socket.socket:
    """A folder's path may be longer than a socket's can be."""
    (workdir / NAME).unlink(missing_ok=True)
    folder = os.open(workdir, os.O_RDONLY | os.O_DIRECTORY)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        short = Path(f"/proc/self/fd/{folder}")
        made.bind(str((short if short.exists() else workdir) / NAME))
        (workdir / NAME).chmod(0o600)
    except BaseException:
        made.close()
        raise
    finally:
        os.close(folder)
    return made


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, answer: Answer) -> None:
    try:
        while line := await reader.readline():
            answering = asyncio.ensure_future(answer(line.decode(errors="replace").strip()))
            try:
                while True:
                    await asyncio.wait({answering}, timeout=STILL)
                    if answering.done():
                        break
                    await _say(writer, "wait")
            finally:
                answering.cancel()
            await _say(writer, " ".join(answering.result().split()))
    except ConnectionError:
        pass  # the tool has ended: its exit code tells more
    finally:
        writer.close()


async def _say(writer: asyncio.StreamWriter, text: str) -> None:
    writer.write(f"{text}\n".encode())
    await writer.drain()
