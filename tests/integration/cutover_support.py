"""Changes that stand before their cut-over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alterd_executor.protocol import RunCompleted
from tests.integration.vitess_support import Running, altering
from tests.support.shop import Shop

ALTER = "ALTER TABLE item ADD COLUMN c INT"


async def ready(shop: Shop, tmp_path: Path, options: str = "", **extra: Any) -> Running:
    running = await Running.start(shop, altering(shop, ALTER, options=options), tmp_path, postponed=True, **extra)
    await running.until_stage("ready to complete")
    return running


async def completed(running: Running, shop: Shop) -> RunCompleted:
    ending = await running.ending()
    assert isinstance(ending, RunCompleted), ending
    assert shop.columns("item") == ["id", "a", "c"]
    return ending
