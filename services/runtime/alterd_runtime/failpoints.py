"""Fail points: names of the durable borders at which a test makes a process die, fail or stall.

``ALTERD_FAILPOINT=name:action[,name:action…]`` with an action of ``crash`` (SIGKILL to this process), ``error``,
``sleep=SECONDS``, ``mark=FOLDER`` (leaves the file ``<uuid>.<name>`` there) or ``hold=FOLDER`` (does so, and stalls the
process until ``<uuid>.<name>.go`` is there too; after `HOLD_LIMIT` it leaves ``….late`` and goes on).
``ALTERD_FAILPOINT_DIR=folder``: each fail point acts once per folder, however many processes pass it. Without the
variable a fail point costs one comparison.
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
HOLD_LIMIT: Final = 2.5
"""Seconds: shorter than a session that holds locks may be silent."""

FAILPOINTS: Final[dict[str, str]] = {
    "intake.checked": "the script is checked, nothing is published",
    "intake.submitted": "the submission is in the log, the request is not acked",
    "scheduler.elected": "the epoch is written, nothing is loaded",
    "scheduler.input_read": "an input is read, nothing is decided",
    "scheduler.record_written": "a record is written, its event is not published",
    "scheduler.event_published": "the event is published, the cursor is not moved",
    "scheduler.done_written": "the done record is written, the open one still stands",
    "scheduler.reopened": "the open record is written again, the done one still stands",
    "scheduler.gate_row_written": "one shard's part of a gate is written, the others' is not",
    "scheduler.work_published": "work is in the queue, nothing else is known of it",
    "executor.work_fetched": "work is in hand, nobody was told",
    "executor.started_published": "started is in the log, the work is not acked",
    "executor.granted": "the record says running, the fence is not claimed",
    "executor.claimed": "the fence is claimed, the run has not begun",
    "executor.run_ended": "the run has ended, nothing is reported",
    "executor.report_published": "the ending is in the log, the run is not forgotten",
    "run.begun": "the run's process works, nothing is done",
    "run.artifact_declared": "an artifact is written down, it does not exist",
    "statement.view_made": "the new view stands under the artifact's name, nothing is written down of it",
    "statement.remembered": "the definitions before and after are written down, the statement is not sent",
    "statement.executed": "the statement has taken effect, nobody was told",
    "vitess.shadow_made": "the shadow is there, nothing is written down of it",
    "vitess.plan_written": "the plan and the first checkpoint are written, nothing is copied",
    "vitess.chunk_copied": "a chunk and its record are written, not committed",
    "vitess.chunk_committed": "a chunk is committed, the run does not know it yet",
    "vitess.batch_applied": "touched keys are applied, not committed",
    "vitess.batch_committed": "touched keys are applied and committed, the run does not know it yet",
    "vitess.checkpoint_written": "a checkpoint is committed",
    "stream.part_touched": "a part of a large transaction is touched, the rest is not read",
    "stream.group_prepared": "a prepared XA transaction is read, its end is not",
    "vitess.copied": "the last chunk is committed, the stream goes on",
    "vitess.chunk_summed": "a chunk of source and shadow is compared, nothing is remembered of it",
    "vitess.checksummed": "source and shadow are found equal, nothing is written down of it",
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


_works_on: list[str] = []


def works_on(uuid: str) -> None:
    """From now on this process runs the migration `uuid`: ``mark`` and ``hold`` name their files by it."""
    _works_on[:] = [uuid]


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
    elif action.startswith("mark="):
        _mark(action.removeprefix("mark="), name)
    elif action.startswith("hold="):
        _hold(_mark(action.removeprefix("hold="), name))
    else:
        raise InvalidSetting(
            f"fail point {name}: unknown action {action!r}",
            setting=VARIABLE,
            hint="crash, error, sleep=SECONDS, mark=FOLDER or hold=FOLDER",
        )


def _mark(folder: str, name: str) -> Path:
    mark = Path(folder, ".".join([*_works_on, name]))
    mark.touch()
    return mark


def _hold(mark: Path) -> None:
    go, deadline = mark.with_name(f"{mark.name}.go"), time.monotonic() + HOLD_LIMIT
    while not go.exists():
        if time.monotonic() > deadline:
            mark.with_name(f"{mark.name}.late").touch()
            return
        time.sleep(0.005)
