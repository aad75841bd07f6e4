"""The kit itself: a strategy that is honest keeps all promises, and each one that lies is caught, for its lie alone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from alterd_contracts.testing import Promise, Scenario, Subject, conform, representative, scenarios, violated
from tests.conformance.honest import Honest
from tests.conformance.lab import RealLab, laboratory
from tests.conformance.liar import Liar
from tests.conformance.liars import liars
from tests.support.shop import Shop

pytestmark = pytest.mark.asyncio(loop_scope="module")
HONEST = Subject(strategy="honest")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def lab(nats_url: str, mysql_primary: Shop, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealLab]:
    home = tmp_path_factory.mktemp("liars")
    async with laboratory(nats_url, mysql_primary, home, ["tests.conformance.liars"], patience=10.0) as made:
        yield made


def scenario_of(liar: type[Liar]) -> Scenario:
    declared, subject = liar().declare(), Subject(strategy=liar.name)
    todo = [*scenarios(declared, subject), *representative(declared, subject)]
    [found] = [scenario for scenario in todo if scenario.name == liar.scenario]
    return found


ALL = [*scenarios(Honest().declare(), HONEST), *representative(Honest().declare(), HONEST)]


@pytest.mark.parametrize("scenario", ALL, ids=lambda each: each.name)
async def test_an_honest_strategy_keeps_all_promises(lab: RealLab, scenario: Scenario) -> None:
    assert [str(violation) for violation in await violated(lab, scenario)] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_the_report_of_an_honest_strategy_that_dies_at_each_step(lab: RealLab) -> None:
    report = await conform(lab, Honest().declare(), HONEST)
    assert report.broken == (), str(report)
    assert set(report.kept) == set(Promise)
    assert report.not_declared == ()


@pytest.mark.parametrize(
    "liar",
    [pytest.param(liar, id=liar.name, marks=[pytest.mark.slow] if liar.lasts else []) for liar in liars()],
)
async def test_a_liar_is_caught_for_its_lie_alone(lab: RealLab, mysql_primary: Shop, liar: type[Liar]) -> None:
    try:
        found = await violated(lab, scenario_of(liar))
    finally:
        mysql_primary.run("DROP USER IF EXISTS 'conformance_left'@'%'")
    assert {violation.promise for violation in found} == {liar.promise}, [str(each) for each in found]
    assert any(liar.says in violation.words for violation in found), [str(each) for each in found]


async def test_there_is_a_liar_for_each_promise() -> None:
    assert {liar.promise for liar in liars()} == set(Promise)
    assert {promise for scenario in ALL for promise in scenario.promises} == set(Promise)
