"""Who makes the change, and what is noted of each time it is made. All moments are seconds of the monotonic clock."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from alterd_contracts.errors import AlterdError
from tests.bench.stand import ALTER, Stand

PATIENCE = 900.0
"""Seconds that one change gets."""


class ChangeFailed(AlterdError):
    """The change did not come to its end."""

    code = "change_failed"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """One change that was made."""

    begun: float
    """Just before the submission, the start of the tool, or the statement."""
    copy_began: float
    copy_ended: float
    ended: float
    """The completion was told, the tool had ended, or the statement had returned."""
    phases: dict[str, float] = {}
    """Seconds of each, where it is known."""
    said: str = ""
    """What it said of its cut-over."""

    @property
    def copy(self) -> float:
        return self.copy_ended - self.copy_began

    @property
    def total(self) -> float:
        return self.ended - self.begun


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A change that has copied its rows and waits before its cut-over."""

    shadow: str
    pids: tuple[int, ...]
    """Of the processes that apply."""


class Contestant(Protocol):
    """One way to make the change of `stand.CLAUSE`."""

    name: str
    how: str
    """Its settings, as a reader would repeat them."""

    def on_stage(self) -> AbstractAsyncContextManager[None]:
        """What has to run beside it, ready."""
        ...

    async def change(self) -> Outcome:
        """Raises `ChangeFailed`."""
        ...


class Applier(Contestant, Protocol):
    """One that applies what is written meanwhile, and can wait before its cut-over."""

    def held(self) -> AbstractAsyncContextManager[Held]:
        """The change up to its cut-over; leaving the block lets it come to its end. Raises `ChangeFailed`."""
        ...


class _Alone:
    """Nothing runs beside it."""

    async def __aenter__(self) -> None:
        return None

    async def __aexit__(self, *_: object) -> None:
        return None


class OwnAlter:
    """MySQL's own ALTER TABLE. Its copy cannot be told from the whole."""

    def __init__(self, stand: Stand, algorithm: str) -> None:
        self._stand = stand
        self.name = f"ALGORITHM={algorithm}"
        self._sql = f"{ALTER}, ALGORITHM={algorithm}"
        self.how = self._sql

    def on_stage(self) -> AbstractAsyncContextManager[None]:
        return _Alone()

    async def change(self) -> Outcome:
        with self._stand.session() as session:
            begun = time.monotonic()
            await asyncio.wait_for(asyncio.to_thread(session.execute, self._sql), PATIENCE)
            ended = time.monotonic()
        return Outcome(begun=begun, copy_began=begun, copy_ended=ended, ended=ended)


class NoChange:
    """The floor: for some seconds nothing is changed."""

    name = "no change"
    how = "the writers alone"

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def on_stage(self) -> AbstractAsyncContextManager[None]:
        return _Alone()

    async def change(self) -> Outcome:
        begun = time.monotonic()
        await asyncio.sleep(self._seconds)
        ended = time.monotonic()
        return Outcome(begun=begun, copy_began=begun, copy_ended=begun, ended=ended)
