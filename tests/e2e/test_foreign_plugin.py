"""A plugin from outside becomes a usable strategy; a mixed fleet sends its work to who has it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from alterd_contracts.envelope import Reader
from alterd_contracts.errors import ServiceUnreachable
from alterd_contracts.requests import Refusal, ThrottleCheck, Verdict
from alterd_contracts.states import Status
from alterd_contracts.subjects import THROTTLE_CHECK
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.support import eventually
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


async def test_a_plugin_s_metric_holds_writers_back(fleet: Fleet, client: Client, installed: Path) -> None:
    """`alterd_register_metrics`: its threshold is none at all."""
    fleet.start("throttler", PYTHONPATH=str(installed))
    ask = ThrottleCheck(keyspace="commerce", shard="0", app="test")
    verdicts: list[Verdict] = []

    async def answered() -> bool:
        try:
            answer = await client.bus.ask(THROTTLE_CHECK, ask, Reader[Verdict | Refusal](Verdict | Refusal), timeout=3)
        except ServiceUnreachable:
            return False
        verdicts.extend([answer] if isinstance(answer, Verdict) else [])
        return bool(verdicts)

    await eventually(answered, timeout=30)
    assert not verdicts[0].go
    assert "connections" in verdicts[0].reason
    assert verdicts[0].metrics["connections"] >= 1
