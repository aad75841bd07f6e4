"""How a change by pt-online-schema-change ends when it cannot or shall not go on: as it was, and nothing is left."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from alterd_contracts.errors import ErrorInfo
from alterd_executor.folders import PROGRAMS
from alterd_executor.protocol import Ending, RunCancelled, RunCompleted, RunFailed, RunReleased
from alterd_ptosc import program
from alterd_ptosc import running as ptosc_running
from tests.integration.executor_support import Attempt, next_attempt, run
from tests.integration.ptosc_support import (
    SLOWLY,
    altering,
    as_it_was,
    filled,
    nothing_left,
    processes,
    triggers,
)
from tests.integration.vitess_support import Running
from tests.support import eventually
from tests.support.shop import Shop

pytestmark = pytest.mark.usefixtures("pt_osc")


def failure(ending: Ending) -> ErrorInfo:
    assert isinstance(ending, RunFailed), ending
    return ending.error


async def test_cancelled_in_the_middle_of_the_copy(shop: Shop, tmp_path: Path) -> None:
    filled(shop, 1500)
    record = altering(shop, **SLOWLY)
    running = await Running.start(shop, record, tmp_path)
    await running.until_copied(100)
    assert len(triggers(shop)) == 3
    assert processes(tmp_path)
    await running.attempt.cancel()
    assert await running.ending() == RunCancelled()
    as_it_was(shop, 1500)
    nothing_left(shop, record, tmp_path)
    shop.run("INSERT INTO item (a) VALUES (1)")


async def test_cancelled_while_the_swap_is_held(shop: Shop, tmp_path: Path) -> None:
    filled(shop)
    record = altering(shop)
    running = await Running.start(shop, record, tmp_path, postponed=True)
    await running.until_phase("cut-over")
    await running.attempt.cancel()
    assert await running.ending() == RunCancelled()
    as_it_was(shop, 400)
    nothing_left(shop, record, tmp_path)


async def test_a_killed_attempt_is_begun_anew(shop: Shop, tmp_path: Path) -> None:
    filled(shop, 1500)
    record = altering(shop, **SLOWLY)
    running = await Running.start(shop, record, tmp_path)
    await running.until_copied(100)
    await running.vanish()
    await eventually(lambda: processes(tmp_path) == [])
    assert len(triggers(shop)) == 3
    shop.run("INSERT INTO item (a, b) VALUES (5, 'between')")  # the triggers' account is locked, and they go on
    again = next_attempt(record)
    assert isinstance(await run(shop, again, folder(tmp_path, "again")), RunCompleted)
    assert shop.run("SELECT COUNT(*), SUM(b = 'between'), MIN(c) FROM item") == [(1501, 1, 7)]
    nothing_left(shop, again, tmp_path)


async def test_a_killed_tool_fails_its_change(shop: Shop, tmp_path: Path) -> None:
    """It cleans nothing up itself."""
    filled(shop, 1500)
    record = altering(shop, **SLOWLY)
    running = await Running.start(shop, record, tmp_path)
    await running.until_copied(100)
    [noted] = (tmp_path / PROGRAMS).iterdir()
    os.kill(int(noted.name), signal.SIGKILL)
    error = failure(await running.ending())
    assert (error.code, "ended by signal 9" in error.message) == ("tool_failed", True), error
    as_it_was(shop, 1500)
    (tmp_path / "pt-osc.pid").unlink()  # goes with its folder
    nothing_left(shop, record, tmp_path)
    shop.run("INSERT INTO item (a) VALUES (1)")


async def test_an_attempt_that_goes_on_elsewhere_is_ended(shop: Shop, tmp_path: Path) -> None:
    """As when its executor is on another host and hears nothing: its account is locked, its sessions are killed."""
    filled(shop, 1500)
    record = altering(shop, **SLOWLY)
    elsewhere = await Running.start(shop, record, folder(tmp_path, "elsewhere"))
    await elsewhere.until_copied(100)
    again = next_attempt(record)
    here = await Running.start(shop, again, folder(tmp_path, "here"))
    assert isinstance(await here.ending(90), RunCompleted)
    ending = await elsewhere.task  # its tool has ended by itself; the run finds the fence taken
    assert not isinstance(ending, RunCompleted), ending
    assert shop.run("SELECT COUNT(*), MIN(c) FROM item") == [(1500, 7)]
    nothing_left(shop, again, tmp_path)


@pytest.mark.parametrize("point", ["ptosc.tried", "ptosc.copying", "ptosc.swap_allowed"])
async def test_a_failure_before_the_swap(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    filled(shop)
    monkeypatch.setenv("ALTERD_FAILPOINT", f"{point}:error")
    record = altering(shop)
    assert failure(await run(shop, record, tmp_path)).code == "failpoint"
    as_it_was(shop, 400)
    nothing_left(shop, record, tmp_path)


async def test_what_nobody_foresaw_is_told_and_not_the_tools_word_on_it(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A mistake of alterd's own, while the tool waits for an answer."""

    async def broken(*_: object) -> int:
        raise ZeroDivisionError

    filled(shop)
    monkeypatch.setattr(ptosc_running, "check_rows", broken)
    record = altering(shop)
    error = failure(await run(shop, record, tmp_path))
    assert "raised ZeroDivisionError" in error.message
    as_it_was(shop, 400)
    nothing_left(shop, record, tmp_path)


