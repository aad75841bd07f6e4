"""Attempts of the native engine in this process, on a real server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from alterd_contracts.migration import Migration
from alterd_contracts.statement import StatementKind
from alterd_executor.protocol import Ending, PhaseNow, ProgressNow
from tests.integration.executor_support import Attempt, record_of
from tests.support import eventually
from tests.support.shop import Shop

ALTER = "ALTER TABLE item ADD COLUMN c INT NOT NULL DEFAULT 7 FIRST, MODIFY a BIGINT NOT NULL, ADD INDEX by_a (a)"


def altering(shop: Shop, sql: str = ALTER, table: str = "item", **fields: Any) -> Migration:
    return record_of(shop, StatementKind.ALTER_TABLE, table, sql, strategy="vitess", **fields)


def phases(attempt: Attempt) -> list[str]:
    return [message.phase for message in attempt.sent if isinstance(message, PhaseNow)]


def progress(attempt: Attempt) -> list[ProgressNow]:
    return [message for message in attempt.sent if isinstance(message, ProgressNow)]


class Running:
    """An attempt under way."""

    def __init__(self, attempt: Attempt) -> None:
        self.attempt = attempt
        self.task = asyncio.create_task(attempt.run())

    @classmethod
    async def start(cls, shop: Shop, record: Migration, workdir: Path, **options: Any) -> Running:
        return cls(await Attempt.claim(shop, record, workdir, **options))

    @property
    def uuid(self) -> str:
        return self.attempt.record.migration_uuid

    async def until_phase(self, phase: str) -> None:
        await self._until(lambda: phase in phases(self.attempt))

    async def until_stage(self, stage: str) -> None:
        await self._until(lambda: any(each.stage == stage for each in progress(self.attempt)[-1:]))

    async def until_message(self, part: str) -> None:
        await self._until(lambda: any(part in each.message for each in progress(self.attempt)[-1:]))

    async def until_copied(self, rows: int) -> None:
        await self._until(lambda: any(each.rows_copied >= rows for each in progress(self.attempt)[-1:]))

    async def ending(self, timeout: float = 60) -> Ending:
        ending = await asyncio.wait_for(self.task, timeout)
        await self.attempt.task.finish(None)
        return ending

    async def vanish(self) -> None:
        """Ends the attempt without a word, as the death of its process does."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)
        await self.attempt.die()

    async def _until(self, condition: Any, timeout: float = 30) -> None:
        def met() -> bool:
            if self.task.done():
                raise AssertionError(f"the run has ended: {self.task.result()}")
            return bool(condition())

        await eventually(met, timeout)
