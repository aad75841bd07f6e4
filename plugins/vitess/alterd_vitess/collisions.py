"""A duplicate in a unique key of the shadow: rows that only exchange their values, or two rows with one value?

Rows of the source are read in one statement, so in one snapshot, into a temporary table with the shadow's columns. Two
of them with one value are a real duplicate. Rows of the shadow that have a value of theirs, and are not among them, are
older than the snapshot: they join in, and all are read anew. When nobody is in the way any more, the shadow gets what
the snapshot has; no later change of the source can make that collide.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from alterd_contracts.errors import DuplicateRows, StatementFailed
from alterd_contracts.strategy import Session
from alterd_runtime.failpoints import failpoint
from alterd_runtime.mysql.quoting import identifier
from alterd_runtime.mysql.tables import Index
from alterd_vitess.locating import prepare_keys, shadow_rows, source_keys
from alterd_vitess.memory import write_chunk
from alterd_vitess.ranges import Range
from alterd_vitess.run import Run
from alterd_vitess.sessions import AGAIN, DUPLICATE_ENTRY, errno, open_rows
from alterd_vitess.typed import typed_copy

ROWS = "alterd_rows"
"""The temporary table."""
STORM = 4
"""Times that somebody new is in the way, after which all that waits joins in: on a small table everything changes."""
MOST = 5_000
"""Keys that join in at once."""
PATIENCE = 50
"""Times that an apply is tried again after a deadlock, a lock wait, or a chunk that came between."""
PAUSE = 0.01


class Collisions:
    """Applies keys and chunks that collided, in a session of its own that is opened when it is needed."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._session: Session | None = None
        self._turn = asyncio.Lock()
        self._key = run.mapping.target
        """Of the shadow, and of the temporary table."""

    async def settle(self, keys: Iterable[bytes], chunk: Range | None = None) -> int:
        """Applies the keys, copies the chunk, and applies what is in their way, in one transaction.

        No other batch may be under way. Returns the chunk's rows. Raises `DuplicateRows` where two rows of the source
        have the same value in one snapshot; `StatementFailed`.
        """
        async with self._turn:
            session = await self._opened()
            wanted = set(keys)
            rounds = tries = 0
            pause = PAUSE
            while True:
                await self._read(session, wanted, chunk)
                if blocking := await self._in_the_way(session, wanted, chunk):
                    rounds += 1
                    wanted |= blocking
                    if rounds >= STORM:
                        wanted |= self._run.touched.applicable(MOST)
                    continue
                try:
                    return await self._apply(session, wanted, chunk)
                except StatementFailed as error:
                    tries += 1
                    if errno(error) not in {DUPLICATE_ENTRY, *AGAIN} or tries > PATIENCE:
                        raise
                await asyncio.sleep(pause)
                pause = min(2 * pause, 1.0)

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _opened(self) -> Session:
        if self._session is None:
            run = self._run
            self._session = await open_rows(run.task, run.zone, innodb_strict_mode=0)
            await self._session.execute(typed_copy(run.plan.shadow_definition, ROWS, run.mapping.counter))
            await prepare_keys(run, self._session)
        return self._session

    async def _read(self, session: Session, keys: set[bytes], chunk: Range | None) -> None:
        """The source's rows, in one statement."""
        run = self._run
        await session.execute(f"DELETE FROM {identifier(ROWS)}")
        select = run.statements.select(sorted(keys), chunk, left_out=run.left_out)
        await session.execute(f"INSERT INTO {identifier(ROWS)} ({run.mapping.names}) {select}")

    async def _in_the_way(self, session: Session, keys: set[bytes], chunk: Range | None) -> set[bytes]:
        """Keys of shadow rows that have a value of one of the rows, and are not among them."""
        found: set[bytes] = set()
        for index in self._run.mapping.unique:
            await self._check(session, index)
            found |= await self._holders(session, index)
        found = await source_keys(self._run, session, found) - keys
        if self._run.mapping.key.ordered:
            found = {key for key in found if chunk is None or key not in chunk}
            while any(self._run.copy.flying(key) for key in found):
                await self._run.bell.heard()  # committed at the server; that chunk's end is on its way to us
        return found

    async def _apply(self, session: Session, keys: set[bytes], chunk: Range | None) -> int:
        run = self._run
        rows = 0
        async with run.task.fenced(session):
            if keys:
                await session.execute(f"DELETE {await shadow_rows(run, session, sorted(keys))}")
            await session.execute(
                f"INSERT INTO {identifier(run.plan.shadow)} ({run.mapping.names})"
                f" SELECT {run.mapping.names} FROM {identifier(ROWS)}"
            )
            if chunk is not None:
                rows = max(0, int(await session.value(f"SELECT COUNT(*) FROM {identifier(ROWS)}")) - len(keys))
                await write_chunk(session, run.record, chunk, rows)
            failpoint("vitess.batch_applied")
        failpoint("vitess.batch_committed")
        return rows

    async def _check(self, session: Session, index: Index) -> None:
        """Raises `DuplicateRows` where two of the rows have the same values."""
        values = _values(index)
        named = ", ".join(f"{value} AS `alterd_value_{at}`" for at, value in enumerate(values))
        names = ", ".join(f"`alterd_value_{at}`" for at in range(len(values)))
        there = " AND ".join(f"`alterd_value_{at}` IS NOT NULL" for at in range(len(values)))
        rows = await session.query(
            f"SELECT * FROM (SELECT `valued`.*, COUNT(*) OVER (PARTITION BY {names}) AS `alterd_count`,"
            f" DENSE_RANK() OVER (ORDER BY {names}) AS `alterd_rank`"
            f" FROM (SELECT {self._selected()}, {named} FROM {identifier(ROWS)}) AS `valued` WHERE {there})"
            " AS `counted` WHERE `alterd_count` > 1 ORDER BY `alterd_rank` LIMIT 2"
        )
        if rows:
            count = len(self._key.columns)
            first, second = (self._key.shown(self._key.of_row(tuple(row.values())[:count])) for row in rows)
            raise DuplicateRows(
                f"the rows {first} and {second} of {self._run.table} have the same value in the unique key "
                f"{index.name} of the new table",
                hint="make one of them different, then retry",
                table=self._run.table,
                key=index.name,
                errno=DUPLICATE_ENTRY,
            )

    async def _holders(self, session: Session, index: Index) -> set[bytes]:
        """Keys of the shadow's rows that have the values of some of the rows: looked up one by one in the index."""
        shadow = identifier(self._run.plan.shadow)
        values = _values(index)
        named = ", ".join(f"{value} AS `alterd_value_{at}`" for at, value in enumerate(values))
        # values of the rows have names of their own, so that bare columns are the shadow's
        same = " AND ".join(f"{value} = `alterd_value_{at}`" for at, value in enumerate(values))
        rows = await session.query(
            f"SELECT {self._selected()} FROM (SELECT {named} FROM {identifier(ROWS)}) AS `valued`"
            f" STRAIGHT_JOIN {shadow} FORCE INDEX ({identifier(index.name)}) ON {same}"
        )
        return {self._key.of_row(tuple(row.values())) for row in rows}

    def _selected(self) -> str:
        """The key's columns under names of their own."""
        parts = self._key.selections()
        return ", ".join(f"{part} AS `alterd_key_{at}`" for at, part in enumerate(parts))


def _values(index: Index) -> list[str]:
    """What must be unique, over the bare columns."""
    expressions = index.expressions or ("",) * len(index.columns)
    return [
        f"({expression})" if expression else f"LEFT({identifier(name)}, {part})" if part else identifier(name)
        for name, part, expression in zip(index.columns, index.parts, expressions, strict=True)
    ]
