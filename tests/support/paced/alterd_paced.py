"""The plugin; see the package."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from alterd_contracts import hookimpl
from alterd_contracts.declaration import Declaration, KindDeclaration, Phase
from alterd_contracts.errors import MigrationFailed
from alterd_contracts.hookspecs import StrategyRegister
from alterd_contracts.statement import StatementKind
from alterd_contracts.strategy import AlreadyCompleted, Facts, Recovery, Resume, StartOver, Strategy, Task


class Paced(Strategy):
    """Steps: phase, progress, ready, throttle, die, fail, done."""

    def declare(self) -> Declaration:
        phases = tuple(Phase(name=name) for name in ("copy", "checksum", "cut over"))
        kind = KindDeclaration(kind=StatementKind.ALTER_TABLE, phases=phases)
        return Declaration(strategy="paced", version="1.0", kinds=(kind,), resumable=True)

    async def run(self, task: Task) -> Facts:
        async for step in _steps(task):
            match step.pop("step"):
                case "phase":
                    await task.phase(step["name"])
                case "progress":
                    task.progress(**step)
                case "ready":
                    await task.ready(step["ready"])
                case "throttle":
                    await task.throttle.wait("copy")
                case "die":
                    os.kill(os.getpid(), signal.SIGKILL)
                case "fail":
                    raise MigrationFailed(step["message"])
                case _:
                    break
        return Facts(**step)

    async def recover(self, task: Task, last_attempt: int) -> Recovery:
        """As the test says in a file of its own; the table is never touched."""
        if (_folder() / "completed").exists():
            return AlreadyCompleted(facts=Facts(message="was done"))
        return Resume() if last_attempt < task.attempt else StartOver()


def _folder() -> Path:
    return Path(os.environ["PACED_FOLDER"])


async def _steps(task: Task) -> AsyncIterator[dict[str, Any]]:
    file, done = _folder() / str(task.attempt), 0
    while True:
        lines = file.read_text().splitlines(keepends=True) if file.exists() else []
        for line in lines[done:]:
            if line.endswith("\n"):
                done += 1
                yield json.loads(line)
        await asyncio.sleep(0.02)
        task.alive()


@hookimpl
def alterd_register_strategies(register: StrategyRegister) -> None:
    register.add(Paced())
