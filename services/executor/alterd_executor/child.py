"""The process of one run, forked from the template: waits for `Start`, runs one attempt and ends.

It ends at once when its executor does.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from typing import NoReturn

from alterd_contracts.errors import AlterdError, Fenced
from alterd_contracts.states import Status
from alterd_executor.protocol import (
    Channel,
    Ending,
    MayComplete,
    RunCancelled,
    RunCompleted,
    RunFailed,
    RunFenced,
    Start,
    Stop,
    ToRun,
    VerdictNow,
    WantedNow,
)
from alterd_executor.runner import drive
from alterd_executor.task import RunTask
from alterd_runtime import failpoints, logs
from alterd_runtime.plugins import Strategies


async def attempt(start: Start, strategies: Strategies, channel: Channel[ToRun]) -> Ending:
    """Runs one attempt to its ending, and does the last writes to the shard."""
    failpoints.works_on(start.record.migration_uuid)
    try:
        strategy = strategies.get(start.strategy)
    except AlterdError as error:  # other plugins than when the executor took the work
        return RunFailed(error=error.info())
    task = RunTask(start, channel.send)
    hearing = asyncio.create_task(_hear(channel, task))
    try:
        ending = await drive(strategy, task)
        try:
            await task.finish(_status(ending))
        except Fenced:
            return RunFenced()
        except AlterdError as error:
            task.log.warning(f"the last writes to the shard failed: {error.message}")
        return ending
    finally:
        hearing.cancel()
        await asyncio.wait({hearing})  # one at a time may read


def _status(ending: Ending) -> Status | None:
    match ending:
        case RunCompleted():
            return Status.COMPLETE
        case RunFailed():
            return Status.FAILED
        case RunCancelled():
            return Status.CANCELLED
        case _:
            return None


async def _hear(channel: Channel[ToRun], task: RunTask) -> None:
    while (message := await channel.receive()) is not None:
        match message:
            case WantedNow(wanted=wanted):
                await task.hear(wanted)
            case MayComplete(number=number, answer=answer):
                task.answered(number, answer)
            case VerdictNow():
                task.throttle.hear(message)
            case Stop():
                task.stopping.set()
            case _:
                task.log.error(f"the executor sent a second {type(message).__name__}")
    orphaned()


def orphaned() -> NoReturn:
    """The executor is gone: what this run does on the server is the next attempt's to find out."""
    os._exit(3)


async def _main(end: socket.socket, strategies: Strategies) -> None:
    channel: Channel[ToRun] = await Channel.over(end, ToRun)
    start = await channel.receive()
    if not isinstance(start, Start):
        orphaned()
    await channel.last_word(await attempt(start, strategies, channel))


def main(end: socket.socket, strategies: Strategies) -> None:
    """Runs what comes over `end`, to its ending."""
    # the executor says when to stop; a signal to the whole group must not end the run before its borders
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: None)
    sys.setswitchinterval(0.0002)  # short waits for the loop beside busy threads
    logs.configure("run", str(os.getpid()), os.environ.get("ALTERD_LOG__LEVEL", "info"))
    asyncio.run(_main(end, strategies))
