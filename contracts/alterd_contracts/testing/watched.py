"""A strategy as it is, with a journal of all that it asks of its task and tells it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from alterd_contracts.declaration import Declaration, ToolDeclaration
from alterd_contracts.errors import AlterdError
from alterd_contracts.migration import Migration
from alterd_contracts.requests import PlanStep
from alterd_contracts.strategy import Facts, Recovery, ShardView, Strategy, Task
from alterd_contracts.testing.recorder import Recorder
from alterd_contracts.testing.watched_task import WatchedTask


class Watched(Strategy):
    """Does what `strategy` does. Journals and orders are in `folder`."""

    def __init__(self, strategy: Strategy, folder: Path) -> None:
        self._strategy, self._folder = strategy, folder
        self._recorders: dict[tuple[str, int], Recorder] = {}

    def declare(self) -> Declaration:
        return self._strategy.declare()

    async def tool_version(self, tool: ToolDeclaration) -> str:
        return await self._strategy.tool_version(tool)

    async def check(self, change: Migration, shard: ShardView) -> Sequence[AlterdError]:
        return await self._strategy.check(change, shard)

    async def special_plan(self, change: Migration, shard: ShardView) -> str:
        return await self._strategy.special_plan(change, shard)

    async def plan(self, change: Migration, shard: ShardView) -> Sequence[PlanStep]:
        return await self._strategy.plan(change, shard)

    async def run(self, task: Task) -> Facts:
        recorder = self._recorder(task)
        watched = WatchedTask(task, recorder, "run")
        return await recorder.around(
            "run",
            "run",
            lambda: self._strategy.run(watched),
            tells=lambda facts: {"said": facts.message, "rows": facts.rows_copied},
        )

    async def recover(self, task: Task, last_attempt: int) -> Recovery:
        recorder = self._recorder(task)
        watched = WatchedTask(task, recorder, "recover")
        for _ in range(2 if recorder.twice else 1):
            found = await recorder.around(
                "recover",
                "recover",
                lambda: self._strategy.recover(watched, last_attempt),
                tells=lambda found: {"answer": type(found).__name__},
            )
        return found

    async def cleanup(self, task: Task) -> None:
        recorder = self._recorder(task)
        watched = WatchedTask(task, recorder, "cleanup")
        for _ in range(2 if recorder.twice else 1):
            await recorder.around("cleanup", "cleanup", lambda: self._strategy.cleanup(watched))

    def _recorder(self, task: Task) -> Recorder:
        """One for all that an attempt goes through."""
        whose = task.migration.migration_uuid, task.attempt
        if whose not in self._recorders:
            self._recorders[whose] = Recorder(self._folder, task)
        return self._recorders[whose]
