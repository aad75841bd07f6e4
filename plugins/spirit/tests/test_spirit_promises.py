"""The conformance kit over this strategy. The program is the stand-in, as in `test_spirit_runs`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
import pytest_asyncio
from alterd_contracts.testing import ALTER, Change, Point, Scenario, Subject, representative, scenarios, violated, walk
from tests.conformance.lab import RealLab, laboratory
from tests.support.shop import Shop

from alterd_spirit.program import VARIABLE
from alterd_spirit.strategy import Spirit
from programs import stand_in

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLUGIN: Final = Path(__file__).parents[1]
SLOW: Final = Change(kind=ALTER.kind, table=ALTER.table, sql=ALTER.sql, options="--target-chunk-size=5120")
SUBJECT: Final = Subject(
    strategy="spirit",
    slow=SLOW,
    middle=Point(within="run", call="progress", name="rows"),
)
QUICK: Final = frozenset({"alter_table", "dies in mid-copy", "flags"})
"""The others repeat what `test_spirit_runs`, and the kit over alterd's own strategies, show."""
DECLARED: Final = Spirit().declare()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def lab(nats_url: str, mysql_primary: Shop, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealLab]:
    home = tmp_path_factory.mktemp("promises")
    program = stand_in(tmp_path_factory.mktemp("bin"))
    plugins = ("direct", "alterd_spirit.plugin")
    settings: dict[str, Any] = {VARIABLE: program}
    async with laboratory(nats_url, mysql_primary, home, plugins, paths=[PLUGIN], **settings) as made:
        yield made


@pytest.mark.parametrize(
    "scenario",
    [
        pytest.param(each, id=each.name, marks=[] if each.name in QUICK else [pytest.mark.slow])
        for each in (*scenarios(DECLARED, SUBJECT), *representative(DECLARED, SUBJECT))
    ],
)
async def test_what_is_promised_is_kept(lab: RealLab, scenario: Scenario) -> None:
    assert "spirit" in await lab.declarations()
    assert [str(violation) for violation in await violated(lab, scenario)] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_a_death_at_each_step(lab: RealLab) -> None:
    found = []
    for scenario in await walk(lab, DECLARED, SUBJECT):
        found += await violated(lab, scenario)
    assert [str(violation) for violation in found] == []
