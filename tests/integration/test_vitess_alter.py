"""An ALTER by the native engine on a real server, with writers beside it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from alterd_executor.protocol import RunCompleted
from tests.integration.executor_support import next_attempt, run
from tests.integration.vitess_support import Running, altering
from tests.support.shop import Shop
from tests.support.writers import SHAPES, Writers

TINY = {
    "CHUNK_ROWS": "5",
    "MAX_CHUNK_ROWS": "25",
    "COPY_SESSIONS": "3",
    "APPLY_SESSIONS": "3",
    "CHECKPOINT_INTERVAL": "0.1",
}


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of a few rows, so that writers meet the copy everywhere."""
    for name, value in TINY.items():
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


async def test_an_empty_table(shop: Shop, tmp_path: Path) -> None:
    shop.run("DELETE FROM customer")
    ending = await run(shop, altering(shop, "ALTER TABLE customer ADD COLUMN b INT", "customer"), tmp_path)
    assert isinstance(ending, RunCompleted), ending
    shop.run("INSERT INTO customer (a, b) VALUES (1, 2)")
    assert shop.run("SELECT id, a, b FROM customer") == [(4, 1, 2)], "the counter is carried over"


@pytest.mark.parametrize(
    "shape",
    [name if name in ("int", "binary", "composite") else pytest.param(name, marks=pytest.mark.slow) for name in SHAPES],
)
async def test_every_kind_of_key_under_writes(shop: Shop, tmp_path: Path, shape: str) -> None:
    writers = Writers(shop, SHAPES[shape], seed=1)
    writers.create(600)
    with writers.writing():
        ending = await run(shop, altering(shop), tmp_path)
    assert isinstance(ending, RunCompleted), ending
    writers.check("c = 7")


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 8))])
async def test_attempts_that_vanish_again_and_again(shop: Shop, tmp_path: Path, seed: int) -> None:
    """Each time the next one goes on from the checkpoint."""
    chance = random.Random(seed)
    writers = Writers(shop, SHAPES["int"], seed=seed)
    writers.create(1500)
    record = altering(shop)
    copied = 0
    with writers.writing():
        for _ in range(3):
            running = await Running.start(shop, record, tmp_path, postponed=True)
            await running.until_copied(min(1000, copied + chance.randrange(50, 300)))
            await running.vanish()
            [(now,)] = shop.run(
                "SELECT COALESCE(SUM(rows_copied), 0) FROM _alterd.copy_state"
                f" WHERE migration_uuid = '{record.migration_uuid}'"
            )
            assert int(now) >= copied
            copied = int(now)
            record = next_attempt(record)
        ending = await run(shop, record, tmp_path)
    assert isinstance(ending, RunCompleted), ending
    assert ending.rows_copied >= copied
    writers.check("c = 7")
