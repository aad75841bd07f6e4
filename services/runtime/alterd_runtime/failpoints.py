"""Fail points: names of the durable borders at which a test makes a process die, fail or stall.

``ALTERD_FAILPOINT=name:action[,name:action…]`` with an action of ``crash`` (SIGKILL to this process), ``error`` or
``sleep=SECONDS``. ``ALTERD_FAILPOINT_DIR=folder``: each fail point acts once per folder, however many processes pass
it. Without the variable a fail point costs one comparison.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Final

from alterd_contracts.errors import AlterdError, InvalidSetting

VARIABLE: Final = "ALTERD_FAILPOINT"
FOLDER: Final = "ALTERD_FAILPOINT_DIR"

FAILPOINTS: Final[dict[str, str]] = {
    "intake.checked": "the script is checked, nothing is published",
    "intake.submitted": "the submission is in the log, the request is not acked",
    "scheduler.elected": "the epoch is written, nothing is loaded",
    "scheduler.input_read": "an input is read, nothing is decided",
    "scheduler.record_written": "a record is written, its event is not published",
    "scheduler.event_published": "the event is published, the cursor is not moved",
    "scheduler.done_written": "the done record is written, the open one still stands",
    "scheduler.reopened": "the open record is written again, the done one still stands",
    "scheduler.work_published": "work is in the queue, nothing else is known of it",
    "executor.work_fetched": "work is in hand, nobody was told",
    "executor.started_published": "started is in the log, the work is not acked",
    "executor.granted": "the record says running, the fence is not claimed",
    "executor.claimed": "the fence is claimed, the run has not begun",
    "executor.run_ended": "the run has ended, nothing is reported",
    "executor.report_published": "the ending is in the log, the run is not forgotten",
    "run.begun": "the run's process works, nothing is done",
    "run.artifact_declared": "an artifact is written down, it does not exist",
    "statement.remembered": "the definitions before and after are written down, the statement is not sent",
    "statement.executed": "the statement has taken effect, nobody was told",
    "vitess.shadow_made": "the shadow is there, nothing is written down of it",
    "vitess.plan_written": "the plan and the first checkpoint are written, nothing is copied",
    "vitess.chunk_copied": "a chunk and its record are written, not committed",
    "vitess.chunk_committed": "a chunk is committed, the run does not know it yet",
    "vitess.batch_applied": "touched keys are applied, not committed",
    "vitess.batch_committed": "touched keys are applied and committed, the run does not know it yet",
    "vitess.checkpoint_written": "a checkpoint is committed",
    "vitess.copied": "the last chunk is committed, the stream goes on",
    "vitess.locked": "the tables are locked, the stream is not drained",
    "vitess.drained": "what was left is applied under the lock, nothing is renamed",
    "vitess.renamed": "the tables are swapped, the lock is held",
    "vitess.unlocked": "the tables are swapped and unlocked, nobody was told",
    "collector.dropped": "an artifact is dropped, it is still listed",
    "throttler.measured": "a shard is measured, no verdict is out",
}
"""Every fail point and what has and has not happened there."""


class Injected(AlterdError):
    """A fail point was told to fail."""

    code = "failpoint"
    retryable = True


def failpoint(name: str) -> None:
    """Acts if the environment names this fail point. Raises `Injected` for the action ``error``."""
    spec = os.environ.get(VARIABLE)
    if spec is None:
        return
    if name not in FAILPOINTS:
        raise InvalidSetting(f"there is no fail point {name!r}", setting=VARIABLE)
    for part in spec.split(","):
        wanted, _, action = part.strip().partition(":")
        if wanted == name and _first_time(name):
            _act(name, action)


def _first_time(name: str) -> bool:
    folder = os.environ.get(FOLDER)
    if not folder:
        return True
    try:
        Path(folder, name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _act(name: str, action: str) -> None:
    if action == "crash":
        os.kill(os.getpid(), signal.SIGKILL)
    elif action == "error":
        raise Injected(f"fail point {name}")
    elif action.startswith("sleep="):
        time.sleep(float(action.removeprefix("sleep=")))  # the whole process stalls, as under SIGSTOP
    else:
        raise InvalidSetting(
            f"fail point {name}: unknown action {action!r}",
            setting=VARIABLE,
            hint="crash, error or sleep=SECONDS",
        )
