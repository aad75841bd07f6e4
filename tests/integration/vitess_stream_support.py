"""Change streams of a real server, and what they must have brought."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from alterd_vitess.gtid import GtidSet
from alterd_vitess.keys import Key, KeyColumn
from alterd_vitess.stream.frames import Frame, Watch
from alterd_vitess.stream.stream import ChangeStream
from tests.support.shop import Shop

ID = Key(name="PRIMARY", columns=(KeyColumn(name="id", data_type="int", unsigned=True),))
MARKER = "/* alterd test */"
PATIENCE = 20.0


def executed(shop: Shop) -> GtidSet:
    """What is committed on the server."""
    return GtidSet.parse(shop.run("SELECT @@gtid_executed")[0][0])


def run_all(shop: Shop, *statements: str) -> None:
    """In one session."""
    with shop.session() as connection, connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def watch_of(shop: Shop, table: str = "customer", key: Key = ID, **changes: Any) -> Watch:
    """A watch from now on, unless `changes` say otherwise."""
    host, _, port = shop.servers[0].rpartition(":")
    watch = Watch(
        host=host,
        port=int(port),
        user=shop.user,
        password=shop.password,
        session_name=f"alterd:{shop.schema}:1",
        server_id=random.randrange(2**31, 2**32),
        start=str(executed(shop)) if "start" not in changes else "",
        table_schema=shop.schema,
        table=table,
        key=key,
        marker=MARKER,
    )
    return msgspec.structs.replace(watch, **changes)


class Followed:
    """A stream, and the frames that it brought so far."""

    def __init__(self, stream: ChangeStream, shop: Shop, key: Key) -> None:
        self.stream, self._shop, self._key = stream, shop, key
        self.frames: list[Frame] = []

    async def next(self) -> Frame:
        frame = await asyncio.wait_for(anext(self.stream), PATIENCE)
        self.frames.append(frame)
        return frame

    async def until_now(self) -> list[str]:
        """The keys that were touched since the last call, as people see them, in order."""
        seen = len(self.frames)
        committed = executed(self._shop)
        while not self._seen().contains(committed):
            await self.next()
        return sorted({self._key.shown(key) for frame in self.frames[seen:] for key in frame.keys})

    def _seen(self) -> GtidSet:
        """All transactions, prepared ones that are open among them."""
        seen = self.stream.received.copy()
        for frame in self.frames:
            for interval in frame.prepared:
                seen.add(*interval)
        return seen

    async def ending(self) -> BaseException:
        """What ends the stream."""
        try:
            while True:
                await self.next()
        except TimeoutError:
            raise AssertionError("the stream goes on") from None
        except Exception as error:  # noqa: BLE001 - the test looks at it
            return error


@asynccontextmanager
async def followed(shop: Shop, watch: Watch | None = None) -> AsyncIterator[Followed]:
    watch = watch or watch_of(shop)
    stream = await asyncio.wait_for(ChangeStream.open(watch), PATIENCE)
    try:
        yield Followed(stream, shop, watch.key)
    finally:
        await stream.close()


def dumps(shop: Shop) -> list[int]:
    """Connections on which the server sends its binlog to a stream of this schema."""
    rows = shop.run(
        "SELECT processlist_id FROM performance_schema.session_connect_attrs"
        f" WHERE attr_name = 'program_name' AND attr_value = 'alterd:{shop.schema}:1'"
    )
    return [int(row[0]) for row in rows]


class Xa:
    """An XA transaction on a session of its own."""

    def __init__(self, shop: Shop, name: str = "b,7") -> None:
        self._shop = shop
        self.name_it(name)

    def name_it(self, name: str) -> None:
        """Second part and number."""
        bqual, _, number = name.partition(",")
        self.xid = f"'{self._shop.schema}','{bqual}',{number}"

    def run(self, *statements: str, end: str = "PREPARE {}", before: str = "SELECT 1") -> None:
        run_all(
            self._shop, before, f"XA START {self.xid}", *statements, f"XA END {self.xid}", f"XA {end.format(self.xid)}"
        )

    def finish(self, how: str) -> None:
        self._shop.run(f"XA {how} {self.xid}")
