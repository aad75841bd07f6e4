"""One attempt in this executor's hands: granted, claimed, run in a process of its own, reported."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import structlog

from alterd_contracts.errors import AlterdError, BusUnreachable, Fenced, RunDied, StaleRun
from alterd_contracts.inputs import (
    ArtifactDeclared,
    CancelledReport,
    Completed,
    Failed,
    ReleasedReport,
    ShadowAnalyzed,
    Stale,
    Started,
)
from alterd_contracts.migration import Migration
from alterd_contracts.strategy import Wanted
from alterd_contracts.work import Reached, Work
from alterd_executor.children import Child
from alterd_executor.claiming import claim, end_on_server, fence_of
from alterd_executor.course import Course
from alterd_executor.folders import attempt_folder, sweep
from alterd_executor.granting import Standing, standing
from alterd_executor.logbook import Logbook
from alterd_executor.protocol import (
    Access,
    AnalyzedNow,
    ArtifactForgotten,
    ArtifactNow,
    AskMayComplete,
    Ending,
    FromRun,
    LogText,
    MayComplete,
    PhaseNow,
    ProgressNow,
    ReadyNow,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunFenced,
    RunReleased,
    Start,
    Stop,
    ThrottledNow,
    UnthrottledNow,
    WantedNow,
)
from alterd_executor.reporting import Reporter
from alterd_executor.signs import Pulse, Signs
from alterd_executor.watching import UnreadableRecord, read_fresh, read_record
from alterd_executor.world import World
from alterd_runtime.bus import Place
from alterd_runtime.failpoints import failpoint

log = structlog.get_logger(__name__)

STOP_PATIENCE = 6.0
"""Seconds for a run to reach a border when the executor stops; a killed statement rolls back."""
LOOK_EVERY = 1.0
"""Seconds between two looks at a run's signs of life."""
ASK_AGAIN = 5.0
"""Seconds without the scheduler's word after which the record is read afresh."""


