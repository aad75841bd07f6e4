"""Metrics of plugins on a real primary: one that fails or hangs counts as not known, and holds up nothing else."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from alterd_contracts.hookspecs import Metric
from alterd_contracts.strategy import Session
from alterd_contracts.topology import ServerAddress
from alterd_runtime.mysql.connect import Credentials
from alterd_throttler.judge import Measurements, judge
from alterd_throttler.metrics import PluginMetrics
from tests.support import eventually
from tests.support.shop import Shop


async def connections(session: Session) -> float:
    [row] = await session.query("SHOW GLOBAL STATUS LIKE 'Threads_connected'")
    return float(row["Value"])


async def failing(session: Session) -> float:  # noqa: ARG001
    raise RuntimeError("not today")


async def refused(session: Session) -> float:
    return float(await session.value("SELECT * FROM no_such_schema.no_such_table"))


async def nonsense(session: Session) -> float:  # noqa: ARG001
    return float("nan")


async def slow(session: Session) -> float:
    return float(await session.value("SELECT SLEEP(60)"))


def metric(measure: object, threshold: float = 1000.0) -> Metric:
    return Metric(name=measure.__name__, threshold=threshold, measure=measure)  # type: ignore[attr-defined, arg-type]


@pytest.fixture
def address(mysql_primary: Shop) -> ServerAddress:
    return ServerAddress.parse(mysql_primary.servers[0])


@pytest.fixture
async def measuring() -> AsyncIterator[list[PluginMetrics]]:
    """What is put in is closed at the end."""
    used: list[PluginMetrics] = []
    yield used
    for each in used:
        await each.close()


def of(mysql: Shop, *metrics: Metric, into: list[PluginMetrics]) -> PluginMetrics:
    into.append(PluginMetrics(metrics, lambda: Credentials(mysql.user, mysql.password)))
    return into[-1]


async def test_a_metric_is_judged_like_our_own(
    mysql_primary: Shop, address: ServerAddress, measuring: list[PluginMetrics]
) -> None:
    plugins = of(mysql_primary, metric(connections), into=measuring)
    readings = tuple(await plugins.measure(address))
    assert [(reading.name, reading.server) for reading in readings] == [("connections", str(address))]
    assert judge(Measurements(readings=readings), {"connections": 1000.0}).go
    assert judge(Measurements(readings=readings), {"connections": 0.5}).reason.startswith("connections ")


async def test_what_fails_is_not_known(
    mysql_primary: Shop, address: ServerAddress, measuring: list[PluginMetrics]
) -> None:
    metrics = (metric(failing), metric(connections), metric(refused), metric(nonsense))
    plugins = of(mysql_primary, *metrics, into=measuring)
    failed, fine, denied, none = await plugins.measure(address)
    assert (failed.value, failed.why) == (None, "the plugin failed with RuntimeError")
    assert fine.value is not None
    assert denied.value is None
    assert "no_such" in denied.why
    assert (none.value, none.why) == (None, "the plugin's answer is not a number")


async def test_a_server_that_is_not_there_is_not_known(mysql_primary: Shop, measuring: list[PluginMetrics]) -> None:
    plugins = of(mysql_primary, metric(connections), into=measuring)
    [reading] = await plugins.measure(ServerAddress("127.0.0.1", 1))
    assert reading.value is None
    assert reading.why.startswith("no MySQL answers at 127.0.0.1:1")


async def test_one_that_hangs_is_not_waited_for_and_ended(
    mysql_primary: Shop, address: ServerAddress, measuring: list[PluginMetrics]
) -> None:
    plugins = of(mysql_primary, metric(slow), into=measuring)
    begun = time.monotonic()
    [first] = await plugins.measure(address)
    [second] = await plugins.measure(address)
    assert time.monotonic() - begun < 2.5
    assert first.value is second.value is None
    assert second.why.startswith("no answer for 1.")
    begun = time.monotonic()
    await plugins.close()
    assert time.monotonic() - begun < 5
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


async def test_a_lost_session_is_opened_again(
    mysql_primary: Shop, address: ServerAddress, measuring: list[PluginMetrics]
) -> None:
    plugins = of(mysql_primary, metric(connections), into=measuring)
    assert (await plugins.measure(address))[0].value is not None
    for (thread,) in mysql_primary.run(
        "SELECT processlist_id FROM performance_schema.session_connect_attrs WHERE attr_value = 'alterd:throttler'"
    ):
        mysql_primary.run(f"KILL {thread}")

    async def measured() -> bool:
        return (await plugins.measure(address))[0].value is not None

    await eventually(measured)
