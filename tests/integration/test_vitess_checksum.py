"""The comparison before the swap: it finds what was planted in the shadow behind the engine, and nothing else."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from alterd_executor.protocol import RunFailed
from alterd_vitess.applying import Applying
from alterd_vitess.checksum import Checks
from tests.integration.checksum_support import attempted, completed, plant, planting, shadow
from tests.integration.executor_support import Attempt, next_attempt, run
from tests.integration.vitess_support import ALTER, Running, altering, phases, progress
from tests.support import eventually
from tests.support.shop import Shop
from tests.support.writers import SHAPES, Writers

DIRECT = "ALTER TABLE item ADD COLUMN c INT NOT NULL DEFAULT 7 FIRST, MODIFY a BIGINT, ADD INDEX by_a (a)"
TYPED = "ALTER TABLE item MODIFY a VARCHAR(20), MODIFY b VARCHAR(60) CHARACTER SET latin1"
KEY_TYPE = "ALTER TABLE item MODIFY id VARCHAR(20) NOT NULL"
KEY_CHANGE = "ALTER TABLE item DROP PRIMARY KEY, ADD PRIMARY KEY (u)"
ALTERS = {"direct": DIRECT, "typed": TYPED, "key's type": KEY_TYPE, "another key": KEY_CHANGE}
ROWS = 300

PLANTED = {
    "a value": "UPDATE {shadow} SET b = 'planted' WHERE u = 107",
    "blanks": "UPDATE {shadow} SET b = CONCAT(b, ' ') WHERE u = 107",
    "a case": "UPDATE {shadow} SET b = UPPER(b) WHERE u = 107",
    "a null": "UPDATE {shadow} SET a = NULL WHERE u = 107",
    "an empty text": "UPDATE {shadow} SET b = '' WHERE u = 107",
    "a missing row": "DELETE FROM {shadow} WHERE u = 107",
    "a ghost": "INSERT INTO {shadow} (id, u, a, b) VALUES (%d, 10107, 7, 'ghost')",
}


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"CHUNK_ROWS": "20", "MAX_CHUNK_ROWS": "50"}.items():
        monkeypatch.setenv(f"ALTERD_VITESS__{name}", value)


@pytest.fixture
def item(shop: Shop) -> Shop:
    """Ids with gaps between them, up to 3000."""
    shop.run("CREATE TABLE item (id INT NOT NULL PRIMARY KEY, u INT NOT NULL, a INT, b VARCHAR(40))")
    values = ",".join(f"({10 * n}, {n}, {n % 7}, 'row {n}')" for n in range(1, ROWS + 1))
    shop.run(f"INSERT INTO item VALUES {values}")
    return shop


# What is planted is found ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", PLANTED)
@pytest.mark.parametrize("how", ["direct", "typed"])
async def test_a_planted_difference_is_found_and_repaired(
    item: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, what: str
) -> None:
    sql = PLANTED[what] % 1075 if "%d" in PLANTED[what] else PLANTED[what]
    planting(monkeypatch, lambda: plant(item, sql))
    ending, attempt = await attempted(item, ALTERS[how], tmp_path)
    key = "id=1075" if what == "a ghost" else "id=1070"
    assert f"REPAIRED the row {key}" in completed(ending)
    assert f"the row {key} of item different" in attempt.log()
    assert item.run("SELECT id, u, a, b FROM item WHERE id BETWEEN 1070 AND 1079") == [
        (1070, 107, 2 if how == "direct" else "2", "row 107")
    ]
    assert item.run("SELECT COUNT(*) FROM item") == [(ROWS,)]


@pytest.mark.parametrize("how", ["key's type", "another key"])
async def test_where_the_key_is_another_one_all_kinds_are_found(
    item: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    sqls = [PLANTED["a value"], "DELETE FROM {shadow} WHERE u = 203", PLANTED["a ghost"] % 1075]
    planting(monkeypatch, lambda: plant(item, *sqls))
    ending, attempt = await attempted(item, ALTERS[how], tmp_path)
    message = completed(ending)
    assert "REPAIRED 3 rows" in message
    assert {"id=1070", "id=1075", "id=2030"} <= set(message.replace(";", " ").replace(",", " ").split()), message
    assert "compared again" in attempt.log()
    assert item.run("SELECT COUNT(*), SUM(b = CONCAT('row ', u)) FROM item") == [(ROWS, ROWS)]


@pytest.mark.parametrize("key", [-5, 99_999])
async def test_ghosts_beyond_both_ends(item: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: int) -> None:
    planting(monkeypatch, lambda: plant(item, PLANTED["a ghost"] % key))
    ending, _ = await attempted(item, DIRECT, tmp_path)
    assert f"REPAIRED the row id={key}" in completed(ending)
    assert item.run("SELECT COUNT(*) FROM item") == [(ROWS,)]


async def test_a_ghost_in_an_empty_table(item: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item.run("DELETE FROM item")
    planting(monkeypatch, lambda: plant(item, PLANTED["a ghost"] % 5))
    ending, _ = await attempted(item, DIRECT, tmp_path)
    assert "REPAIRED the row id=5" in completed(ending)
    assert item.run("SELECT COUNT(*) FROM item") == [(0,)]


async def test_a_ghost_with_a_key_that_the_table_cannot_have(
    item: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planting(monkeypatch, lambda: plant(item, PLANTED["a ghost"] % 2**40))
    ending, _ = await attempted(item, "ALTER TABLE item MODIFY id BIGINT NOT NULL", tmp_path)
    assert isinstance(ending, RunFailed), ending
    assert ending.error.code == "checksum_mismatch"
    assert str(2**40) in ending.error.message


@pytest.mark.parametrize("how", ALTERS)
async def test_a_difference_that_comes_again_fails_with_the_key(
    item: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    planting(monkeypatch, lambda: plant(item, PLANTED["a value"]))
    together = Applying.together

    async def and_again(self: Applying, keys: Any) -> None:
        await together(self, keys)
        await asyncio.to_thread(plant, item, PLANTED["a value"])

    monkeypatch.setattr(Applying, "together", and_again)
    before = item.run("SELECT * FROM item")
    ending, attempt = await attempted(item, ALTERS[how], tmp_path)
    assert isinstance(ending, RunFailed), ending
    assert ending.error.code == "checksum_mismatch"
    assert "id=1070" in ending.error.message
    assert ending.error.hint
    assert not ending.error.retryable
    assert "cut-over" not in phases(attempt)
    assert item.run("SELECT * FROM item") == before
    assert item.columns("item") == ["id", "u", "a", "b"]


async def test_too_many_differences_are_not_repaired(
    item: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def emptied() -> None:
        item.run(f"DELETE FROM {shadow(item)}")

    monkeypatch.setattr("alterd_vitess.checksum.settling.MOST_REPAIRS", 100)
    planting(monkeypatch, emptied)
    ending, _ = await attempted(item, DIRECT, tmp_path)
    assert isinstance(ending, RunFailed), ending
    assert ending.error.code == "checksum_mismatch"
    assert "too many" in ending.error.message


# When it is made ---------------------------------------------------------------------------------------------------


async def test_it_is_repeated_while_the_cut_over_waits(
    item: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALTERD_VITESS__CHECKSUM_INTERVAL", "0.1")
    monkeypatch.setattr("alterd_vitess.checksum.checks.SHARE", 0)
    running = await Running.start(item, altering(item, DIRECT), tmp_path, postponed=True)
    await running.until_stage("ready to complete")
    plant(item, PLANTED["a value"])
    await eventually(lambda: "the row id=1070 of item different" in running.attempt.log())
    await running.attempt.permit()
    assert "REPAIRED the row id=1070" in completed(await running.ending())
    assert item.run("SELECT b FROM item WHERE id = 1070") == [("row 107",)]


async def test_keys_that_never_rest_are_compared_under_the_lock(
    item: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One row is written all the time; another one differs, and is known to nobody but the lock."""
    under_lock = Checks.under_lock
    seen: list[str] = []

    async def with_one_more(self: Checks, session: Any) -> str:
        assert self._settling is not None
        if not seen:
            await session.execute(f"UPDATE {shadow_of(self)} SET b = 'planted' WHERE id = 1070")
            self._settling.differences.suspect([self._run.mapping.key.of_row((1070,))])
        seen.append(await under_lock(self, session))
        return seen[-1]

    def shadow_of(checks: Checks) -> str:
        return checks._run.plan.shadow

    monkeypatch.setattr(Checks, "under_lock", with_one_more)
    with hammered(item, "UPDATE item SET a = a + 1 WHERE id = 500"):
        ending, attempt = await attempted(item, DIRECT, tmp_path)
    message = completed(ending)
    assert [bool(each) for each in seen] == [True, False]
    assert "id=1070" in seen[0]
    assert "REPAIRED the row id=1070" in message
    assert "id=500" not in message
    assert "finds the row id=1070 different" in attempt.log()
    assert item.run("SELECT b FROM item WHERE id = 1070") == [("row 107",)]


