"""Differences planted in the shadow behind the engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from alterd_executor.protocol import Ending, RunCompleted
from alterd_vitess.checksum import Checks
from tests.integration.executor_support import Attempt
from tests.integration.vitess_support import altering
from tests.support.shop import Shop


def shadow(shop: Shop) -> str:
    [name] = [name for name in shop.tables() if name.startswith("_alterd_shd_")]
    return name


def plant(shop: Shop, *statements: str) -> None:
    for each in statements:
        with shop.session() as connection, connection.cursor() as cursor:
            cursor.execute(each.replace("{shadow}", shadow(shop)))
            connection.commit()
            assert cursor.rowcount == 1, each


def planting(monkeypatch: pytest.MonkeyPatch, work: Callable[[], None]) -> None:
    """`work` is done between the copy and the comparison."""
    complete = Checks.complete

    async def planted(self: Checks, copying: float) -> None:
        await asyncio.to_thread(work)
        await complete(self, copying)

    monkeypatch.setattr(Checks, "complete", planted)


async def attempted(shop: Shop, sql: str, workdir: Path) -> tuple[Ending, Attempt]:
    attempt = await Attempt.claim(shop, altering(shop, sql), workdir)
    ending = await attempt.run()
    await attempt.task.finish(None)
    return ending, attempt


def completed(ending: Ending) -> str:
    assert isinstance(ending, RunCompleted), ending
    return ending.message
