"""The engine's cases by the real tools: they do all but those that the documents name, and those they do not do."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from alterd_cases.case import find_cases
from alterd_cases.running import run_all
from alterd_cases.system import System, open_system
from tests.integration.test_cases import GROUPS, ROOT, SIDE_BY_SIDE, dsn_of, failures, group_of
from tests.support.ghost import get_gh_ost
from tests.support.shop import Shop
from tests.support.tools import newest_pt_osc

REFERENCE = ROOT.parents[1] / "docs" / "reference"
ALWAYS = 0
"""The group that every test run has a few of; the others, and the rest of it, are for the slow ones."""
FEW = 3
SOMETIMES = "(not always)"
"""In a reason: it depends on the rows that are there at the moment."""
TOOLS: dict[str, tuple[str, str, Callable[[], object]]] = {
    "gh-ost": ("gh-ost --chunk-size=20 --default-retries=8", "ALTERD_GHOST__PATH", get_gh_ost),
    "pt-osc": ("pt-osc --chunk-size=20", "ALTERD_PTOSC__PATH", newest_pt_osc),
}
"""By the strategy: how it is called, the setting that names the program, and where it comes from."""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def system(mysql_primary: Shop, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    with pytest.MonkeyPatch.context() as patch:
        for _, setting, program in TOOLS.values():
            patch.setenv(setting, str(program()))
        async with open_system(tmp_path_factory.mktemp("cases"), dsn_of(mysql_primary), print) as system:
            yield system


def cannot(strategy: str) -> dict[str, str]:
    """The cases that its page names, and why."""
    text = (REFERENCE / f"{strategy.replace('-', '')}.md").read_text()
    part = re.search(r"<!-- cases -->\n(.*?)<!-- /cases -->", text, re.DOTALL)
    assert part, strategy
    rows = [line.strip("|").rsplit("|", 1) for line in part[1].splitlines()[2:]]
    return {name: why.strip() for why, names in rows for name in re.findall(r"`([^`]+)`", names)}


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("group", "few"),
    [(ALWAYS, True), *(pytest.param(each, False, marks=pytest.mark.slow) for each in range(GROUPS))],
)
@pytest.mark.parametrize("strategy", TOOLS)
async def test_the_cases(system: System, strategy: str, group: int, few: bool) -> None:
    known = cannot(strategy)
    cases = [case for case in find_cases([ROOT]) if group_of(case) == group]
    if few:
        cases = [case for case in cases if not case.alone and case.name not in known][:FEW]
    verdicts = await run_all(system, cases, TOOLS[strategy][0], lambda _: None, jobs=SIDE_BY_SIDE)
    assert failures([each for each in verdicts if each.case not in known]) == []
    never = {name for name, why in known.items() if SOMETIMES not in why}
    assert [each.case for each in verdicts if each.case in never and not each.failed] == []


@pytest.mark.parametrize("strategy", TOOLS)
async def test_the_page_names_cases_that_are_there(strategy: str) -> None:
    names = {case.name for case in find_cases([ROOT])}
    assert set(cannot(strategy)) <= names
    assert len(names - set(cannot(strategy))) > len(names) / 2
