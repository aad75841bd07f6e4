"""A plugin from outside becomes a usable strategy; a mixed fleet sends its work to who has it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from alterd_contracts.requests import Refusal
from alterd_contracts.states import Status
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.support.shop import Shop


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin, installed with pip into a folder of its own."""
    target = tmp_path_factory.mktemp("site")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--target", str(target)]
    plugin = str(Path(__file__).parent / "foreign")
    subprocess.run([sys.executable, "-m", "pip", "install", *options, plugin], check=True, timeout=90)
    return target


async def test_a_mixed_fleet_sends_work_to_the_executor_that_has_the_strategy(
    fleet: Fleet, client: Client, shop: Shop, installed: Path
) -> None:
    for service in ("scheduler", "intake"):
        fleet.start(service)
    fleet.start("executor", "plain")
    plain = await client.submit("CREATE TABLE item (id int PRIMARY KEY)")
    refused = await client.ask("ALTER TABLE customer ADD COLUMN b int", strategy="signed")
    assert isinstance(refused, Refusal)
    assert refused.errors[0].code == "unknown_strategy"

    fleet.start("executor", "special", PYTHONPATH=str(installed))
    uuids = []
    for column in ("b", "c", "d"):
        uuids += await client.submit(f"ALTER TABLE customer ADD COLUMN {column} int", strategy="signed")
    for uuid in uuids:
        row = await client.until(uuid, Status.COMPLETE)
        assert (row.tablet, row.message) == ("special", "signed")
    assert (await client.until(plain[0], Status.COMPLETE)).tablet == "plain"
    assert shop.columns() == ["id", "a", "name", "b", "c", "d"]

    house = await client.ask("ALTER TABLE customer ADD COLUMN secret int", strategy="signed")
    assert isinstance(house, Refusal)
    assert "in this house" in house.errors[0].message
