"""gh-ost's cut-over: held by a file that others may remove, and ended when it is taken back, however far it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alterd_contracts.strategy import Wanted
from alterd_executor.protocol import RunCompleted
from alterd_ghost import holding
from tests.integration.ghost_support import altering, filled, nothing_is_left, start
from tests.integration.vitess_support import Running
from tests.support import eventually
from tests.support.ghost import Gate
from tests.support.shop import Shop

PATIENT = "--cut-over-lock-timeout-seconds=10"
"""An attempt waits 20 s for the table."""


pytestmark = pytest.mark.usefixtures("gh_ost")


@contextmanager
def no_tables_made(shop: Shop) -> Iterator[None]:
    """Whoever makes a table waits; rows are written as ever."""
    with shop.session() as connection, connection.cursor() as cursor:
        cursor.execute("LOCK INSTANCE FOR BACKUP")
        yield


def waiting_to_make(shop: Shop) -> bool:
    return shop.run(
        f"SELECT COUNT(*) FROM performance_schema.processlist WHERE db = '{shop.schema}'"
        " AND state = 'Waiting for backup lock'"
    ) == [(1,)]


async def take_back(running: Running) -> None:
    running.attempt.permitted = 0
    await running.attempt.task.hear(Wanted(may_complete=False))


async def completes(shop: Shop, running: Running, workdir: Path) -> None:
    """A fresh attempt of a cut-over that was held until now."""
    await running.until_stage("ready to complete")
    assert (workdir / "postpone").exists()
    assert "c" not in shop.columns("item")
    await running.attempt.permit()
    assert isinstance(await running.ending(), RunCompleted), running.attempt.log()
    assert "c" in shop.columns("item")
    nothing_is_left(shop, running.attempt.record, workdir)


async def test_the_file_stays_young_and_comes_back(shop: Shop, tmp_path: Path, throttle: Gate) -> None:
    """Old files are removed from folders for temporary ones; gh-ost would cut over, and nobody was asked."""
    filled(shop)
    running = await start(shop, throttle, altering(shop), tmp_path, postponed=True)
    await running.until_stage("ready to complete")
    file = tmp_path / "postpone"
    os.utime(file, (0, 0))
    await eventually(lambda: file.stat().st_mtime > 0, 5)
    with shop.table_in_use("item"):
        for _ in range(3):  # gh-ost looks once a second, and does not see each of them
            file.unlink()
            await eventually(file.exists, 5)
        await eventually(lambda: shop.waiting_alters() == 0, 5)
    assert "was gone" in running.attempt.log()
    await completes(shop, running, tmp_path)


async def test_completion_is_taken_back_after_the_file_was_put_back(
    shop: Shop, tmp_path: Path, throttle: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holding, "BACK_AFTER", 2.0)
    filled(shop)
    running = await start(shop, throttle, altering(shop, options=PATIENT), tmp_path, postponed=True)
    await running.until_stage("ready to complete")
    with shop.table_in_use("item"):
        await running.attempt.permit(1)
        await eventually(lambda: "takes long" in running.attempt.log())
        assert shop.waiting_alters() == 1
        await take_back(running)
        await eventually(lambda: shop.waiting_alters() == 0, 5)
    assert "is taken back" in running.attempt.log()
    await completes(shop, running, tmp_path)


async def test_completion_is_taken_back_before_the_table_is_locked(shop: Shop, tmp_path: Path, throttle: Gate) -> None:
    """gh-ost has looked at the file for the last time, and has no lock that could be seen."""
    filled(shop)
    running = await start(shop, throttle, altering(shop, options=PATIENT), tmp_path, postponed=True)
    await running.until_stage("ready to complete")
    with no_tables_made(shop):
        await running.attempt.permit(1)
        await eventually(lambda: waiting_to_make(shop))
        await take_back(running)
        await eventually(lambda: "is taken back" in running.attempt.log())
        await running.until_stage("catching up")
    await completes(shop, running, tmp_path)
