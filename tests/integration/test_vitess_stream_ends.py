"""What ends a change stream, and that nothing else does."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import msgspec
import pytest

from alterd_contracts.errors import Interrupted, MigrationFailed, ShardUnreachable
from alterd_vitess.gtid import GtidSet
from alterd_vitess.keys import Key, KeyColumn
from alterd_vitess.stream.errors import StreamLost, StreamRefused, UnsafeChange
from alterd_vitess.stream.frames import LENGTH, packed_watch
from alterd_vitess.stream.stream import READER, ChangeStream
from tests.integration.vitess_stream_support import Xa, dumps, executed, followed, run_all, watch_of
from tests.support import eventually
from tests.support.servers import new_server, shop_at
from tests.support.shop import Shop

UNSAFE = {
    "TRUNCATE customer": "a statement names the table: TRUNCATE customer",
    "ALTER TABLE customer ADD COLUMN x INT": "a statement names the table",
    "RENAME TABLE customer TO gone": "a statement names the table",
    "DROP TABLE customer": "a statement names the table",
    "CREATE INDEX i ON customer (a)": "a statement names the table",
    "CREATE TRIGGER x BEFORE INSERT ON customer FOR EACH ROW SET NEW.a = 1": "a statement names the table",
    "CREATE TABLE child (c INT UNSIGNED, FOREIGN KEY (c) REFERENCES customer (id))": "a statement names the table",
    "SET SESSION binlog_row_image = MINIMAL; UPDATE customer SET a = 9 WHERE id = 1": "without all of their columns",
    "SET SESSION binlog_row_image = NOBLOB; UPDATE doc SET n = 9": "without all of their columns",
    "SET SESSION binlog_row_value_options = PARTIAL_JSON; UPDATE doc SET j = JSON_SET(j, '$.a', 7)": "of JSON values",
    "SET SESSION binlog_format = STATEMENT; UPDATE customer SET a = 9 WHERE id = 1": "logged as text: UPDATE customer",
    "SET SESSION binlog_format = STATEMENT; INSERT INTO other VALUES (1)": "logged as text: INSERT INTO other",
    "SET SESSION sql_log_bin = 0; ALTER TABLE customer ADD COLUMN x INT; SET SESSION sql_log_bin = 1;"
    " INSERT INTO customer (id) VALUES (9)": "the table was altered: it has 4 columns instead of 3",
    "SET SESSION sql_log_bin = 0; ALTER TABLE customer MODIFY id BIGINT; SET SESSION sql_log_bin = 1;"
    " INSERT INTO customer (id) VALUES (9)": "the table was altered: its column id has another type",
}


@pytest.mark.parametrize(("statements", "said"), UNSAFE.items())
async def test_changes_that_cannot_be_followed(shop: Shop, statements: str, said: str) -> None:
    run_all(
        shop,
        "CREATE TABLE doc (id INT UNSIGNED PRIMARY KEY, n INT, b BLOB, j JSON)",
        """INSERT INTO doc VALUES (1, 1, 'x', '{"a": 5, "b": [1, 2, 3]}')""",
        "CREATE TABLE other (id INT)",
    )
    table = "doc" if " doc " in statements else "customer"
    async with followed(shop, watch_of(shop, table)) as stream:
        shop.run(f"INSERT INTO {table} (id) VALUES (7)")
        assert await stream.until_now() == ["id=7"]
        run_all(shop, *statements.split("; "))
        error = await stream.ending()
        assert isinstance(error, UnsafeChange)
        assert isinstance(error, MigrationFailed)
        assert not error.retryable
        assert said in error.message
        assert error.where["table"] == f"`{shop.schema}`.`{table}`"
        assert f"in transaction {error.where['gtid']}" in error.message
        assert error.hint
        with pytest.raises(UnsafeChange):  # it stays so
            await anext(stream.stream)


async def test_the_same_by_others_to_other_schemas_is_passed_over(shop: Shop, mysql_primary: Shop) -> None:
    with mysql_primary.fresh() as neighbour:
        neighbour.run("ALTER TABLE customer ADD COLUMN j JSON")
        async with followed(shop) as stream:
            run_all(
                neighbour,
                "SET SESSION binlog_row_image = MINIMAL, binlog_row_value_options = PARTIAL_JSON",
                """UPDATE customer SET j = '{"a": 1}'""",
                "UPDATE customer SET j = JSON_SET(j, '$.a', 7)",
                "SET SESSION binlog_format = STATEMENT",
                "UPDATE customer SET a = 3",
                "TRUNCATE customer",
                "DROP TABLE customer",
            )
            shop.run("INSERT INTO customer (id) VALUES (7)")
            assert await stream.until_now() == ["id=7"]


async def test_the_schema_is_dropped(mysql_primary: Shop) -> None:
    with mysql_primary.fresh() as shop:
        async with followed(shop) as stream:
            shop.run(f"DROP SCHEMA {shop.schema}")
            assert "its schema was dropped: DROP SCHEMA" in str(await stream.ending())
        mysql_primary.run(f"CREATE SCHEMA {shop.schema}")  # for the fixture to drop


async def test_a_lost_dump_goes_on_where_it_ended(shop: Shop) -> None:
    touched: list[tuple[str, int, int]] = []
    start = executed(shop)
    received = start.copy()
    with shop.session() as connection, connection.cursor() as cursor:
        for number in range(4):
            async with followed(shop, watch_of(shop, start=str(received))) as stream:
                for row in range(20):
                    cursor.execute(f"INSERT INTO customer (id) VALUES ({100 * number + row + 10})")
                await stream.next()
                for dump in dumps(shop):
                    cursor.execute(f"KILL {dump}")
                cursor.execute(f"UPDATE customer SET a = {number} WHERE id = 1")
                error = await stream.ending()
                assert isinstance(error, StreamLost)
                assert isinstance(error, Interrupted)
                assert error.retryable
                assert error.code == "stream_lost"
                touched += [interval for frame in stream.frames for interval in frame.touching]
                received = stream.stream.received
    async with followed(shop, watch_of(shop, start=str(received))) as stream:
        await stream.until_now()
        touched += [interval for frame in stream.frames for interval in frame.touching]
    seen = [(sid, gno) for sid, first, last in touched for gno in range(first, last + 1)]
    assert len(seen) == len(set(seen)), "no transaction came twice"
    whole = GtidSet()
    for interval in touched:
        whole.add(*interval)
    assert whole == executed(shop).minus(start)


async def test_binlogs_that_are_gone(shop: Shop) -> None:
    shop.run("FLUSH BINARY LOGS")
    shop.run("PURGE BINARY LOGS BEFORE NOW() + INTERVAL 1 DAY")
    with pytest.raises(UnsafeChange, match="purged") as caught:
        await ChangeStream.open(watch_of(shop, start=""))
    assert "binlog_expire_logs_seconds" in caught.value.hint


async def test_a_start_that_this_server_has_not_reached(shop: Shop) -> None:
    beyond = executed(shop)
    beyond.add(str(shop.run("SELECT @@server_uuid")[0][0]), 10**9, 10**9)
    with pytest.raises(UnsafeChange, match="MySQL error 1236"):
        await ChangeStream.open(watch_of(shop, start=str(beyond)))


async def test_a_server_that_dies(tmp_path: Path) -> None:
    server = new_server(tmp_path / "server")
    server.start()
    try:
        with shop_at(server.endpoint).fresh() as shop:
            Xa(shop).run("INSERT INTO customer (id) VALUES (10)")
            server.kill()
            server.start()
            with pytest.raises(UnsafeChange, match="a prepared XA transaction has changed"):
                await ChangeStream.open(watch_of(shop))
            Xa(shop).finish("ROLLBACK")
            async with followed(shop) as stream:
                shop.run("INSERT INTO customer (id) VALUES (11)")
                assert await stream.until_now() == ["id=11"]
                server.kill()
                assert isinstance(await stream.ending(), StreamLost)
            server.start()
            shop.run("INSERT INTO customer (id) VALUES (12)")
            async with followed(shop, watch_of(shop, start=str(stream.stream.received))) as stream:
                assert await stream.until_now() == ["id=12"]
                Xa(shop).run("INSERT INTO customer (id) VALUES (13)")
                assert await stream.until_now() == []
                server.kill()
                assert isinstance(await stream.ending(), StreamLost)
            server.start()
            async with followed(shop, watch_of(shop, start=str(stream.stream.received), fresh=False)) as stream:
                Xa(shop).finish("COMMIT")
                assert await stream.until_now() == ["id=13"], "in a later file than the rows"
    finally:
        server.remove()


async def test_open_transactions_do_not_disturb_the_beginning(shop: Shop) -> None:
    with shop.session() as connection, connection.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        cursor.execute("INSERT INTO customer (id) VALUES (10)")
        async with followed(shop) as stream:
            cursor.execute("COMMIT")
            assert await stream.until_now() == ["id=10"]


async def test_readers_with_one_number_leave_each_other_alone(shop: Shop) -> None:
    watch = watch_of(shop, server_id=77)
    async with followed(shop, watch) as one, followed(shop, watch) as two:
        shop.run("INSERT INTO customer (id) VALUES (10)")
        assert await one.until_now() == ["id=10"]
        assert await two.until_now() == ["id=10"]


async def test_tables_and_columns_that_are_not_there(shop: Shop) -> None:
    with pytest.raises(UnsafeChange, match=r"the table `\w+`.`gone` does not exist"):
        await ChangeStream.open(watch_of(shop, "gone"))
    key = Key(name="k", columns=(KeyColumn(name="ID", data_type="int"), KeyColumn(name="nr", data_type="int")))
    with pytest.raises(UnsafeChange, match="has no column nr"):
        await ChangeStream.open(watch_of(shop, key=key))


async def test_accounts_that_may_not_read_the_binlog(shop: Shop) -> None:
    with pytest.raises(ShardUnreachable) as caught:
        await ChangeStream.open(watch_of(shop, password="pssst-wrong"))
    assert "pssst" not in f"{caught.value!r} {caught.value.hint} {caught.value.where}"
    user = f"u_{shop.schema[-8:]}"
    run_all(
        shop,
        f"CREATE USER {user}@'%' IDENTIFIED BY 'pssst-Right1'",
        f"GRANT SELECT ON {shop.schema}.* TO {user}@'%'",
    )
    try:
        with pytest.raises(StreamRefused, match="setup_instruments") as refused:
            await ChangeStream.open(watch_of(shop, user=user, password="pssst-Right1"))
        assert "performance_schema" in refused.value.hint
        shop.run(f"GRANT SELECT ON performance_schema.* TO {user}@'%'")
        with pytest.raises(StreamRefused, match="does not send its binlog") as refused:
            await ChangeStream.open(watch_of(shop, user=user, password="pssst-Right1"))
        assert "REPLICATION SLAVE" in refused.value.hint
    finally:
        shop.run(f"DROP USER {user}@'%'")


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_a_killed_reader_is_a_lost_stream(shop: Shop) -> None:
    async with followed(shop) as stream:
        shop.run("INSERT INTO customer (id) VALUES (10)")
        await stream.until_now()
        os.kill(stream.stream.pid, signal.SIGKILL)
        error = await stream.ending()
        assert isinstance(error, StreamLost)
        assert "its reader ended: killed by signal 9" in error.message


async def test_closing_ends_the_process_and_whoever_waits(shop: Shop) -> None:
    stream = await ChangeStream.open(watch_of(shop))
    waiting = asyncio.create_task(anext(stream))
    await asyncio.sleep(0)
    await asyncio.gather(stream.close(), stream.close())
    await stream.close()
    assert not lives(stream.pid)
    with pytest.raises(StreamLost):
        await waiting
    with pytest.raises(StreamLost, match="it was closed"):
        await anext(stream)
    await eventually(lambda: not dumps(shop))


async def test_the_password_is_on_no_command_line(shop: Shop) -> None:
    watch = watch_of(shop)
    assert shop.password not in repr(watch)
    async with followed(shop, watch) as stream:
        place = Path(f"/proc/{stream.stream.pid}")
        told = (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
        assert shop.password.encode() not in told
        assert len(dumps(shop)) == 1


PARENT = """
import asyncio, sys
from alterd_vitess.stream.frames import unpacked_watch
from alterd_vitess.stream.stream import ChangeStream

