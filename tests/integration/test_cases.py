"""All SQL cases, through a real alterd; and what the tool says when the new table is not what it must be."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import zlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
import pytest_asyncio

from alterd_cases.case import Case, find_cases, read_case
from alterd_cases.course import Meddle, run_case
from alterd_cases.running import lose_row, run_all
from alterd_cases.system import System, open_system
from alterd_cases.verdict import Outcome, Verdict
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.quoting import identifier
from tests.support.shop import Shop

ROOT = Path(__file__).parents[1] / "cases"
SIDE_BY_SIDE = 2
GROUPS = 12
ALWAYS = 1
"""Groups that every test run has: a twelfth. The others are for the slow ones."""

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def system(mysql_primary: Shop, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[System]:
    folder = tmp_path_factory.mktemp("cases")
    async with open_system(folder, dsn_of(mysql_primary), print) as system:
        yield system


def dsn_of(shop: Shop) -> str:
    return f"mysql://{shop.user}:{shop.password}@{shop.servers[0]}"


def group_of(case: Case) -> int:
    """The same on every machine, and when cases are added."""
    return zlib.crc32(case.name.encode()) % GROUPS


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "group", [pytest.param(each, marks=() if each < ALWAYS else pytest.mark.slow) for each in range(GROUPS)]
)
async def test_the_cases(system: System, group: int) -> None:
    cases = [case for case in find_cases([ROOT]) if group_of(case) == group]
    verdicts = await run_all(system, cases, "vitess", lambda _: None, jobs=SIDE_BY_SIDE)
    assert failures(verdicts) == []
    assert all(each.transactions for each in verdicts if each.outcome is Outcome.PASSED)


def failures(verdicts: Sequence[Verdict]) -> list[str]:
    return [f"{each.case}: {each.reason}" for each in verdicts if each.failed]


def change_cell(session: BlockingSession, schema: str, table: str) -> None:
    session.execute(f"UPDATE {identifier(schema)}.{identifier(table)} SET a = -12345 ORDER BY id LIMIT 1")


def double_row(session: BlockingSession, schema: str, table: str) -> None:
    session.execute(f"INSERT INTO {identifier(schema)}.{identifier(table)} (a, name) VALUES (1, 'nobody wrote it')")


def forget_counter(session: BlockingSession, schema: str, table: str) -> None:
    session.execute(f"ALTER TABLE {identifier(schema)}.{identifier(table)} AUTO_INCREMENT = 4000000")


def alter_definition(session: BlockingSession, schema: str, table: str) -> None:
    session.execute(f"ALTER TABLE {identifier(schema)}.{identifier(table)} ALTER COLUMN added SET DEFAULT 6")


def leave_table(session: BlockingSession, schema: str, table: str) -> None:
    session.execute(f"CREATE TABLE {identifier(schema)}._alterd_shd_of_{table} (id INT)")


@pytest.mark.parametrize(
    ("meddle", "words"),
    [
        (lose_row, ("row id=", "is missing")),
        (change_cell, ("row id=", "a is -12345, not")),
        (double_row, ("row id=", "is there, or twice")),
        (forget_counter, ("AUTO_INCREMENT number is 4000000",)),
        (alter_definition, ("DEFAULT '6'", "DEFAULT '5'")),
        (leave_table, ("no artifact declares", "_alterd_shd_of_t")),
    ],
)
async def test_what_is_wrong_is_found(system: System, meddle: Meddle, words: tuple[str, ...]) -> None:
    verdict = await run_case(system, read_case(ROOT / "add-column-last"), "vitess", meddle=meddle)
    assert verdict.failed
    for word in words:
        assert word in verdict.reason


CREATE = """
CREATE TABLE t (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, a INT);
INSERT INTO t (a) WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 300) SELECT i FROM n;
"""
WRITE = "UPDATE t SET a = a + 1 WHERE id = 1 + FLOOR(RAND() * 300);"


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"dml.sql": "UPDATE t SET never = 1;"}, "Unknown column 'never'"),
        ({"dml.sql": "UPDATE t SET a = 1 WHERE id = -1;"}, "dml.sql has changed nothing"),
        ({"expect_failure": "anything"}, "it is complete, and should have failed"),
        ({"alter.sql": "ALTER TABLE t MODIFY a TINYINT"}, "Out of range value"),
        ({"alter.sql": "ALTER TABLE t MODIFY a TINYINT", "expect_failure": "too long"}, "should say 'too long'"),
        ({"create.sql": "CREATE TABLE t (id INT PRIMARY KEY, a INT)", "dml.sql": ""}, ""),
        ({"min_version": "99.0"}, "it needs MySQL 99.0"),
    ],
    ids=["mistake", "idle", "no failure", "a failure", "another failure", "no writers", "too old"],
)
async def test_cases_that_are_wrong_themselves(
    system: System, tmp_path: Path, files: dict[str, str], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alterd_cases.course.WARM", 1.0)
    verdict = await run_case(system, case_of(tmp_path, **files), "vitess")
    assert words in verdict.reason
    expected = {"no writers": Outcome.PASSED, "too old": Outcome.NOT_HERE}
    name = "no writers" if not words else "too old" if "needs" in words else ""
    assert verdict.outcome is expected.get(name, Outcome.FAILED)


async def test_a_strategy_without_a_swap(system: System) -> None:
    verdict = await run_case(system, read_case(ROOT / "add-column-last"), "mysql")
    assert (verdict.outcome, verdict.during_copy) == (Outcome.PASSED, 0)


def case_of(folder: Path, **files: str) -> Case:
    place = folder / "made-here"
    place.mkdir()
    given = {"create.sql": CREATE, "alter.sql": "ALTER TABLE t ADD COLUMN b INT", "dml.sql": WRITE, **files}
    for name, text in given.items():
        (place / name).write_text(text)
    return read_case(place)


@pytest.mark.parametrize("sabotage", [False, True])
async def test_the_command(mysql_primary: Shop, tmp_path: Path, sabotage: bool) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ALTERD_")}
    done = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alterd_cases", "run", str(ROOT / "add-column-last"), "-o", "json"),
        *["--sabotage"] * sabotage,
        cwd=tmp_path,
        env={**environ, "ALTERD_CASES_DSN": dsn_of(mysql_primary)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    data, words = (each.decode() for each in await done.communicate())
    assert done.returncode == int(sabotage), words
    [verdict] = json.loads(data)
    assert verdict["outcome"] == ("fail" if sabotage else "pass")
    assert verdict["case"] == "add-column-last"
    assert ("is missing" in verdict["reason"]) == sabotage
    assert "add-column-last" in words
    assert mysql_primary.password not in data + words