async def test_an_attempt_that_died_in_it_is_taken_up_and_compares_anew(
    item: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed, began = 0, asyncio.Event()
    complete = Checks.complete

    async def stuck(self: Checks, copying: float) -> None:
        nonlocal passed
        passed += 1
        if passed == 1:
            began.set()
            await asyncio.Event().wait()
        await complete(self, copying)

    monkeypatch.setattr(Checks, "complete", stuck)
    record = altering(item, DIRECT)
    running = await Running.start(item, record, tmp_path)
    await asyncio.wait_for(began.wait(), 30)
    await running.vanish()
    plant(item, PLANTED["a value"])
    assert "REPAIRED the row id=1070" in completed(await run(item, next_attempt(record), tmp_path))


async def test_it_is_a_phase_with_progress_of_its_own_and_its_cost_is_shown(
    item: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, int, float]] = []

    def look() -> None:
        told.extend((each.stage, each.rows_copied, each.percent) for each in progress(attempt))

    planting(monkeypatch, look)
    attempt = await Attempt.claim(item, altering(item, DIRECT), tmp_path)
    ending = await attempt.run()
    await attempt.task.finish(None)
    assert phases(attempt) == ["prepare", "copy", "checksum", "catch-up", "cut-over"]
    message = completed(ending)
    assert f"{ROWS} rows compared in" in message
    assert "% of the copy's" in message
    rows = [each.rows_copied for each in progress(attempt)]
    assert rows == sorted(rows)


