"""The run's end of the change stream."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from asyncio.subprocess import PIPE, Process
from typing import Final, Self

import msgspec

from alterd_contracts.errors import AlterdError, ErrorInfo
from alterd_vitess.gtid import GtidSet
from alterd_vitess.stream.errors import StreamLost, StreamRefused, UnsafeChange, lost
from alterd_vitess.stream.frames import LENGTH, Ended, Frame, FromReader, Opened, Watch, packed_watch, unpacked

READER: Final = "alterd_vitess.stream.reader"
_PIPE: Final = 1 << 16
_ERRORS: Final = {error.code: error for error in (StreamLost, StreamRefused, UnsafeChange)}


class ChangeStream:
    """Frames in the binlog's order. One task reads it; it never reconnects."""

    received: GtidSet
    """What was there at the start, and all that is over since, as far as it was handed out: where a new stream may
    start."""
    executed: str
    """By a replica when the stream began."""

    def __init__(self, process: Process, watch: Watch) -> None:
        self.received, self.executed = GtidSet.parse(watch.start), ""
        self._process = process
        self._server = f"{watch.host}:{watch.port}"
        self._reading = asyncio.Lock()
        self._length: int | None = None
        """Of the message whose length was read already."""
        self._ended: AlterdError | None = None

    @classmethod
    async def open(cls, watch: Watch) -> Self:
        """Returns once the server sends its binlog. No row may be copied before that, at a first start: see `prepared`.

        Raises `ShardUnreachable` (network, account), `StreamRefused`, `StreamLost`, `UnsafeChange`, and `InvalidInput`
        for a `start` that is no set of GTIDs.
        """
        GtidSet.parse(watch.start)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", READER, "--parent", str(os.getpid()), stdin=PIPE, stdout=PIPE, stderr=None
        )
        stream = cls(process, watch)
        try:
            assert process.stdin is not None
            process.stdin.write(packed_watch(watch))  # stays open: its end tells the reader that we are gone
            message = await stream._next()
            if not isinstance(message, Opened):
                raise stream._lost("its reader did not begin as it should")
            stream.executed = message.executed
        except BaseException:
            await stream.close()
            raise
        return stream

    @property
    def pid(self) -> int:
        """Of the reader."""
        return self._process.pid

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Frame:
        """The next frame. Raises what ended the stream, again and again. May be cancelled: no frame is lost."""
        message = await self._next()
        if not isinstance(message, Frame):
            raise self._lost("its reader sent something else than a frame")
        for sid, first, last in message.gtids:
            self.received.add(sid, first, last)
        return message

    async def close(self) -> None:
        """Ends the reader's process and waits for it. Idempotent."""
        self._ended = self._ended or self._lost("it was closed")
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        if self._process.stdin is not None:
            self._process.stdin.close()
        assert self._process.stdout is not None
        async with self._reading:
            while await self._process.stdout.read(_PIPE):  # a pipe is closed when it was read to its end
                pass
        await self._process.wait()

    async def _next(self) -> FromReader:
        if self._ended is not None:
            raise self._ended
        try:
            async with self._reading:
                message = unpacked(await self._body())
        except (asyncio.IncompleteReadError, OSError) as error:
            raise self._lost(f"its reader ended: {await self._how_it_ended()}") from error
        except msgspec.MsgspecError as error:
            raise self._lost("its reader sent what cannot be read") from error
        if isinstance(message, Ended):
            self._ended = _error_of(message)
            raise self._ended
        return message

    async def _body(self) -> bytes:
        """A message. Nothing is taken from the pipe before all of it is there: a cancelled wait loses nothing."""
        pipe = self._process.stdout
        assert pipe is not None
        if self._length is None:
            (self._length,) = LENGTH.unpack(await pipe.readexactly(LENGTH.size))
        body = await pipe.readexactly(self._length)
        self._length = None
        return body

    async def _how_it_ended(self) -> str:
        code = await self._process.wait()
        return f"killed by signal {-code}" if code < 0 else f"exit code {code}"

    def _lost(self, why: str) -> StreamLost:
        error = lost(self._server, why)
        self._ended = self._ended or error
        return error


def _error_of(ended: Ended) -> AlterdError:
    cls = _ERRORS.get(ended.code)
    if cls is not None:
        return cls(ended.message, hint=ended.hint, **ended.where)
    return AlterdError.of(ErrorInfo(code=ended.code, message=ended.message, hint=ended.hint, where=ended.where))
