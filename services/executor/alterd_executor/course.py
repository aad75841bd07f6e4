"""The course of one run: what it says of itself, taken to the bucket, to the metrics and, where it turns, to the log
of inputs.
"""

from __future__ import annotations

import asyncio
import contextlib
import time

from alterd_contracts.inputs import CutoverAttempted, PhaseEntered, ReadyToComplete, Throttled
from alterd_contracts.migration import Migration
from alterd_contracts.work import Reached, Work
from alterd_executor.display import Display
from alterd_executor.gauges import RunGauges
from alterd_executor.identity import Identity
from alterd_executor.protocol import PhaseNow, ProgressNow, ReadyNow, ThrottledNow, UnthrottledNow
from alterd_executor.reporting import Reporter
from alterd_executor.turns import CutoverTurn, ThrottleTurn, Turn, Turns
from alterd_runtime.bus import BucketStore

LOOK_EVERY = 1.0
"""Seconds between two writes and looks at what is to be told; a run that is shorter leaves no trace in the bucket. What
it does next is written at once: the record may say already that it is ready.
"""

OfCourse = PhaseNow | ReadyNow | ProgressNow | ThrottledNow | UnthrottledNow


class Course:
    """One attempt's. `reporter` takes what is told as facts."""

    def __init__(
        self, store: BucketStore, work: Work, identity: Identity, record: Migration, reporter: Reporter
    ) -> None:
        self._reporter = reporter
        self._display = Display(store, work, identity, record)
        self._gauges = RunGauges(work)
        self._turns = Turns(cutover_attempts=record.cutover_attempts)
        self._running = False
        self._next = asyncio.Event()
        """The run does something else than before."""

    @property
    def reached(self) -> Reached:
        return self._display.now.reached

    def heard(self, message: OfCourse) -> None:
        """The run's word."""
        before = (self._display.now.phase, self._display.now.stage)
        match message:
            case PhaseNow(phase=phase):
                if phase != self._display.now.phase:
                    self._display.phase(phase)
                    self._reporter.tell(PhaseEntered, phase=phase, reached=self.reached)
            case ReadyNow(ready=ready):
                self._reporter.tell(ReadyToComplete, ready=ready, reached=self.reached)
            case ProgressNow():
                self._display.progress(message)
                self._turns.attempted(message.cutover_attempts, message.message)
            case ThrottledNow(app=app, reason=reason):
                self._display.throttled(app, reason)
                self._turns.throttled(time.monotonic(), app, reason)
            case UnthrottledNow():
                self._display.unthrottled()
                self._turns.free(time.monotonic())
        if (self._display.now.phase, self._display.now.stage) != before:
            self._next.set()
        if self._running:
            self._gauges.show(self._display.now)

    async def run(self) -> None:
        """Beside the run, until cancelled."""
        self._running = True
        try:
            self._gauges.show(self._display.now)
            await asyncio.sleep(LOOK_EVERY)
            while True:
                self._next.clear()
                self._tell(self._turns.due(time.monotonic()))
                await self._display.write()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(LOOK_EVERY):
                        await self._next.wait()
        finally:
            self._running = False
            self._gauges.remove()

    async def end(self) -> None:
        """The run has ended: its last numbers, and what is still to be told before the ending is."""
        self._tell(self._turns.last())
        await self._display.last()

    def _tell(self, turns: list[Turn]) -> None:
        for turn in turns:
            match turn:
                case ThrottleTurn(throttled=throttled, component=component, reason=reason):
                    self._reporter.tell(
                        Throttled, throttled=throttled, component=component, reason=reason, reached=self.reached
                    )
                case CutoverTurn(attempts=attempts, message=message):
                    self._reporter.tell(CutoverAttempted, attempts=attempts, message=message, reached=self.reached)
