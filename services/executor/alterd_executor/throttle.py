"""Go or wait, as a run sees it: no valid verdict means wait."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Mapping

import msgspec

from alterd_contracts.migration import Migration
from alterd_contracts.requests import ONLINE_DDL
from alterd_executor.protocol import ThrottledNow, UnthrottledNow, VerdictNow

ASK_AGAIN = 1.0
"""Seconds between two signs that this run waits."""
NO_VERDICT = "no word from the throttler"
PAUSED = "paused"


def denied(rules: Mapping[str, float], app: str) -> str:
    """Why one question of `app` (names joined by colons) is answered with wait by what users throttle; empty for go.

    A ratio below 1 lets the rest of the questions pass, by chance.
    """
    ratio, name = max(((rules.get(part, 0.0), part) for part in app.split(":")), default=(0.0, ""))
    if ratio <= 0.0 or random.random() >= ratio:
        return ""
    return f"{name} is throttled by a user" + (f", ratio {ratio:g}" if ratio < 1.0 else "")


class RunThrottle:
    """`alterd_contracts.strategy.Throttle` in the process of a run."""

    def __init__(self, url: str, send: Callable[[msgspec.Struct], None], record: Migration) -> None:
        self._url, self._send = url, send
        self._apps = f"{record.migration_uuid}:{ONLINE_DDL}"
        self._paused = record.paused
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

    def pause(self, paused: bool) -> None:
        """A paused run gets no go."""
        self._paused = paused
        self._heard.set()

    def judge(self, app: str = "") -> str:
        """Why to wait; empty for go."""
        if self._paused:
            return PAUSED
        if time.monotonic() >= self._until:
            return NO_VERDICT
        if not self._verdict.go:
            return self._verdict.reason or "wait"
        return denied(self._verdict.denied, f"{app}:{self._apps}")

    async def wait(self, app: str) -> float:
        began = time.monotonic()
        self._heard.clear()
        if not (reason := self.judge(app)):
            return 0.0
        self._waiting += 1
        try:
            while reason:
                self._send(ThrottledNow(app=app, reason=reason))
                try:
                    async with asyncio.timeout(ASK_AGAIN):
                        await self._heard.wait()
                except TimeoutError:
                    pass
                self._heard.clear()
                reason = self.judge(app)
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._send(UnthrottledNow())
        return time.monotonic() - began
