"""A disk that gets full under gh-ost or pt-online-schema-change: the table is as it was, and can be written again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alterd_contracts.migration import Migration
from alterd_contracts.statement import StatementKind
from alterd_executor.protocol import Ending, RunFailed
from tests.integration.executor_support import Attempt, record_of
from tests.integration.ghost_support import nothing_is_left, whole
from tests.integration.ptosc_support import nothing_left
from tests.support.ghost import Gate
from tests.support.servers import shop_at, small_server
from tests.support.shop import Shop

pytestmark = pytest.mark.slow

ALTER = "ALTER TABLE item ADD COLUMN c INT NOT NULL DEFAULT 7, ADD INDEX by_a (a)"
ROWS = 4096


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    server = small_server(tmp_path_factory.mktemp("small"), "--innodb-file-per-table=OFF")
    server.start()
    try:
        yield shop_at(server.endpoint)
    finally:
        server.remove()


@pytest.fixture
def small(server: Shop) -> Iterator[Shop]:
    """A schema with a table that fits once on its disk, not twice."""
    with server.fresh() as shop:
        shop.run("CREATE TABLE item (id int AUTO_INCREMENT PRIMARY KEY, a int NOT NULL, pad varchar(4000))")
        shop.run("INSERT INTO item (a, pad) VALUES (1, REPEAT('x', 3500))")
        while shop.run("SELECT COUNT(*) FROM item") != [(ROWS,)]:
            shop.run("INSERT INTO item (a, pad) SELECT a, pad FROM item")
        shop.run("ANALYZE TABLE item")
        yield shop


def altering(shop: Shop, strategy: str, options: str) -> Migration:
    return record_of(shop, StatementKind.ALTER_TABLE, "item", ALTER, strategy=strategy, options=options)


def full(shop: Shop, ending: Ending) -> None:
    """It failed and says why; the table is as it was, and takes writes."""
    assert isinstance(ending, RunFailed), ending
    assert "is full" in ending.error.message
    assert shop.columns("item") == ["id", "a", "pad"]
    assert shop.run("SELECT COUNT(*), SUM(LENGTH(pad)) FROM item") == [(ROWS, ROWS * 3500)]
    shop.run("UPDATE item SET a = 2 WHERE id = 1")
    shop.run("DELETE FROM item WHERE id = 2")


@pytest.mark.usefixtures("gh_ost")
async def test_under_gh_ost(small: Shop, tmp_path: Path, throttle: Gate) -> None:
    record = altering(small, "gh-ost", "--chunk-size=100 --default-retries=2")
    _, ending = await whole(small, throttle, record, tmp_path / "run")
    full(small, ending)
    nothing_is_left(small, record, tmp_path / "run")


@pytest.mark.usefixtures("pt_osc")
async def test_under_pt_osc(small: Shop, tmp_path: Path) -> None:
    record = altering(small, "pt-osc", "--chunk-size=100")
    attempt = await Attempt.claim(small, record, tmp_path)
    ending = await attempt.run()
    await attempt.task.finish(None)
    full(small, ending)
    nothing_left(small, record, tmp_path)
