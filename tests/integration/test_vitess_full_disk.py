"""Disks: one that is full all the same, and one of a table's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from alterd_executor.protocol import RunCompleted, RunFailed
from alterd_runtime.mysql.tables import read_table
from alterd_runtime.settings import VitessSettings
from alterd_vitess.disk import look
from tests.integration.executor_support import Attempt, run, session
from tests.integration.vitess_support import altering
from tests.support.servers import shop_at, small_server
from tests.support.shop import Shop


class Small:
    """A small server, and a folder of its own for other tables."""

    def __init__(self, home: Path) -> None:
        self.elsewhere = home / "elsewhere"
        self.elsewhere.mkdir()
        self.server = small_server(home / "server", f"--innodb-directories={self.elsewhere}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Small]:
    server = Small(tmp_path_factory.mktemp("small"))
    server.server.start()
    try:
        yield server
    finally:
        server.server.remove()


@pytest.fixture
def small(server: Small) -> Iterator[Shop]:
    with shop_at(server.server.endpoint).fresh() as shop:
        yield shop


async def test_a_disk_that_is_full_in_the_middle_of_the_copy(small: Shop, tmp_path: Path) -> None:
    small.run(
        "CREATE TABLE item (id int AUTO_INCREMENT PRIMARY KEY, a int NOT NULL, pad varchar(4000))"
        " TABLESPACE innodb_system"
    )
    small.run("INSERT INTO item (a, pad) VALUES (1, REPEAT('x', 3500))")
    for _ in range(12):
        small.run("INSERT INTO item (a, pad) SELECT a, pad FROM item")
    [(before,)] = small.run("SELECT COUNT(*) FROM item")
    attempt = await Attempt.claim(small, altering(small), tmp_path)
    ending = await attempt.run()
    assert isinstance(ending, RunFailed)
    assert "1114" in ending.error.message
    assert "is full" in ending.error.message
    assert small.run("SELECT COUNT(*) FROM item") == [(before,)]
    assert small.columns("item") == ["id", "a", "pad"]
    small.run("DELETE FROM item WHERE id = 1")
    [(listed,)] = small.run("SELECT COUNT(*) FROM _alterd.artifacts WHERE kind = 'shd' AND collected_at IS NULL")
    assert listed == 1


async def test_a_table_on_another_disk_stays_there_and_that_disk_is_asked(
    server: Small, small: Shop, tmp_path: Path
) -> None:
    small.run(f"CREATE TABLE item (id int PRIMARY KEY, a int NOT NULL) DATA DIRECTORY='{server.elsewhere}'")
    small.run("INSERT INTO item VALUES (1, 1)")
    async with session(small) as opened:
        table = await read_table(opened, small.schema, "item")
        [(_, text)] = small.run("SHOW CREATE TABLE item")
        assert table is not None
        room = await look(opened, small.schema, table, table, str(text), VitessSettings())
    assert isinstance(room, list)
    assert Path(room[0].path) == server.elsewhere
    ending = await run(small, altering(small), tmp_path)
    assert isinstance(ending, RunCompleted), ending
    [(_, text)] = small.run("SHOW CREATE TABLE item")
    assert f"DATA DIRECTORY='{server.elsewhere}" in str(text)
    assert "`c` int" in str(text)