async def main():
    stream = await ChangeStream.open(unpacked_watch(sys.stdin.buffer.read()))
    print(stream.pid, flush=True)
    async for _ in stream:
        pass

asyncio.run(main())
"""


async def test_a_reader_ends_with_its_parent(shop: Shop) -> None:
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", PARENT, stdin=PIPE, stdout=PIPE)
    assert parent.stdin is not None
    assert parent.stdout is not None
    parent.stdin.write(msgspec.json.encode(watch_of(shop)))
    parent.stdin.close()
    reader = int(await parent.stdout.readline())
    assert len(dumps(shop)) == 1
    parent.kill()
    await parent.communicate()
    await eventually(lambda: not lives(reader))
    await eventually(lambda: not dumps(shop))


async def test_a_reader_ends_with_its_stdin(shop: Shop) -> None:
    arguments = [sys.executable, "-m", READER, "--parent", str(os.getpid())]
    reader = await asyncio.create_subprocess_exec(*arguments, stdin=PIPE, stdout=PIPE)
    assert reader.stdin is not None
    assert reader.stdout is not None
    reader.stdin.write(packed_watch(watch_of(shop)))
    (length,) = LENGTH.unpack(await reader.stdout.readexactly(LENGTH.size))
    assert b"opened" in await reader.stdout.readexactly(length)
    reader.stdin.close()
    await asyncio.wait_for(reader.communicate(), 10)
    assert reader.returncode == 3
