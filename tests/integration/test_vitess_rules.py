"""What others may do to the table while it is changed online: what is followed, and what ends the run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from pymysql.err import OperationalError

from alterd_executor.protocol import RunCompleted, RunFailed
from alterd_vitess import following, preparing
from alterd_vitess.gtid import GtidSet
from alterd_vitess.keys import Key, KeyColumn
from alterd_vitess.stream.errors import UnsafeChange
from tests.integration.executor_support import next_attempt
from tests.integration.vitess_stream_support import Xa, followed, run_all, watch_of
from tests.integration.vitess_support import Running, altering
from tests.support import eventually
from tests.support.shop import Shop

CHANGE = "ALTER TABLE item ADD c INT NOT NULL DEFAULT 7"
ROWS = 400
ITEM = Key(name="PRIMARY", columns=(KeyColumn(name="id", data_type="int"),))


@pytest.fixture
def item(shop: Shop) -> Shop:
    shop.run("CREATE TABLE item (id INT NOT NULL PRIMARY KEY, u INT, b VARCHAR(30), j JSON)")
    values = ",".join(f"({n}, {n}, 'row {n}', '{{\"a\": {n}}}')" for n in range(1, ROWS + 1))
    shop.run(f"INSERT INTO item VALUES {values}")
    shop.run("CREATE TABLE twin LIKE item")
    return shop


@pytest.fixture
def xa(item: Shop) -> Iterator[Xa]:
    made = Xa(item)
    yield made
    for row in item.run("XA RECOVER CONVERT XID"):
        if row[3].startswith("0x" + item.schema.encode().hex().upper()):
            made.finish("ROLLBACK")


async def waiting(shop: Shop, folder: Path, **more: object) -> Running:
    """An attempt that has copied all and waits for the word."""
    running = await Running.start(shop, altering(shop, CHANGE), folder, postponed=True, **more)
    await running.until_stage("ready to complete")
    return running


# What ends it --------------------------------------------------------------------------------------------------------

ENDS = {
    "TRUNCATE item": "names the table",
    "ALTER TABLE item ADD x INT": "names the table",
    "DROP TABLE item": "names the table",
    "RENAME TABLE item TO gone": "names the table",
    "RENAME TABLE twin TO gone, item TO twin": "names the table",
    "CREATE INDEX i ON item (u)": "names the table",
    "SET SESSION binlog_format = STATEMENT; UPDATE item SET u = 9": "logged as text",
    "SET SESSION binlog_format = STATEMENT; INSERT INTO twin SELECT * FROM item": "logged as text",
    "SET SESSION binlog_row_image = MINIMAL; UPDATE item SET u = 9": "without all of their columns",
    "SET SESSION binlog_row_image = NOBLOB; UPDATE item SET u = 9": "without all of their columns",
    "SET SESSION binlog_row_value_options = PARTIAL_JSON; UPDATE item SET j = JSON_SET(j, '$.a', 7)": "of JSON values",
}


@pytest.mark.parametrize(("statements", "said"), ENDS.items())
async def test_what_cannot_be_followed_ends_the_run(shop: Shop, tmp_path: Path, statements: str, said: str) -> None:
    shop.run("CREATE TABLE item (id INT NOT NULL PRIMARY KEY, u INT, b BLOB, j JSON)")
    shop.run("""INSERT INTO item VALUES (1, 1, 'x', '{"a": 5, "b": [1, 2, 3]}')""")
    shop.run("CREATE TABLE twin LIKE item")
    running = await waiting(shop, tmp_path)
    run_all(shop, *statements.split("; "))
    ending = await running.ending()
    assert isinstance(ending, RunFailed)
    assert ending.error.code == "unsafe_change"
    assert said in ending.error.message
    assert ending.error.hint
    assert ending.error.where["gtid"] in ending.error.message
    assert "item" not in shop.tables() or "c" not in shop.columns("item")


PARTITIONED = "PARTITION BY RANGE (id) (PARTITION low VALUES LESS THAN (200), PARTITION high VALUES LESS THAN MAXVALUE)"


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE parted EXCHANGE PARTITION low WITH TABLE item",
        "ALTER TABLE item EXCHANGE PARTITION low WITH TABLE parted",
        "ALTER TABLE item TRUNCATE PARTITION low",
    ],
)
async def test_rows_that_change_tables_end_the_stream(item: Shop, statement: str) -> None:
    """Without a row event; told at the stream, as it does not depend on what else the engine can do."""
    partitioned = "item" if statement.startswith("ALTER TABLE item") else "parted"
    item.run("CREATE TABLE parted LIKE item")
    item.run("DELETE FROM item WHERE id > 100")
    item.run(f"ALTER TABLE {partitioned} {PARTITIONED}")
    async with followed(item, watch_of(item, "item", ITEM)) as stream:
        item.run(statement)
        error = await stream.ending()
        assert isinstance(error, UnsafeChange)
        assert "a statement names the table" in error.message
        assert "EXCHANGE" in error.message or "TRUNCATE" in error.message


async def test_an_incident_ends_the_stream(item: Shop) -> None:
    """The server could not write events that belong into its binlog."""
    item.run("CREATE TABLE old (id INT PRIMARY KEY, b BLOB) ENGINE=MyISAM")
    item.run("SET GLOBAL max_binlog_stmt_cache_size = 4096")
    try:
        async with followed(item, watch_of(item, "item", ITEM)) as stream:
            with pytest.raises(OperationalError):
                item.run("INSERT INTO old SELECT id, REPEAT('x', 1000) FROM item")
            error = await stream.ending()
        assert isinstance(error, UnsafeChange)
        assert "an incident event" in error.message
    finally:
        item.run("SET GLOBAL max_binlog_stmt_cache_size = DEFAULT")


async def test_writes_without_binlog_are_not_seen(item: Shop) -> None:
    """Nothing can tell them from the binlog: the documents say so."""
    async with followed(item, watch_of(item, "item", ITEM)) as stream:
        run_all(item, "SET SESSION sql_log_bin = 0", "UPDATE item SET u = 0 WHERE id = 1")
        item.run("UPDATE item SET u = 0 WHERE id = 2")
        assert await stream.until_now() == ["id=2"]


async def test_binlogs_that_were_purged_while_nobody_read_them(item: Shop, tmp_path: Path) -> None:
    running = await waiting(item, tmp_path)
    record = running.attempt.record
    await running.vanish()
    item.run("UPDATE item SET u = 0 WHERE id = 1")
    item.run("FLUSH BINARY LOGS")
    item.run("PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY")
    ending = await (await Running.start(item, next_attempt(record), tmp_path)).ending()
    assert isinstance(ending, RunFailed)
    assert ending.error.code == "unsafe_change"
    assert "purged" in ending.error.message
    assert "submit the change again" in ending.error.hint
    assert "binlog_expire_logs_seconds" in ending.error.hint
    assert item.columns("item") == ["id", "u", "b", "j"]


# What is followed ----------------------------------------------------------------------------------------------------


async def test_what_is_followed(item: Shop, tmp_path: Path) -> None:
    running = await waiting(item, tmp_path)
    run_all(item, "SET SESSION binlog_transaction_compression = ON", "UPDATE item SET u = -1 WHERE id <= 100")
    run_all(item, "SET SESSION gtid_next = 'AUTOMATIC:tag'", "UPDATE item SET id = id + 1000 WHERE id = 7")
    run_all(item, "FLUSH BINARY LOGS", "DELETE FROM item WHERE id = 8")
    run_all(item, "CREATE TABLE made (id INT PRIMARY KEY) SELECT 1 AS id", "DROP TABLE made")
    run_all(item, "START TRANSACTION", "SAVEPOINT a", "DELETE FROM item", "ROLLBACK TO SAVEPOINT a", "COMMIT")
    await completed(item, running)
    assert item.run("SELECT COUNT(*), SUM(u = -1), SUM(c = 7) FROM item") == [(ROWS - 1, 99, ROWS - 1)]
    assert item.run("SELECT u FROM item WHERE id = 1007") == [(-1,)]


async def completed(shop: Shop, running: Running) -> None:
    """The new table is what the old one was."""
    await running.attempt.permit()
    ending = await running.ending()
    assert isinstance(ending, RunCompleted), ending
    [old] = [name for name in shop.tables() if name.startswith("_alterd_old")]
    columns = "id, u, b, CAST(j AS CHAR) AS j"
    for one, other in (("item", old), (old, "item")):
        assert shop.run(f"SELECT {columns} FROM {one} EXCEPT SELECT {columns} FROM {other}") == []


@pytest.mark.parametrize("how", ["COMMIT", "ROLLBACK"])
async def test_a_prepared_transaction_is_waited_for_and_followed(item: Shop, xa: Xa, tmp_path: Path, how: str) -> None:
    running = await waiting(item, tmp_path)
    xa.run(
        "UPDATE item SET u = 0 WHERE id = 1", "DELETE FROM item WHERE id = 2", "UPDATE item SET id = 999 WHERE id = 3"
    )
    item.run("UPDATE item SET u = 0 WHERE id = 4")
    await running.attempt.permit()
    await running.until_message("a prepared XA transaction holds item")
    xa.finish(how)
    await completed(item, running)
    assert item.run("SELECT u FROM item WHERE id IN (1, 4)") == [(0 if how == "COMMIT" else 1,), (0,)]
    assert item.run("SELECT COUNT(*) FROM item WHERE id = 999") == [(int(how == "COMMIT"),)]


@pytest.mark.parametrize("how", ["COMMIT", "ROLLBACK"])
async def test_an_attempt_that_is_resumed_reads_a_prepared_transaction_again(
    item: Shop, xa: Xa, tmp_path: Path, how: str
) -> None:
    running = await waiting(item, tmp_path)
    record = running.attempt.record
    xa.run("UPDATE item SET u = 0 WHERE id = 1")
    item.run("UPDATE item SET u = 0 WHERE id = 4")
    await checkpointed(item, record.migration_uuid)
    await running.vanish()
    record = next_attempt(record)
    second = await Running.start(item, record, tmp_path, postponed=True)
    await second.until_stage("ready to complete")
    await second.vanish()
    xa.finish(how)
    record = next_attempt(record)
    third = await Running.start(item, record, tmp_path, postponed=True)
    await third.until_stage("ready to complete")
    await completed(item, third)
    assert item.run("SELECT u FROM item WHERE id = 1") == [(0 if how == "COMMIT" else 1,)]


async def checkpointed(shop: Shop, uuid: str) -> None:
    """A checkpoint has passed everything but one transaction."""

    def gap() -> bool:
        sql = f"SELECT gtid_set FROM _alterd.checkpoints WHERE migration_uuid = '{uuid}' ORDER BY id DESC LIMIT 1"
        checkpoint = GtidSet.parse(shop.run(sql)[0][0])
        sid = str(shop.run("SELECT @@server_uuid")[0][0])
        return sum(interval[0] == sid for interval in checkpoint.intervals()) > 1

    await eventually(gap)


@pytest.mark.parametrize("point", ["stream.group_prepared", "stream.part_touched"])
async def test_a_run_that_dies_at_a_border_of_the_stream(
    item: Shop, xa: Xa, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    item.run("SET GLOBAL cte_max_recursion_depth = 1000000")
    item.run(
        "INSERT INTO item (id) WITH RECURSIVE n (i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)"
        " SELECT i FROM n"
    )
    running = await waiting(item, tmp_path)
    record = running.attempt.record
    monkeypatch.setattr(following, "failpoint", lambda name: name == point and running.task.cancel())
    if point == "stream.group_prepared":
        xa.run("UPDATE item SET u = 0")
    else:
        await asyncio.to_thread(item.run, "UPDATE item SET u = 0")
    await eventually(running.task.done)
    await running.vanish()
    monkeypatch.undo()
    second = await Running.start(item, next_attempt(record), tmp_path, postponed=True)
    await second.until_phase("catch-up")
    if point == "stream.group_prepared":
        xa.finish("COMMIT")
    await completed(item, second)
    assert item.run("SELECT COUNT(*) FROM item WHERE u <> 0 OR u IS NULL") == [(0,)]


async def test_a_checkpoint_that_the_primary_has_not_executed_is_no_use(
    item: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after the promotion of a replica that had committed out of order: the shadow has what the table never had."""
    monkeypatch.setattr(preparing, "EXECUTED_PATIENCE", 0.1)
    running = await waiting(item, tmp_path)
    record = running.attempt.record
    await running.vanish()
    [shadow] = [name for name in item.tables() if name.startswith("_alterd_shd")]
    item.run(f"UPDATE {shadow} SET b = 'never in the table' WHERE id = 7")
    lost = "99999999-9999-9999-9999-999999999999:1-3"
    whose = "`keyspace`, `shard`, `migration_uuid`, `first_attempt`, `attempt`"
    last = f"FROM _alterd.checkpoints WHERE migration_uuid = '{record.migration_uuid}' ORDER BY id DESC LIMIT 1"
    item.run(
        f"INSERT INTO _alterd.checkpoints ({whose}, gtid_set, created_at)"
        f" SELECT {whose}, CONCAT(gtid_set, ',{lost}'), created_at {last}"
    )
    again = await Running.start(item, next_attempt(record), tmp_path)
    assert isinstance(await again.ending(), RunCompleted)
    assert lost in again.attempt.log()
    assert "begins anew" in again.attempt.log()
    assert item.run("SELECT b, c FROM item WHERE id = 7") == [("row 7", 7)]
    assert item.run("SELECT COUNT(*) FROM item") == [(ROWS,)]
