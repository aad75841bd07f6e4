"""When the cut-over is tried, and how long after a failed attempt it is tried again."""

from __future__ import annotations

import asyncio
import contextlib
import time

import msgspec

from alterd_contracts.strategy import Session
from alterd_vitess.analyzing import analyze_shadow
from alterd_vitess.blockers import Blocker
from alterd_vitess.cutover import CutOver, NotNow, Swapped
from alterd_vitess.flags import threshold_of
from alterd_vitess.forcing import Forcing
from alterd_vitess.replicas import Replicas
from alterd_vitess.run import Run

SMALL = 2000
"""Keys waiting, above which the table is not locked."""
LOOK_AGAIN = 0.5
"""Seconds between two looks at who stands in the way; also between two attempts that are forced."""
ENDING = 0.1
"""Seconds that what was killed needs to be gone, unless it has much to roll back."""
STILL_WAITING = 5.0
"""Seconds between two fresh questions while completion is postponed."""
FIRST_BACK_OFF = 1.0
LONGEST_BACK_OFF = 60.0
"""Seconds after a failed attempt, doubling from the first. A failed attempt stalls writers for 0.3 s, later ones for
2.4 s at most, so it is tried sooner than after Vitess's minutes."""


def back_off(attempts: int) -> float:
    """Seconds to wait after so many failed attempts. Pure."""
    return min(FIRST_BACK_OFF * 2 ** (attempts - 1), LONGEST_BACK_OFF) if attempts > 0 else 0.0


class Completing:
    """From the end of the copy, at which it is made, to the swap."""

    def __init__(self, run: Run, cut_over: CutOver, looker: Session) -> None:
        self._run, self._cut_over = run, cut_over
        self._looker, self._copied_at = looker, time.monotonic()
        self._replicas = Replicas(run.task)
        self._forcing = Forcing(run, looker)
        self._analyzed = run.record.shadow_analyzed_timestamp is not None
        self._told = False

    async def to_the_swap(self) -> Swapped:
        """Raises what `CutOver.attempt` raises, but for `NotNow`."""
        run = self._run
        while True:
            await self._caught_up()
            if not self._analyzed:
                await analyze_shadow(run, self._looker)
                self._analyzed = True
            await run.task.ready()
            if not await self._permitted():
                continue
            forced = await self._forcing.wanted()
            self._forcing.places = await self._cut_over.places(self._looker)
            if await self._blocked(forced):
                await asyncio.sleep(LOOK_AGAIN)
                continue
            run.cutover_attempts += 1
            self._say(f"cut-over attempt {run.cutover_attempts}", "")
            run.tell()
            await run.task.phase("cut-over")
            try:
                swapped = await self._cut_over.attempt(
                    threshold=threshold_of(run.task.wanted), forcing=self._forcing if forced else None
                )
            except NotNow as error:
                await self._pause(error)
            else:
                return msgspec.structs.replace(swapped, killed=len(self._forcing.ended))

    async def _caught_up(self) -> None:
        """The stream and all replicas are near, and little is left to apply."""
        run = self._run
        while True:
            allowed = threshold_of(run.task.wanted)
            if run.lag > min(run.settings.max_lag, allowed) or len(run.touched) > SMALL:
                self._say("catching up", run.message)
                await run.bell.heard()
            elif behind := await self._replicas.behind(self._looker, allowed):
                self._say("catching up", f"the cut-over waits: {'; '.join(each.words for each in behind)}")
                await asyncio.sleep(LOOK_AGAIN)
            else:
                if run.stage == "catching up":
                    self._say("ready to complete", "")
                return

    async def _permitted(self) -> bool:
        run = self._run
        if await run.task.may_complete():
            return True
        self._say("ready to complete", run.message)
        await self._something_new(STILL_WAITING)
        return False

    async def _blocked(self, forced: bool) -> bool:
        run = self._run
        found = await self._forcing.look(time.monotonic() - self._copied_at)
        if found and forced:
            found = await self._forced_away(found)
        if found:
            waits = "is forced, and waits all the same" if forced else "waits"
            words = f"the cut-over {waits}: {'; '.join(each.words for each in found[:3])}"
            if run.stage == "blocked" and not self._told:  # what is over at the second look is not worth a line
                run.task.log.warning(words)
                self._told = True
            self._say("blocked", words)
        elif run.stage == "blocked":
            self._told = False
            self._say("ready to complete", "")
        return bool(found)

    async def _forced_away(self, found: list[Blocker]) -> list[Blocker]:
        """Ends them; who is still there afterwards, as what must not be ended, or a transaction that rolls back."""
        if left := await self._forcing.end(found):
            return left
        await asyncio.sleep(ENDING)
        return await self._forcing.look(time.monotonic() - self._copied_at)

    async def _pause(self, error: NotNow) -> None:
        """Until the next attempt: soon where the cut-over is forced, or will be."""
        run = self._run
        wait = back_off(run.cutover_attempts)
        if await self._forcing.wanted():
            wait = LOOK_AGAIN
        elif (left := await self._forcing.patience()) is not None:
            wait = min(wait, max(left, LOOK_AGAIN))
        self._say("waiting", f"cut-over attempt {run.cutover_attempts} failed: {error}; again in {wait:.3g} s")
        run.task.log.warning(run.message)
        await run.task.phase("catch-up")
        await self._something_new(wait)

    async def _something_new(self, seconds: float) -> None:
        """Returns after so long, or when the users want something else."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._run.task.wanted_changed()

    def _say(self, stage: str, message: str) -> None:
        turned = stage != self._run.stage
        self._run.stage, self._run.message = stage, message
        if turned:
            self._run.tell()
