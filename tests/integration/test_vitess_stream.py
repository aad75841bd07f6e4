"""What a change stream brings, whatever sessions do."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator

import pytest
from pymysqlreplication import BinLogStreamReader  # type: ignore[import-untyped]
from pymysqlreplication.row_event import (  # type: ignore[import-untyped]
    DeleteRowsEvent,
    UpdateRowsEvent,
    WriteRowsEvent,
)

from alterd_vitess.gtid import GtidSet
from alterd_vitess.keys import Key, KeyColumn
from tests.integration.vitess_stream_support import ID, MARKER, followed, run_all, watch_of
from tests.support.shop import Shop


async def test_keys_of_inserts_updates_and_deletes(shop: Shop) -> None:
    async with followed(shop) as stream:
        shop.run("INSERT INTO customer (id, a) VALUES (10, 1), (11, 1), (4294967295, 1)")
        assert await stream.until_now() == ["id=10", "id=11", "id=4294967295"]
        shop.run("UPDATE customer SET a = 2 WHERE id = 10")
        assert await stream.until_now() == ["id=10"]
        shop.run("UPDATE customer SET id = 20 WHERE id = 11")
        assert await stream.until_now() == ["id=11", "id=20"]
        shop.run("DELETE FROM customer WHERE id IN (10, 20)")
        assert await stream.until_now() == ["id=10", "id=20"]
        assert [frame.rows for frame in stream.frames] == [3, 1, 1, 2]
        assert all(frame.touching == frame.gtids for frame in stream.frames)


async def test_other_tables_count_as_received_only(shop: Shop) -> None:
    shop.run("CREATE TABLE other LIKE customer")
    async with followed(shop) as stream:
        shop.run("INSERT INTO other VALUES (1, 1, 'x')")
        shop.run("CREATE TABLE third (customer INT PRIMARY KEY) SELECT 1 AS customer")
        shop.run("ALTER TABLE third ADD COLUMN x INT")
        shop.run("CREATE OR REPLACE VIEW v AS SELECT * FROM customer")
        shop.run("CREATE TABLE IF NOT EXISTS customer (x INT)")
        shop.run("CREATE TABLE fourth LIKE customer")
        shop.run("ANALYZE TABLE customer")
        shop.run("DROP TABLE third, fourth")
        shop.run(f"{MARKER} ALTER TABLE customer COMMENT 'ours'")
        assert await stream.until_now() == []
        assert all(not frame.touching and not frame.rows for frame in stream.frames)
        shop.run("INSERT INTO customer (id) VALUES (77)")
        assert await stream.until_now() == ["id=77"]


async def test_many_small_transactions_are_merged(shop: Shop) -> None:
    watch = watch_of(shop)
    run_all(shop, *(f"UPDATE customer SET a = {n} WHERE id = {n % 3 + 1}" for n in range(300)))
    async with followed(shop, watch) as stream:
        assert await stream.until_now() == ["id=1", "id=2", "id=3"]
        assert len(stream.frames) < 50
        assert sum(frame.rows for frame in stream.frames) == 300


async def test_a_transaction_comes_whole_and_savepoints_are_undone(shop: Shop) -> None:
    async with followed(shop) as stream:
        run_all(
            shop,
            "START TRANSACTION",
            "INSERT INTO customer (id) VALUES (10)",
            "SAVEPOINT a",
            "INSERT INTO customer (id) VALUES (11)",
            "ROLLBACK TO SAVEPOINT a",
            "SAVEPOINT b",
            "INSERT INTO customer (id) VALUES (12)",
            "RELEASE SAVEPOINT b",
            "COMMIT",
        )
        assert {"id=10", "id=12"} <= set(await stream.until_now())
        assert len(stream.frames) == 1
        run_all(shop, "START TRANSACTION", "INSERT INTO customer (id) VALUES (13)", "ROLLBACK")
        shop.run("INSERT INTO customer (id) VALUES (14)")
        assert await stream.until_now() == ["id=14"]


async def test_compressed_transactions(shop: Shop) -> None:
    async with followed(shop) as stream:
        compress = "SET SESSION binlog_transaction_compression = ON"
        many = ", ".join(f"({n}, '{'x' * (n % 40)}')" for n in range(100, 2100))
        run_all(shop, compress, f"INSERT INTO customer (id, name) VALUES {many}", "DELETE FROM customer WHERE id = 2")
        assert await stream.until_now() == sorted(f"id={n}" for n in (2, *range(100, 2100)))
        shop.run("UPDATE customer SET a = 1 WHERE id = 3")
        assert await stream.until_now() == ["id=3"]


async def test_tagged_gtids(shop: Shop) -> None:
    async with followed(shop) as stream:
        tagged = "SET SESSION gtid_next = 'AUTOMATIC:my_tag'"
        run_all(shop, tagged, "INSERT INTO customer (id) VALUES (10)", "INSERT INTO customer (id) VALUES (11)")
        shop.run("INSERT INTO customer (id) VALUES (12)")
        assert await stream.until_now() == ["id=10", "id=11", "id=12"]
        shop.run("FLUSH BINARY LOGS")
        run_all(shop, tagged, "INSERT INTO customer (id) VALUES (13)")
        assert await stream.until_now() == ["id=13"]
        start = str(stream.stream.received)
    assert ":my_tag:" in start
    run_all(shop, tagged, "INSERT INTO customer (id) VALUES (14)")
    async with followed(shop, watch_of(shop, start=start)) as stream:
        assert await stream.until_now() == ["id=14"], "a set with tags is where a stream may start"


async def test_binlogs_that_rotate_and_change_their_checksums(shop: Shop) -> None:
    async with followed(shop) as stream:
        for number, statement in enumerate(
            (
                "FLUSH BINARY LOGS",
                "SET GLOBAL binlog_checksum = NONE",
                "FLUSH BINARY LOGS",
                "SET GLOBAL binlog_checksum = CRC32",
            ),
            start=10,
        ):
            shop.run(f"INSERT INTO customer (id) VALUES ({number})")
            shop.run(statement)
            shop.run(f"UPDATE customer SET a = 5 WHERE id = {number}")
            assert await stream.until_now() == [f"id={number}"]
            assert sum(frame.rows for frame in stream.frames) == 2 * (number - 9)


@pytest.fixture
def full_metadata(shop: Shop) -> Iterator[None]:
    """The binlog has the names of columns."""
    before = shop.run("SELECT @@global.binlog_row_metadata")[0][0]
    shop.run("SET GLOBAL binlog_row_metadata = FULL")
    yield
    shop.run(f"SET GLOBAL binlog_row_metadata = {before}")


@pytest.mark.usefixtures("full_metadata")
async def test_full_metadata_of_rows_does_not_disturb(shop: Shop) -> None:
    async with followed(shop) as stream:
        run_all(shop, "INSERT INTO customer (id) VALUES (10)", "UPDATE customer SET id = 11 WHERE id = 10")
        assert await stream.until_now() == ["id=10", "id=11"]


async def test_events_of_more_than_a_packet(shop: Shop) -> None:
    shop.run("CREATE TABLE big (b LONGBLOB, id INT UNSIGNED PRIMARY KEY)")
    async with followed(shop, watch_of(shop, "big")) as stream:
        shop.run("INSERT INTO big VALUES (REPEAT('x', 17 * 1024 * 1024), 5), (REPEAT('y', 9), 6)")
        shop.run("UPDATE big SET id = 7 WHERE id = 5")
        shop.run("INSERT INTO big VALUES ('', 8)")
        assert await stream.until_now() == ["id=5", "id=6", "id=7", "id=8"]


async def test_columns_that_are_hidden_invisible_or_generated_and_partitions(shop: Shop) -> None:
    shop.run(
        "CREATE TABLE odd (g INT AS (a + 1) VIRTUAL, a INT, s INT AS (a + 2) STORED, i INT INVISIBLE DEFAULT 3,"
        " j JSON, n VARCHAR(300), id INT UNSIGNED, KEY f ((a * 2)), KEY m ((CAST(j->'$.x' AS UNSIGNED ARRAY))),"
        " PRIMARY KEY (id)) PARTITION BY HASH (id) PARTITIONS 3"
    )
    shop.run("ALTER TABLE odd ADD COLUMN late INT, ADD KEY f2 ((CONCAT(n, 'x')))")
    async with followed(shop, watch_of(shop, "odd")) as stream:
        shop.run("""INSERT INTO odd (a, j, n, id) VALUES (1, '{"x": [1, 2]}', 'n', 5), (NULL, NULL, NULL, 6)""")
        shop.run("UPDATE odd SET a = 7, id = id + 10")
        assert await stream.until_now() == ["id=15", "id=16", "id=5", "id=6"]


async def test_an_invisible_key_that_the_server_made(shop: Shop) -> None:
    run_all(shop, "SET SESSION sql_generate_invisible_primary_key = ON", "CREATE TABLE bare (a INT)")
    key = Key(name="PRIMARY", columns=(KeyColumn(name="my_row_id", data_type="bigint", unsigned=True),))
    shop.run("SET GLOBAL show_gipk_in_create_table_and_information_schema = OFF")
    try:
        async with followed(shop, watch_of(shop, "bare", key)) as stream:
            shop.run("INSERT INTO bare VALUES (5), (6)")
            assert await stream.until_now() == ["my_row_id=1", "my_row_id=2"]
    finally:
        shop.run("SET GLOBAL show_gipk_in_create_table_and_information_schema = ON")


async def test_a_wait_that_is_cancelled_loses_nothing(shop: Shop) -> None:
    async with followed(shop) as stream:
        seen: list[bytes] = []
        with shop.session() as connection, connection.cursor() as cursor:
            for number in range(10, 60):
                cursor.execute(f"INSERT INTO customer (id) VALUES ({number})")
                try:
                    frame = await asyncio.wait_for(anext(stream.stream), random.choice([0, 0.0005, 0.003]))
                    seen += frame.keys
                except TimeoutError:
                    continue
        await stream.until_now()
        seen += [key for frame in stream.frames for key in frame.keys]
        assert sorted(seen) == [ID.of_row([number]) for number in range(10, 60)]


@pytest.mark.parametrize(
    ("schema", "table", "charset"), [("straße", "größe", "latin1"), ("表", "表", "gbk"), ("a`b", "x\"y'z", "utf8mb4")]
)
async def test_names_of_all_kinds(shop: Shop, schema: str, table: str, charset: str) -> None:
    in_quotes = f"`{schema.replace('`', '``')}`"
    run_all(shop, f"CREATE SCHEMA {in_quotes}", f"CREATE TABLE {in_quotes}.`{table}` (id INT UNSIGNED PRIMARY KEY)")
    try:
        async with followed(shop, watch_of(shop, table, table_schema=schema)) as stream:
            shop.run(f"INSERT INTO {in_quotes}.`{table}` VALUES (4)")
            assert await stream.until_now() == ["id=4"]
            with shop.session() as connection, connection.cursor() as cursor:
                connection.set_character_set(charset)
                cursor.execute(f"ALTER TABLE {in_quotes}.`{table}` ADD COLUMN x INT")
            assert "a statement names the table" in str(await stream.ending())
    finally:
        shop.run(f"DROP SCHEMA {in_quotes}")


COLUMNS: dict[str, list[str]] = {
    "TINYINT": ["-5", "127"], "SMALLINT": ["-300"], "MEDIUMINT": ["70000"], "INT": ["-1"], "BIGINT": ["1234567890123"],
    "TINYINT UNSIGNED": ["255"], "BIGINT UNSIGNED": ["18446744073709551615"], "BOOL": ["1"], "FLOAT": ["1.5"],
    "DOUBLE": ["-2.25"], "DECIMAL(1,0)": ["7"], "DECIMAL(30,10)": ["-12345678901234567890.0123456789"],
    "DECIMAL(65,30)": ["1"], "BIT(1)": ["b'1'"], "BIT(17)": ["b'101'"], "BIT(64)": ["1"], "DATE": ["'2020-02-29'"],
    "YEAR": ["2024"], "TIME": ["'-10:11:12'"], "TIME(1)": ["'1:2:3.4'"], "TIME(6)": ["'838:59:58.999999'"],
    "DATETIME": ["'2020-01-01 01:01:01'"], "DATETIME(3)": ["'9999-12-31 23:59:59.999'"], "DATETIME(5)": ["'1000-1-1'"],
    "TIMESTAMP NULL": ["'2020-01-01 01:01:01'"], "TIMESTAMP(2) NULL": ["'2020-01-01'"], "TIMESTAMP(6) NULL": ["NOW(6)"],
    "CHAR(3)": ["'ab'"], "CHAR(255)": ["'ß'", "'🙂'"], "CHAR(200) CHARACTER SET latin1": ["REPEAT('a', 200)"],
    "VARCHAR(10)": ["''", "'größe'"], "VARCHAR(2000)": ["REPEAT('x', 1999)", "'x'"], "BINARY(3)": ["0x0100"],
    "VARBINARY(600)": ["0x0001", "REPEAT('z', 599)"], "TINYTEXT": ["'t'"], "TEXT": ["REPEAT('t', 999)"],
    "MEDIUMTEXT": ["REPEAT('m', 9)"], "LONGTEXT": ["REPEAT('l', 70000)", "'l'"], "TINYBLOB": ["0x00"],
    "BLOB": ["REPEAT('b', 300)"], "MEDIUMBLOB": ["'b'"], "LONGBLOB": ["''"], "ENUM('a','b')": ["'b'"],
    "SET('a','b','c','d','e','f','g','h','i')": ["'a,i'", "''"], "JSON": ["'{\"a\": [1, 2, {}]}'"],
    "GEOMETRY": ["ST_GeomFromText('LINESTRING(0 0, 1 1)')"], "POINT": ["POINT(1, 2)"],
}  # fmt: skip


WIDE = Key(
    name="PRIMARY",
    columns=(
        KeyColumn(name="id", data_type="int", unsigned=True),
        KeyColumn(name="k", data_type="varbinary", length=9),
    ),
)


class Wide:
    """A table with columns of every type before its key; remembers which keys were written."""

    def __init__(self, shop: Shop, *more: str) -> None:
        self._shop, self._random = shop, random.Random(11)
        self._columns = {kind: COLUMNS.get(kind, ["NULL"]) for kind in (*COLUMNS, *more)}
        self._names = [f"c{number}" for number in range(len(self._columns))]
        definitions = ", ".join(f"{name} {kind}" for name, kind in zip(self._names, self._columns, strict=True))
        shop.run(
            f"CREATE TABLE wide ({definitions}, v INT AS (c0 + 1) VIRTUAL, s INT AS (c0 + 1) STORED,"
            " id INT UNSIGNED NOT NULL, k VARBINARY(9) NOT NULL, PRIMARY KEY (id, k))"
        )
        self.keys: set[str] = set()

    def fill(self, first: int, last: int) -> None:
        run_all(self._shop, *(self._insert(number) for number in range(first, last)))

    def _insert(self, number: int) -> str:
        values = [
            "NULL" if self._random.random() < 0.4 else self._random.choice(some) for some in self._columns.values()
        ]
        k = self._random.randbytes(self._random.randint(0, 9)).hex()
        self.keys.add(f"id={number}, k=0x{k}")
        return f"INSERT INTO wide ({', '.join(self._names)}, id, k) VALUES ({', '.join(values)}, {number}, X'{k}')"

    def move(self) -> None:
        self._shop.run("UPDATE wide SET id = id + 1000, c0 = 3")
        self.keys |= {key.replace("id=", "id=1", 1) for key in self.keys}


async def test_keys_behind_columns_of_every_type(shop: Shop) -> None:
    vectors = int(shop.run("SELECT @@version")[0][0].split(".")[0]) >= 9
    wide = Wide(shop, *(["VECTOR(3)"] if vectors else []))
    assert len(COLUMNS) >= 45
    async with followed(shop, watch_of(shop, "wide", WIDE)) as stream:
        wide.fill(100, 180)
        wide.move()
        assert await stream.until_now() == sorted(wide.keys)
        assert sum(frame.rows for frame in stream.frames) == 160


@pytest.mark.usefixtures("full_metadata")
@pytest.mark.filterwarnings("ignore:'db' is deprecated:DeprecationWarning")  # the library's own
async def test_another_library_reads_the_same_keys(shop: Shop) -> None:
    wide = Wide(shop)
    file, position, *_ = shop.run("SHOW BINARY LOG STATUS")[0]
    async with followed(shop, watch_of(shop, "wide", WIDE)) as stream:
        wide.fill(100, 130)
        wide.move()
        shop.run("DELETE FROM wide WHERE id > 1110")
        ours = await stream.until_now()
    assert {key.partition(",")[0] for key in ours} == {
        f"id={number}" for number in ids_by_library(shop, file, position)
    }


def ids_by_library(shop: Shop, file: str, position: int) -> set[int]:
    """Of all rows that mysql-replication finds in ``wide``."""
    host, _, port = shop.servers[0].rpartition(":")
    reader = BinLogStreamReader(
        connection_settings={"host": host, "port": int(port), "user": shop.user, "password": shop.password},
        server_id=random.randrange(2**31, 2**32),
        log_file=file,
        log_pos=position,
        resume_stream=True,
        only_events=[WriteRowsEvent, UpdateRowsEvent, DeleteRowsEvent],
        only_schemas=[shop.schema],
        only_tables=["wide"],
    )
    found: set[int] = set()
    try:
        for event in reader:
            for row in event.rows:
                for image in ("values", "before_values", "after_values"):
                    if image in row:
                        found.add(row[image]["id"])
    finally:
        reader.close()
    return found


def some_set(source: random.Random) -> GtidSet:
    found = GtidSet()
    for _ in range(source.randint(0, 12)):
        first = source.randint(1, 30)
        sid = source.choice(["3e11fa47-71ca-11e1-9e33-c80aa9429562", "89268ef3-e57a-11f1-a0b0-02fc00000001"])
        found.add(sid + source.choice(["", "", ":a", ":tag_1"]), first, first + source.randint(0, 5))
    return found


def test_sets_of_gtids_are_the_servers(shop: Shop) -> None:
    source = random.Random(3)
    with shop.session() as connection, connection.cursor() as cursor:
        for _ in range(150):
            left, right = some_set(source), some_set(source)
            cursor.execute("SELECT GTID_SUBTRACT(%s, %s), GTID_SUBSET(%s, %s), GTID_SUBTRACT(%s, '')", [
                str(left), str(right), str(right), str(left), str(left).upper().replace(",", " ,\n"),
            ])  # fmt: skip
            difference, subset, same = cursor.fetchone()
            assert difference.replace("\n", "") == str(left.minus(right))
            assert bool(subset) == left.contains(right)
            assert same.replace("\n", "") == str(left)
