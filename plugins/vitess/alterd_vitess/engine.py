"""One attempt from beginning to end.

prepare ──► copy ─────────────► checksum ──► catch-up ──► cut-over
              └── change stream, apply, checkpoints, lag, progress: side by side until the swap
"""

from __future__ import annotations

import asyncio
import time

from alterd_contracts.errors import AlterdError
from alterd_contracts.names import ArtifactKind
from alterd_contracts.strategy import Facts, Session, Task
from alterd_runtime.failpoints import failpoint
from alterd_runtime.settings import VitessSettings
from alterd_vitess.applying import Applying
from alterd_vitess.checksum import Checks
from alterd_vitess.completing import Completing
from alterd_vitess.copying import Copying
from alterd_vitess.cutover import CutOver, Swapped
from alterd_vitess.disk import DiskWatch
from alterd_vitess.following import Following
from alterd_vitess.memory import forget
from alterd_vitess.preparing import prepare
from alterd_vitess.proof import Proof
from alterd_vitess.run import Run
from alterd_vitess.sessions import open_rows
from alterd_vitess.watching import Checkpoints, Lag, Telling


async def alter(task: Task, settings: VitessSettings) -> Facts:
    """Runs the ALTER of `task` online. Raises an AlterdError, with the table as it was."""
    await task.phase("prepare")
    run = await prepare(task, settings)
    proving = await open_rows(task, run.zone)
    looking = await open_rows(task, run.zone)
    proof = Proof(proving, run.positions, task.log.warning)
    applying = Applying(run, proof)
    await applying.open()
    swapped = await _until_swapped(run, proof, applying, looking)
    await _finish(run)
    message = f"cut over in {1000 * swapped.holding:.1f} ms at attempt {run.cutover_attempts}"
    message += f", {swapped.killed} in its way were killed" if swapped.killed else ""
    message += f"; {run.checks.told}"
    task.log.info(f"{message}; {swapped.keys} keys were applied under the lock")
    return Facts(message=message, rows_copied=run.rows_copied, table_rows=run.rows_copied)


async def _until_swapped(run: Run, proof: Proof, applying: Applying, looking: Session) -> Swapped:
    following = Following(run, proof)
    telling = Telling(run)
    run.tell = telling.tell
    run.checks = Checks(run, following, applying)
    beside = (
        following.forever(),
        applying.forever(),
        Checkpoints(run).forever(),
        Lag(run).forever(),
        telling.forever(),
        DiskWatch(run).forever(),
        run.checks.forever(),
    )
    try:
        async with asyncio.TaskGroup() as group:
            helpers = [group.create_task(each) for each in beside]
            swapped = await _work(run, following, applying, looking)
            for helper in helpers:
                helper.cancel()
    except BaseExceptionGroup as group_error:
        raise first(group_error) from None
    telling.tell()
    return swapped


async def _work(run: Run, following: Following, applying: Applying, looking: Session) -> Swapped:
    await following.began.wait()
    if run.copy.pending:  # a tail that is taken up again needs no place among those who copy
        await run.task.phase("copy")
        run.stage = "copying"
    began, resumed = time.monotonic(), run.rows_copied > 0
    await Copying(run, applying).to_the_end()
    copying = time.monotonic() - began
    failpoint("vitess.copied")
    old = await run.task.artifact(ArtifactKind.OLD)
    completing = Completing(run, CutOver(run, following, applying, old), looking)  # made at the end of the copy
    if run.settings.checksum:
        await run.task.phase("checksum")
        run.stage = "checksum"
    await run.checks.complete(0.0 if resumed else copying)
    await run.task.phase("catch-up")
    run.stage = "catching up"
    return await completing.to_the_swap()


async def _finish(run: Run) -> None:
    """The swap has happened: what only the copy needed goes."""
    session = await open_rows(run.task, run.zone)
    try:
        async with run.task.fenced(session):
            await forget(session, run.record)
    finally:
        await session.close()
    await run.task.forget_artifact(run.plan.shadow)


def first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The error that ended the others: one of ours before a stranger's."""
    flat: list[BaseException] = []

    def walk(error: BaseException) -> None:
        if isinstance(error, BaseExceptionGroup):
            for each in error.exceptions:
                walk(each)
        else:
            flat.append(error)

    walk(group)
    return next((error for error in flat if isinstance(error, AlterdError)), flat[0])
