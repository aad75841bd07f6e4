"""The one lifecycle that every strategy is driven through."""

from __future__ import annotations

import asyncio
import traceback
from typing import Protocol

from alterd_contracts.errors import AlterdError, Fenced, RunLost
from alterd_contracts.strategy import AlreadyCompleted, Facts, StartOver, Strategy, Task
from alterd_executor.outcome import Broke, CancelWanted, Cause, Found, Stopped, at_once, completed, settle
from alterd_executor.protocol import Ending, RunFenced
from alterd_runtime.failpoints import failpoint


class RunnerTask(Task, Protocol):
    """What the runner needs beside what a strategy sees."""

    @property
    def stopping(self) -> asyncio.Event:
        """Set when the executor stops."""
        ...

    async def end_sessions(self) -> None:
        """Ends whatever of this attempt still works on the server, and returns when it is gone."""
        ...


async def drive(strategy: Strategy, task: RunnerTask) -> Ending:
    """Runs one attempt to its ending. Raises nothing but cancellation."""
    if task.wanted.cancel_requested:
        return await _settled(strategy, task, CancelWanted())
    working = asyncio.create_task(_work(strategy, task))
    interruptions: dict[asyncio.Task[None], Cause] = {
        asyncio.create_task(_cancel_wanted(task)): CancelWanted(),
        asyncio.create_task(_stopped(task)): Stopped(),
    }
    try:
        done, _ = await asyncio.wait({working, *interruptions}, return_when=asyncio.FIRST_COMPLETED)
        cause = next((interruptions[task] for task in interruptions if task in done), None)
        if not working.done():
            working.cancel()
            await asyncio.wait({working})
        result = _result(strategy, task, working)
    finally:
        working.cancel()
        for interruption in interruptions:
            interruption.cancel()
    if isinstance(result, Facts):
        return completed(result)
    if result is not None and (ending := at_once(Broke(result))):
        return ending
    if cause is None:
        cause = Broke(result or AlterdError(f"the strategy {_name(strategy)} ended its own run"))
    return await _settled(strategy, task, cause)


async def _work(strategy: Strategy, task: Task) -> Facts:
    failpoint("run.begun")
    if task.attempt > task.migration.first_attempt:
        found = await strategy.recover(task, task.attempt - 1)
        task.log.info(f"attempt {task.attempt - 1} left: {type(found).__name__}")
        if isinstance(found, AlreadyCompleted):
            return found.facts
        record = task.migration
        if isinstance(found, StartOver) and not record.resumable and record.losses > 1:
            raise RunLost(
                f"the executor or the primary died {record.losses} times under it; it begins anew only once by itself",
                hint="`alterd retry` begins anew once more",
            )
    return await strategy.run(task)


async def _cancel_wanted(task: Task) -> None:
    while not task.wanted.cancel_requested:
        await task.wanted_changed()


async def _stopped(task: RunnerTask) -> None:
    await task.stopping.wait()


def _result(strategy: Strategy, task: Task, working: asyncio.Task[Facts]) -> Facts | AlterdError | None:
    """What the run returned or raised; None where it was cancelled."""
    if working.cancelled():
        return None
    error = working.exception()
    if error is None:
        return working.result()
    return _known(strategy, task, error)


async def _settled(strategy: Strategy, task: RunnerTask, cause: Cause) -> Ending:
    if ending := at_once(cause):
        return ending
    found: Found
    try:
        # facts that a session still works on may change after they were read
        await task.end_sessions()
        found = await strategy.recover(task, task.attempt)
    except Exception as error:  # noqa: BLE001 - a strategy may fail in any way
        found = _known(strategy, task, error)
    task.log.info(f"{_words(cause)}; on the server: {_found(found)}")
    settled = settle(cause, found)
    if settled.clean_up:
        try:
            await strategy.cleanup(task)
        except Fenced:
            return RunFenced()
        except Exception as error:  # noqa: BLE001 - the ending stands; what is left over is collected later
            task.log.warning(f"not all was cleaned up: {_known(strategy, task, error).message}")
    return settled.ending


def _known(strategy: Strategy, task: Task, error: BaseException) -> AlterdError:
    """`error` as one of ours; the traceback of a foreign one goes to the migration's log alone."""
    if isinstance(error, AlterdError):
        return error
    task.log.error("".join(traceback.format_exception(error)))
    return AlterdError(
        f"the strategy {_name(strategy)} raised {type(error).__name__}",
        hint="the migration's log has the traceback",
        strategy=_name(strategy),
    )


def _name(strategy: Strategy) -> str:
    return strategy.declare().strategy


def _words(cause: Cause) -> str:
    match cause:
        case CancelWanted():
            return "cancelled"
        case Stopped():
            return "the executor stops"
        case Broke(error=error):
            return f"failed: {error.message}"


def _found(found: Found) -> str:
    return found.message if isinstance(found, AlterdError) else type(found).__name__
