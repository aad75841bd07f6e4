"""What the executor and the process of a run say to each other: JSON lines over a socket pair.

The shard's password travels here and nowhere else: never in arguments, in the environment or in a log.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Generic, TypeVar

import msgspec

from alterd_contracts.errors import AlterdError, ErrorInfo
from alterd_contracts.migration import Migration
from alterd_contracts.strategy import Wanted
from alterd_contracts.topology import ServerAddress

LINE_LIMIT = 64 * 1024 * 1024
"""Bytes of one message; a record holds a whole statement."""


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """How the run reaches its shard."""

    primary: ServerAddress
    replicas: tuple[ServerAddress, ...]
    user: str
    password: str

    def __repr__(self) -> str:
        return f"Access(primary={self.primary}, user={self.user!r}, password=***)"


# From the executor ---------------------------------------------------------------------------------------------


class Start(msgspec.Struct, frozen=True, kw_only=True, tag="start", tag_field="type"):
    """Run this attempt."""

    record: Migration
    strategy: str
    """The one that runs it: of the record, or the runner it names for this kind of statement."""
    executor: str
    access: Access
    workdir: str
    lock_wait_timeout: int
    retain_artifacts: float
    throttle_url: str


class WantedNow(msgspec.Struct, frozen=True, kw_only=True, tag="wanted", tag_field="type"):
    """What the users want, as last heard."""

    wanted: Wanted


class MayComplete(msgspec.Struct, frozen=True, kw_only=True, tag="may_complete", tag_field="type"):
    """The answer to `AskMayComplete`, read fresh."""

    number: int
    answer: bool


class VerdictNow(msgspec.Struct, frozen=True, kw_only=True, tag="verdict", tag_field="type"):
    """The throttler's word."""

    go: bool
    reason: str
    valid_seconds: float
    """From now."""
    denied: dict[str, float] = {}
    """What users throttle: an app's name → the part of its questions that is answered with wait."""


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag="stop", tag_field="type"):
    """Give the attempt back at the next border."""


# From the run --------------------------------------------------------------------------------------------------


class PhaseNow(msgspec.Struct, frozen=True, kw_only=True, tag="phase", tag_field="type"):
    phase: str


class ReadyNow(msgspec.Struct, frozen=True, kw_only=True, tag="ready", tag_field="type"):
    ready: bool


class AnalyzedNow(msgspec.Struct, frozen=True, kw_only=True, tag="analyzed", tag_field="type"):
    """The new table has its statistics."""


class ArtifactNow(msgspec.Struct, frozen=True, kw_only=True, tag="artifact", tag_field="type"):
    """Written down on the shard."""

    name: str


class ArtifactForgotten(msgspec.Struct, frozen=True, kw_only=True, tag="forgotten", tag_field="type"):
    """It was written down, and does not exist."""

    name: str


class ProgressNow(msgspec.Struct, frozen=True, kw_only=True, tag="progress", tag_field="type"):
    """How far the run is; a sign of life."""

    rows_copied: int = 0
    table_rows: int = 0
    percent: float = 0.0
    eta_seconds: int = -1
    lag_seconds: float = 0.0
    stage: str = ""
    cutover_attempts: int = 0
    keys_waiting: int = 0
    message: str = ""
    rows_repaired: int = 0


class Alive(msgspec.Struct, frozen=True, kw_only=True, tag="alive", tag_field="type"):
    """A sign of life."""


class ThrottledNow(msgspec.Struct, frozen=True, kw_only=True, tag="throttled", tag_field="type"):
    """The run waits for the throttler; also asks for its verdicts, and is a sign of life."""

    app: str
    reason: str


class UnthrottledNow(msgspec.Struct, frozen=True, kw_only=True, tag="unthrottled", tag_field="type"):
    """Nothing of the run waits for the throttler any more."""


class AskMayComplete(msgspec.Struct, frozen=True, kw_only=True, tag="ask_may_complete", tag_field="type"):
    """May the point of no return be passed?"""

    number: int


class LogText(msgspec.Struct, frozen=True, kw_only=True, tag="log", tag_field="type"):
    """A line for the migration's log."""

    level: str
    text: str


class RunCompleted(msgspec.Struct, frozen=True, kw_only=True, tag="completed", tag_field="type"):
    message: str = ""
    rows_copied: int = 0
    table_rows: int = 0
    columns: dict[str, str | int | bool] = {}


class RunFailed(msgspec.Struct, frozen=True, kw_only=True, tag="failed", tag_field="type"):
    error: ErrorInfo


class RunCancelled(msgspec.Struct, frozen=True, kw_only=True, tag="cancelled", tag_field="type"):
    """The cancel was obeyed; the table is as it was."""


class RunReleased(msgspec.Struct, frozen=True, kw_only=True, tag="released", tag_field="type"):
    """Another attempt decides by facts how to go on."""

    reason: str
    error: ErrorInfo | None = None


class RunFenced(msgspec.Struct, frozen=True, kw_only=True, tag="fenced", tag_field="type"):
    """A later attempt owns the migration: nobody is told anything."""


ToRun = Start | WantedNow | MayComplete | VerdictNow | Stop
Ending = RunCompleted | RunFailed | RunCancelled | RunReleased | RunFenced
FromRun = (
    PhaseNow
    | ReadyNow
    | AnalyzedNow
    | ArtifactNow
    | ArtifactForgotten
    | ProgressNow
    | Alive
    | ThrottledNow
    | UnthrottledNow
    | AskMayComplete
    | LogText
    | RunCompleted
    | RunFailed
    | RunCancelled
    | RunReleased
    | RunFenced
)


class Garbled(AlterdError):
    """The other end of the socket sent something unreadable."""

    code = "garbled"


Received = TypeVar("Received")


class Channel(Generic[Received]):
    """One end of the socket pair. `receives`: the union of what comes in."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, receives: object) -> None:
        self._reader, self._writer = reader, writer
        self._decoder: msgspec.json.Decoder[Received] = msgspec.json.Decoder(receives)
        self._encoder = msgspec.json.Encoder()

    @classmethod
    async def over(cls, end: socket.socket, receives: object) -> Channel[Received]:
        end.setblocking(False)
        reader, writer = await asyncio.open_connection(sock=end, limit=LINE_LIMIT)
        return cls(reader, writer, receives)

    def send(self, message: msgspec.Struct) -> None:
        """Never waits; a closed other end shows at the next `receive`."""
        if not self._writer.is_closing():
            self._writer.write(self._encoder.encode(message) + b"\n")

    async def last_word(self, message: msgspec.Struct) -> None:
        """Sends, and returns when the other end has closed.

        Whoever closes with words unheard resets the connection, and what was sent is lost with it.
        """
        self.send(message)
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(LINE_LIMIT):
                pass
        self.close()

    async def receive(self) -> Received | None:
        """The next message, None at the end. Raises `Garbled`."""
        try:
            line = await self._reader.readline()
        except (ConnectionError, ValueError):
            return None
        if not line.endswith(b"\n"):
            return None
        try:
            return self._decoder.decode(line)
        except msgspec.DecodeError as error:
            raise Garbled(f"unreadable message between executor and run: {error}") from None

    def close(self) -> None:
        self._writer.close()
