"""Seeded: several writers, tiny chunks, runs that are killed at fail points of chance, every kind of key."""

from __future__ import annotations

import random

import pytest

from alterd_contracts.states import Status
from alterd_runtime.failpoints import FAILPOINTS
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.e2e.online import SMALL, start
from tests.support.shop import Shop
from tests.support.writers import SHAPES, Writers

ALTER = "ALTER TABLE item ADD COLUMN c INT NOT NULL DEFAULT 7 FIRST, MODIFY a BIGINT NOT NULL, ADD INDEX by_a (a)"
POINTS = sorted(name for name in FAILPOINTS if name.startswith(("vitess.", "run.", "executor.run")))
ALWAYS = 1
"""Seeds that every test run has; the others are slow together."""


def seeded(seed: int) -> object:
    return pytest.param(seed, marks=() if seed < ALWAYS else pytest.mark.slow)


@pytest.mark.parametrize("seed", [seeded(seed) for seed in range(24)])
async def test_rows_survive(fleet: Fleet, client: Client, shop: Shop, seed: int) -> None:
    chance = random.Random(seed)
    points = chance.sample(POINTS, 3)
    writers = Writers(shop, SHAPES[chance.choice(list(SHAPES))], seed=seed, pause=chance.choice((0.002, 0.005, 0.02)))
    writers.create(chance.choice((50, 400, 1500)))
    start(fleet, "scheduler", "intake", "throttler")
    deadly = {"ALTERD_FAILPOINT": ",".join(f"{point}:crash" for point in points)}
    executor = fleet.start("executor", "executor-a", **SMALL, **deadly)
    with writers.writing():
        [uuid] = await client.submit(ALTER, strategy="vitess")

        def ended() -> bool:
            nonlocal executor
            if not executor.running:  # some of the points are the executor's own
                executor = fleet.start("executor", "executor-a", **SMALL, **deadly)
            return False

        row = await client.until(uuid, lambda row: ended() or row.migration_status.terminal, timeout=100)
    assert row.migration_status is Status.COMPLETE, (points, row.message)
    writers.check("c = 7")
    await client.story(uuid)
