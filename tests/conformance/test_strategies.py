"""Every strategy that is registered, under every scenario that its declaration asks for."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
import pytest
import pytest_asyncio

from alterd_contracts.declaration import Declaration
from alterd_contracts.statement import StatementKind
from alterd_contracts.testing import (
    ALTER,
    Change,
    Point,
    Scenario,
    Subject,
    representative,
    scenarios,
    violated,
    walk,
)
from alterd_runtime.plugins import Plugins
from tests.conformance.lab import RealLab, laboratory
from tests.support.ghost import get_gh_ost
from tests.support.shop import Shop
from tests.support.tools import any_pt_osc

pytestmark = pytest.mark.asyncio(loop_scope="module")

INSTANT: Final = msgspec.structs.replace(
    ALTER, sql="ALTER TABLE item ADD COLUMN c INT NOT NULL DEFAULT 7", options="--prefer-instant-ddl"
)
SLOW_GHOST: Final = Change(
    kind=ALTER.kind, table=ALTER.table, sql=ALTER.sql, options="--nice-ratio=20 --chunk-size=10", rows=600
)
SUBJECTS: Final = {
    "mysql": Subject(strategy="mysql", alters=(ALTER, INSTANT)),
    "gh-ost": Subject(
        strategy="gh-ost",
        slow=SLOW_GHOST,
        middle=Point(within="run", call="progress", name="rows"),
        lasting=msgspec.structs.replace(SLOW_GHOST, options="--nice-ratio=40 --chunk-size=10", rows=3600),
        work_kept_after=24.0,  # it goes back to the last but one of its checkpoints, ten seconds apart
    ),
    "pt-osc": Subject(strategy="pt-osc", slow=msgspec.structs.replace(ALTER, options="--chunk-size=20 --sleep=0.02")),
}
"""Of strategies that need more than others."""
QUICK: Final = {
    "vitess": ("cancelled in mid-copy", "cancelled in cut-over", "throttled", "dies in mid-copy"),
    "pt-osc": ("cancelled in mid-copy", "throttled", "dies in mid-copy", "flags"),
    "gh-ost": ("cancelled in mid-copy", "cancelled while held", "throttled", "flags"),
}
"""Of strategies whose runs take a while, what is not left to the slow tests, beside `ALWAYS_RUN`."""
ALWAYS_RUN: Final = ("create_table", "drop_table", "alter_table", "dies at run may_complete done")
PLUGINS: Final = ("direct", "vitess", "ptosc", "ghost")


def offered() -> dict[str, Declaration]:
    """Those that users can choose; hidden ones are exercised as their runners."""
    declared = Plugins().load().strategies().declarations()
    return {each.strategy: each for each in declared if not each.hidden}


def subject_of(strategy: str) -> Subject:
    return SUBJECTS.get(strategy, Subject(strategy=strategy))


def cases() -> list[Any]:
    found = []
    for name, declared in offered().items():
        subject = subject_of(name)
        todo = [*scenarios(declared, subject), *representative(declared, subject)]
        for scenario in todo:
            slow = name in QUICK and scenario.name not in (*QUICK[name], *ALWAYS_RUN)
            marks = [pytest.mark.slow] if slow else []
            found.append(pytest.param(name, scenario, id=f"{name}-{scenario.name}", marks=marks))
    return found


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def lab(nats_url: str, mysql_primary: Shop, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RealLab]:
    settings: dict[str, Any] = {
        "ALTERD_GHOST__PATH": get_gh_ost(),
        "ALTERD_PTOSC__PATH": any_pt_osc(),
        "ALTERD_VITESS__CHUNK_ROWS": 10,
        "ALTERD_VITESS__MAX_CHUNK_ROWS": 10,
        "ALTERD_VITESS__CHECKPOINT_INTERVAL": 0.05,
    }
    home = tmp_path_factory.mktemp("conformance")
    async with laboratory(nats_url, mysql_primary, home, PLUGINS, **settings) as made:
        yield made


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("strategy", "scenario"), cases())
async def test_what_is_promised_is_kept(lab: RealLab, strategy: str, scenario: Scenario) -> None:
    assert strategy in await lab.declarations()
    assert [str(violation) for violation in await violated(lab, scenario)] == []


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("strategy", [name for name, each in offered().items() if each.kind(StatementKind.ALTER_TABLE)])
async def test_a_death_at_each_step(lab: RealLab, strategy: str) -> None:
    found = []
    for scenario in await walk(lab, offered()[strategy], subject_of(strategy)):
        found += await violated(lab, scenario)
    assert [str(violation) for violation in found] == []
