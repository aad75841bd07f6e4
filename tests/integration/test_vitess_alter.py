"""An ALTER by the native engine on a real server, with writers beside it."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from alterd_contracts.statement import StatementKind
from alterd_executor.protocol import RunCompleted
from tests.integration.executor_support import Attempt, next_attempt, record_of, run
from tests.support import eventually
from tests.support.shop import Shop
from tests.support.writers import SHAPES, Writers

ALTER = "ALTER TABLE item ADD COLUMN c INT NOT NULL DEFAULT 7 FIRST, MODIFY a BIGINT NOT NULL, ADD INDEX by_a (a)"


def altering(shop: Shop, sql: str = ALTER, table: str = "item", **fields: object):  # type: ignore[no-untyped-def]
    return record_of(shop, StatementKind.ALTER_TABLE, table, sql, strategy="vitess", **fields)


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of a few rows, so that writers meet the copy everywhere."""
    for name, value in {
        "CHUNK_ROWS": "5",
        "MAX_CHUNK_ROWS": "25",
        "COPY_SESSIONS": "3",
        "APPLY_SESSIONS": "3",
        "CHECKPOINT_INTERVAL": "0.1",
    }.items():
        monkeypatch.setenv(f"ALTERD_VITESS__{name}", value)


async def test_a_quiet_table(shop: Shop, tmp_path: Path) -> None:
    sql = "ALTER TABLE customer ADD COLUMN note VARCHAR(20) NOT NULL DEFAULT 'x' AFTER id, MODIFY name VARCHAR(80)"
    ending = await run(shop, altering(shop, sql, "customer"), tmp_path)
    assert isinstance(ending, RunCompleted), ending
    assert ending.rows_copied == 3
    assert shop.run("SELECT * FROM customer ORDER BY id") == [
        (1, "x", 1, "Ann"),
        (2, "x", 2, "Bob"),
        (3, "x", 3, "Cleo"),
    ]


@pytest.mark.parametrize("shape", list(SHAPES))
async def test_every_kind_of_key_under_writes(shop: Shop, tmp_path: Path, shape: str, tiny: None) -> None:
    writers = Writers(shop, SHAPES[shape], seed=1)
    writers.create(600)
    with writers.writing():
        ending = await run(shop, altering(shop), tmp_path)
    assert isinstance(ending, RunCompleted), ending
    writers.check("c = 7")