class Supervisor:
    """One attempt, from the offer to the report of its ending."""

    def __init__(self, world: World, work: Work, record: Migration, place: Place | None = None) -> None:
        self._world, self._work, self._record, self._place = world, work, record, place
        self._ready = False
        self._standing = standing(record, work, world.identity)
        self._decided = asyncio.Event()
        self._superseded = asyncio.Event()
        self._child: Child | None = None
        self._wanted = Wanted.of(record)
        self._questions: set[asyncio.Task[None]] = set()
        self._log = log.bind(migration=work.migration_uuid, shard=f"{work.keyspace}/{work.shard}", attempt=work.attempt)
        self._reporter = Reporter(world.bus, work, world.identity)
        self._logbook = Logbook(world.bus, work, world.identity)
        self._course = Course(world.progress, work, world.identity, record, self._reporter)
        settings = world.settings
        self._signs = Signs(time.monotonic(), warn=settings.stale_warn, fail=settings.stale_fail)

    async def run(self, taken: Callable[[], Awaitable[None]]) -> None:
        """Asks for the grant, runs, reports. Nothing happens on the shard without the grant.

        `taken` is called once the scheduler's log holds the question: the work may leave the queue.
        """
        following = asyncio.create_task(self._follow())
        try:
            await self._reporter.once(Started)
            failpoint("executor.started_published")
            await taken()
            if await self._granted():
                await self._carry_out()
            else:
                self._log.info("attempt.not_granted")
        finally:
            following.cancel()
            self._reporter.close()
            await self._logbook.close()

    # The record ------------------------------------------------------------------------------------------------

    async def _follow(self) -> None:
        following = self._world.following.follow(self._record.open_key)
        async with contextlib.aclosing(following) as changes:  # type: ignore[type-var]
            async for record in changes:
                self._heard(record)

    def _heard(self, record: Migration | None) -> None:
        now = standing(record, self._work, self._world.identity)
        if now is Standing.OFFERED:
            return
        if now is Standing.GONE:
            self._superseded.set()
        elif record is not None:
            self._record = record
            wanted = Wanted.of(record)
            if wanted != self._wanted:
                self._wanted = wanted
                self._mind_place()
                self._world.throttling.pause(self._record, wanted.paused)
                self._send(WantedNow(wanted=wanted))
        self._standing = now
        self._decided.set()

    async def _granted(self) -> bool:
        stopping = asyncio.create_task(self._world.stopping.wait())
        deciding = asyncio.create_task(self._decided.wait())
        try:
            while not (stopping.done() or deciding.done()):
                await asyncio.wait({stopping, deciding}, timeout=ASK_AGAIN, return_when=asyncio.FIRST_COMPLETED)
                if not (stopping.done() or deciding.done()):
                    await self._look_again()
        finally:
            stopping.cancel()
            deciding.cancel()
        return self._standing is Standing.OURS

    async def _look_again(self) -> None:
        """The word is given once: whoever missed it would wait for ever, and the migration with him."""
        try:
            self._heard(await read_record(self._world.records, self._record.open_key))
        except (BusUnreachable, UnreadableRecord) as error:
            self._log.warning("record.not_read", error=error.message)

    # The run ---------------------------------------------------------------------------------------------------

    async def _carry_out(self) -> None:
        died = False
        try:
            failpoint("executor.granted")
            ending = await self._claimed_run()
            if ending is not None:
                failpoint("executor.run_ended")
        except Fenced as error:
            self._log.info("attempt.fenced", error=error.message)
            return
        except RunDied as error:
            died, ending = True, RunReleased(reason=error.message, error=error.info())
        except AlterdError as error:
            ending = RunReleased(reason=error.message, error=error.info())
        except Exception as error:  # noqa: BLE001 - a grant must never be without an answer
            self._log.exception("attempt.broke")
            reason = f"the executor failed with {type(error).__name__}"
            died, ending = True, RunReleased(reason=reason, error=AlterdError(reason).info())
        if ending is None or isinstance(ending, RunFenced):
            self._log.info("attempt.superseded")
            return
        await self._course.end()
        await self._report(ending, died)
        failpoint("executor.report_published")

    async def _claimed_run(self) -> Ending | None:
        """None: another attempt owns the migration."""
        world, record = self._world, self._record
        try:
            runner = world.runner(record)
        except AlterdError as error:
            return RunFailed(error=error.info())
        self._logbook.info(f"attempt {record.attempt} on executor {world.identity.executor}")
        await asyncio.to_thread(sweep, world.settings.workdir, record)
        access = await claim(world, record)
        failpoint("executor.claimed")
        async with attempt_folder(world.settings.workdir, record) as workdir:
            start = Start(
                record=self._record,
                strategy=runner,
                executor=world.identity.executor,
                access=access,
                workdir=str(workdir),
                lock_wait_timeout=world.settings.lock_wait_timeout,
                retain_artifacts=world.settings.retain_artifacts,
                throttle_url=world.throttle_url(record),
            )
            return await self._supervised(start)

    async def _supervised(self, start: Start) -> Ending | None:
        child = self._child = await self._world.nursery.take()
        child.output = self._logbook.info
        self._log.info("attempt.running", pid=child.pid, strategy=start.strategy)
        self._signs.seen(time.monotonic())
        child.send(start)
        if self._wanted != Wanted.of(start.record):
            child.send(WantedNow(wanted=self._wanted))
        self._world.throttling.pause(self._record, self._wanted.paused)
        unhear = self._world.throttling.hear(self._work.keyspace, self._work.shard, self._send)
        async with _all_of(
            reading := asyncio.create_task(self._read(child)),
            dead := asyncio.create_task(self._watch_over()),
            gone := asyncio.create_task(_until(self._superseded)),
            stopped := asyncio.create_task(self._stopped(child)),
            asyncio.create_task(self._course.run()),
        ):
            try:
                await asyncio.wait({reading, dead, gone, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if reading.done():
                    ending = reading.result()
                    return ending or await self._died(child, start.access)
                if gone.done():
                    return None
                await child.kill()
                await self._end_on_server(start.access)
                if dead.done():
                    return RunFailed(error=dead.result().info())
                return RunReleased(reason="the executor stops")
            finally:
                unhear()
                self._world.throttling.pause(self._record, False)
                self._child = None
                for question in self._questions:
                    question.cancel()
                await (child.ended() if reading.done() and not reading.cancelled() else child.kill())

    async def _read(self, child: Child) -> Ending | None:
        """Handles what the run says, until its ending; None when it ends without a word."""
        while (message := await child.receive()) is not None:
            if not isinstance(message, LogText):
                self._signs.seen(time.monotonic())
            if isinstance(message, RunCompleted | RunFailed | RunCancelled | RunReleased | RunFenced):
                return message
            self._handle(message)
        return None

    def _handle(self, message: FromRun) -> None:
        match message:
            case LogText(level=level, text=text):
                self._logbook.write(level, text)
            case ReadyNow(ready=ready):
                self._course.heard(message)
                self._ready = ready
                self._mind_place()
            case ProgressNow() | PhaseNow() | UnthrottledNow():
                self._course.heard(message)
            case AnalyzedNow():
                self._reporter.tell(ShadowAnalyzed, reached=self._course.reached)
            case ArtifactNow(name=name):
                self._reporter.tell(ArtifactDeclared, name=name)
            case ArtifactForgotten(name=name):
                self._reporter.collected(name)
            case ThrottledNow(app=app):
                self._course.heard(message)
                self._world.throttling.want(self._work.keyspace, self._work.shard, app)
                self._send(self._world.throttling.now(self._work.keyspace, self._work.shard))
            case AskMayComplete(number=number):
                question = asyncio.create_task(self._answer(number))
                self._questions.add(question)
                question.add_done_callback(self._questions.discard)

    async def _answer(self, number: int) -> None:
        """Never yes without a fresh read, however long NATS is silent."""
        try:
            record = await read_fresh(self._world.records, self._record.open_key)
        except UnreadableRecord as error:
            self._log.error("record.unreadable", error=error.message)
            self._send(MayComplete(number=number, answer=False))
            return
        self._heard(record)
        if self._superseded.is_set() or record is None:
            return
        wanted = Wanted.of(record)
        self._send(MayComplete(number=number, answer=wanted.may_complete and not wanted.cancel_requested))

    def _mind_place(self) -> None:
        """What only waits needs no slot: others may be what it waits for."""
        if self._place is None:
            return
        if self._wanted.paused or (self._ready and not self._wanted.may_complete):
            self._place.rest()
        else:
            self._place.go_on()

    def _send(self, message: Any) -> None:
        if self._child is not None:
            self._child.send(message)

    # How it goes wrong -----------------------------------------------------------------------------------------

    async def _watch_over(self) -> StaleRun:
        """Returns when the run shows no sign of life for too long."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            now = time.monotonic()
            if self._questions:  # it waits for our own answer
                self._signs.seen(now)
            silence = self._signs.silence(now)
            match self._signs.judge(now):
                case Pulse.WARN:
                    self._log.warning("attempt.stale", seconds=round(silence))
                    self._reporter.tell(Stale, seconds=silence)
                case Pulse.DEAD:
                    return StaleRun(f"the run showed no sign of life for {silence:.0f} s and was ended")
                case Pulse.WELL:
                    pass

    async def _stopped(self, child: Child) -> None:
        """Returns when the executor stops and the run does not."""
        await self._world.stopping.wait()
        child.send(Stop())
        await asyncio.sleep(STOP_PATIENCE)

    async def _died(self, child: Child, access: Access) -> Ending:
        code = await child.ended()
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        self._log.warning("attempt.died", how=how)
        self._logbook.error(f"the run's process {how}")
        await self._end_on_server(access)
        raise RunDied(f"the run's process {how}")

    async def _end_on_server(self, access: Access) -> None:
        try:
            await end_on_server(access, fence_of(self._record, self._world.identity.executor))
        except AlterdError as error:
            raise RunDied(f"the run ended, its sessions may go on: {error.message}") from error

    async def _report(self, ending: Ending, died: bool) -> None:
        reached = self._course.reached
        match ending:
            case RunCompleted(message=message, rows_copied=copied, table_rows=rows, columns=columns):
                whole = reached.then(Reached(rows_copied=copied, table_rows=rows))
                facts = {"rows_copied": whole.rows_copied, "table_rows": whole.table_rows}
                await self._reporter.once(Completed, message=message, columns=columns, **facts)
            case RunFailed(error=error):
                self._logbook.error(f"failed: {error.message}")
                await self._reporter.once(Failed, error=error, reached=reached)
            case RunCancelled():
                await self._reporter.once(CancelledReport, reached=reached)
            case RunReleased(reason=reason, error=problem):
                self._logbook.warning(f"given back: {reason}")
                await self._reporter.once(ReleasedReport, reason=reason, error=problem, died=died, reached=reached)
        self._log.info("attempt.ended", how=type(ending).__name__)


async def _until(event: asyncio.Event) -> None:
    await event.wait()


@contextlib.asynccontextmanager
async def _all_of(*tasks: asyncio.Task[Any]) -> AsyncIterator[None]:
    """Cancels and awaits the tasks at the end."""
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