async def test_it_can_be_switched_off_and_says_so(item: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALTERD_VITESS__CHECKSUM", "false")
    planting(monkeypatch, lambda: plant(item, PLANTED["a value"]))
    ending, attempt = await attempted(item, DIRECT, tmp_path)
    assert "not compared" in completed(ending)
    assert "checksum" not in phases(attempt)
    assert "nobody has compared" in attempt.log()
    assert item.run("SELECT b FROM item WHERE id = 1070") == [("planted",)]


# No false alarm ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param(ALTER, id="direct"),
        pytest.param("ALTER TABLE item MODIFY b VARCHAR(40) CHARACTER SET latin1", id="typed", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6))])
async def test_heavy_writes_are_no_difference(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sql: str, seed: int
) -> None:
    monkeypatch.setenv("ALTERD_VITESS__CHECKSUM_INTERVAL", "0.01")
    monkeypatch.setattr("alterd_vitess.checksum.checks.SHARE", 0)
    writers = Writers(shop, SHAPES["int"], seed=seed, pause=0.001)
    writers.create(400)
    with writers.writing():
        running = await Running.start(shop, altering(shop, sql), tmp_path, postponed=True)
        await running._until(lambda: running.attempt.log().count("while the cut-over waits") >= 3)
        await running.attempt.permit()
        message = completed(await running.ending())
    assert "REPAIRED" not in message
    assert "different" not in running.attempt.log()
    writers.check()


@contextmanager
def hammered(shop: Shop, sql: str) -> Iterator[None]:
    """One session runs the statement again and again."""
    stopping = threading.Event()

    def hammer() -> None:
        with shop.session() as connection, connection.cursor() as cursor:
            connection.autocommit(True)
            while not stopping.is_set():
                cursor.execute(sql)

    thread = threading.Thread(target=hammer)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
