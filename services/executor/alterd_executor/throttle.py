"""Go or wait, as a run sees it: no valid verdict means wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import msgspec

from alterd_executor.protocol import ThrottledNow, UnthrottledNow, VerdictNow

ASK_AGAIN = 1.0
"""Seconds between two signs that this run waits."""
NO_VERDICT = "no word from the throttler"


class RunThrottle:
    """`alterd_contracts.strategy.Throttle` in the process of a run."""

    def __init__(self, url: str, send: Callable[[msgspec.Struct], None]) -> None:
        self._url, self._send = url, send
        self._verdict = VerdictNow(go=False, reason=NO_VERDICT, valid_seconds=0.0)
        self._until = 0.0
        self._heard = asyncio.Event()
        self._waiting = 0

    @property
    def url(self) -> str:
        """Empty where the executor serves no HTTP."""
        return self._url

    def hear(self, verdict: VerdictNow) -> None:
        self._verdict = verdict
        self._until = time.monotonic() + verdict.valid_seconds
        self._heard.set()

    def judge(self) -> str:
        """Why to wait; empty for go."""
        if time.monotonic() >= self._until:
            return NO_VERDICT
        return "" if self._verdict.go else self._verdict.reason or "wait"

    async def wait(self, app: str) -> float:
        began = time.monotonic()
        self._heard.clear()
        if not self.judge():
            return 0.0
        self._waiting += 1
        try:
            while reason := self.judge():
                self._send(ThrottledNow(app=app, reason=reason))
                try:
                    async with asyncio.timeout(ASK_AGAIN):
                        await self._heard.wait()
                except TimeoutError:
                    continue
                self._heard.clear()
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._send(UnthrottledNow())
        return time.monotonic() - began
