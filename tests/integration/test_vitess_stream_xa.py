"""XA transactions in the change stream: what they touched is told when it can be read."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator

import pymysql
import pytest

from alterd_vitess.stream import transactions
from alterd_vitess.stream.errors import UnsafeChange
from alterd_vitess.stream.stream import ChangeStream
from tests.integration.vitess_stream_support import Xa, dumps, executed, followed, run_all, watch_of
from tests.support import eventually
from tests.support.shop import Shop


@pytest.fixture
def several(shop: Shop) -> Iterator[list[Xa]]:
    made = [Xa(shop, f"b{number},7") for number in range(3)]  # the server compares the parts, not the number
    yield made
    for one in made:
        with contextlib.suppress(pymysql.MySQLError):  # nothing is prepared any more where all went well
            one.finish("ROLLBACK")


@pytest.fixture
def xa(several: list[Xa]) -> Xa:
    return several[0]


@pytest.mark.parametrize("compression", ["ON", "OFF"])
async def test_xa_elsewhere_and_in_one_phase_is_fine(shop: Shop, xa: Xa, compression: str) -> None:
    shop.run("CREATE TABLE other LIKE customer")
    before = f"SET SESSION binlog_transaction_compression = {compression}"
    async with followed(shop) as stream:
        xa.run("INSERT INTO customer (id) VALUES (10)", end="COMMIT {} ONE PHASE", before=before)
        assert await stream.until_now() == ["id=10"]
        for how in ("COMMIT", "ROLLBACK"):
            xa.run("INSERT INTO other (id) VALUES (10)", before=before)
            assert await stream.until_now() == []
            xa.finish(how)
            assert await stream.until_now() == []
            shop.run("DELETE FROM other")
        shop.run("INSERT INTO customer (id) VALUES (11)")
        assert await stream.until_now() == ["id=11"]


async def test_xa_that_was_prepared_before_the_stream_began(shop: Shop, xa: Xa) -> None:
    shop.run("CREATE TABLE other LIKE customer")
    xa.run("INSERT INTO other (id) VALUES (10)", "SELECT * FROM customer")
    async with followed(shop) as stream:
        xa.finish("COMMIT")
        assert await stream.until_now() == []
    xa.run("INSERT INTO customer (id) VALUES (10)")
    with pytest.raises(UnsafeChange, match="a prepared XA transaction has changed"):
        await ChangeStream.open(watch_of(shop))
    opening = asyncio.create_task(ChangeStream.open(watch_of(shop)))
    await eventually(lambda: bool(dumps(shop)))
    xa.finish("COMMIT")
    await (await opening).close()


@pytest.mark.parametrize("compression", ["ON", "OFF"])
@pytest.mark.parametrize("number", ["b,7", "binary \\0 \\' \N{SNOWMAN},2147483647", ",1"])
async def test_keys_come_with_the_commit(shop: Shop, xa: Xa, compression: str, number: str) -> None:
    xa.name_it(number)
    async with followed(shop) as stream:
        xa.run(
            "INSERT INTO customer (id) VALUES (10)",
            "UPDATE customer SET id = 20 WHERE id = 1",
            before=f"SET SESSION binlog_transaction_compression = {compression}",
        )
        prepared = executed(shop)
        assert await stream.until_now() == []
        assert not stream.stream.received.contains(prepared), "a stream that starts here reads it again"
        xa.finish("COMMIT")
        assert await stream.until_now() == ["id=1", "id=10", "id=20"]
        [(_, first, last)] = stream.frames[-1].touching
        assert first == last == stream.frames[-1].gtids[-1][2], "it is the commit that must be visible"
        assert stream.stream.received.contains(prepared)
        xa.run("DELETE FROM customer WHERE id = 20")
        xa.finish("ROLLBACK")
        assert await stream.until_now() == []
        assert stream.stream.received.contains(executed(shop))


async def test_another_stream_reads_the_prepare_again_and_nothing_else(shop: Shop, xa: Xa) -> None:
    async with followed(shop) as stream:
        xa.run("INSERT INTO customer (id) VALUES (10)")
        shop.run("INSERT INTO customer (id) VALUES (11)")
        assert await stream.until_now() == ["id=11"]
        shop.run("FLUSH BINARY LOGS")
        start = str(stream.stream.received)
    for _ in range(2):
        async with followed(shop, watch_of(shop, start=start, fresh=False)) as stream:
            assert await stream.until_now() == []
            assert len(stream.frames[0].prepared) == 1
            start = str(stream.stream.received)
    async with followed(shop, watch_of(shop, start=start, fresh=False)) as stream:
        shop.run("FLUSH BINARY LOGS")
        xa.finish("COMMIT")
        assert await stream.until_now() == ["id=10"]
        start = str(stream.stream.received)
    async with followed(shop, watch_of(shop, start=start)) as stream:
        shop.run("INSERT INTO customer (id) VALUES (12)")
        assert await stream.until_now() == ["id=12"], "it is over"


async def test_a_large_one_comes_in_parts(shop: Shop, xa: Xa) -> None:
    assert transactions.MOST_KEYS < 30_000
    shop.run("SET GLOBAL cte_max_recursion_depth = 1000000")
    many = "WITH RECURSIVE n (i) AS (SELECT 100 UNION ALL SELECT i + 1 FROM n WHERE i < 60099) SELECT i FROM n"
    async with followed(shop) as stream:
        xa.run(f"INSERT INTO customer (id) {many}", "DELETE FROM customer WHERE id = 100")
        assert await stream.until_now() == []
        xa.finish("COMMIT")
        assert len(await stream.until_now()) == 60_000
        parts = [frame for frame in stream.frames if frame.keys]
        assert len(parts) > 2
        assert not any(frame.gtids for frame in parts[:-1])
        xa.run("DELETE FROM customer WHERE id > 50", end="COMMIT {} ONE PHASE")
        assert len(await stream.until_now()) == 59_999


async def test_a_name_may_be_used_again_and_several_be_open(shop: Shop, several: list[Xa]) -> None:
    async with followed(shop) as stream:
        for time in range(2):
            for number, one in enumerate(several):
                one.run(f"INSERT INTO customer (id) VALUES ({100 * time + 10 + number})")
            for one, how in zip(several, ("COMMIT", "ROLLBACK", "COMMIT"), strict=True):
                one.finish(how)
        assert await stream.until_now() == ["id=10", "id=110", "id=112", "id=12"]
        run_all(shop, "DELETE FROM customer")
        assert len(await stream.until_now()) == 7