async def test_a_failure_after_the_swap_is_found_complete(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(shop)
    monkeypatch.setenv("ALTERD_FAILPOINT", "ptosc.swapped:error")
    record = altering(shop)
    ending = await run(shop, record, tmp_path)
    assert isinstance(ending, RunCompleted), ending
    assert "found swapped" in ending.message
    assert shop.run("SELECT COUNT(*), MIN(c) FROM item") == [(400, 7)]
    nothing_left(shop, record, tmp_path)


@pytest.mark.parametrize(
    ("sql", "options", "code", "words"),
    [
        ("ALTER TABLE item ADD COLUMN a INT", "", "pt_osc_alter", "Duplicate column name 'a'"),
        ("ALTER TABLE item ADD COLUMN c INT", "--no-such-flag", "pt_osc_refused", "no-such-flag"),
        ("ALTER TABLE item ADD COLUMN c INT", "--chunk-size=many", "pt_osc_refused", "chunk-size"),
        ("ALTER TABLE item ADD COLUMN c INT", "--max-load=Nothing=1", "pt_osc_refused", "Nothing"),
        ("ALTER TABLE item MODIFY b VARCHAR(3)", "", "rows_changed", "'b'"),
        ("ALTER TABLE item MODIFY b INT", "", "tool_failed", "Incorrect integer value"),
    ],
)
async def test_what_the_tool_refuses_is_told_in_its_words(
    shop: Shop, tmp_path: Path, sql: str, options: str, code: str, words: str
) -> None:
    filled(shop)
    record = altering(shop, sql, options=options)
    error = failure(await run(shop, record, tmp_path))
    assert (error.code, words in error.message) == (code, True), error
    as_it_was(shop, 400)
    nothing_left(shop, record, tmp_path)


async def test_rows_that_a_new_collation_makes_equal_are_not_lost(shop: Shop, tmp_path: Path) -> None:
    shop.run("CREATE TABLE item (id INT PRIMARY KEY, a INT, b VARCHAR(30) COLLATE utf8mb4_bin, UNIQUE KEY b (b))")
    shop.run("INSERT INTO item VALUES (1, 1, 'x'), (2, 1, 'X'), (3, 1, 'y')")
    record = altering(shop, "ALTER TABLE item MODIFY b VARCHAR(30) COLLATE utf8mb4_0900_ai_ci")
    error = failure(await run(shop, record, tmp_path))
    assert (error.code, "3 rows and the new table 2" in error.message) == ("duplicate_rows", True), error
    as_it_was(shop, 3)
    nothing_left(shop, record, tmp_path)


async def test_a_locked_table_makes_the_tool_fail_and_not_the_writers(shop: Shop, tmp_path: Path) -> None:
    filled(shop)
    record = altering(shop, options="--tries=create_triggers:1:0.1")
    with shop.table_in_use("item"):
        attempt = await Attempt.claim(shop, record, tmp_path, lock_wait=1)
        error = failure(await attempt.run())
    await attempt.task.finish(None)
    assert error.code == "pt_osc_triggers"
    assert "Lock wait timeout" in error.message
    as_it_was(shop, 400)
    nothing_left(shop, record, tmp_path)


async def test_a_tool_that_is_missing(shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(shop)
    monkeypatch.setenv("ALTERD_PTOSC__PATH", str(tmp_path / "pt-online-schema-change"))
    error = failure(await run(shop, altering(shop), folder(tmp_path, "work")))
    assert error.code == "tool_missing"
    assert "percona-toolkit" in error.hint
    as_it_was(shop, 400)


@pytest.mark.parametrize("version", ["2.2.20", "3.8.0"])
async def test_a_version_that_is_not_known(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    filled(shop)
    stand_in = tmp_path / program.NAME
    stand_in.write_text(f"#!/bin/sh\necho {program.NAME} {version}\n")
    stand_in.chmod(0o755)
    monkeypatch.setenv("ALTERD_PTOSC__PATH", str(stand_in))
    error = failure(await run(shop, altering(shop), folder(tmp_path, "work")))
    assert (error.code, version in error.message) == ("tool_version", True)
    as_it_was(shop, 400)


async def test_a_stopping_executor_gives_the_work_back_clean(shop: Shop, tmp_path: Path) -> None:
    filled(shop, 1500)
    record = altering(shop, **SLOWLY)
    running = await Running.start(shop, record, tmp_path)
    await running.until_copied(100)
    running.attempt.task.stopping.set()
    assert isinstance(await running.ending(), RunReleased)
    await eventually(lambda: not processes(tmp_path))
    as_it_was(shop, 1500)
    nothing_left(shop, record, tmp_path)


def folder(tmp_path: Path, name: str) -> Path:
    made = tmp_path / name
    made.mkdir()
    return made
