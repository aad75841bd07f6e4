"""A duplicate in a unique key of the shadow: rows that only exchange their values, or two rows with one value?

Rows of the source are read in one statement, so in one snapshot, into a typed temporary table like the shadow. Two of
them with one value are a real duplicate. Rows of the shadow that stand in the way of them, and are not among them, are
older than the source: they are to be applied as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from alterd_contracts.strategy import Session
from alterd_runtime.mysql.quoting import identifier
from alterd_vitess.errors import DuplicateRows
from alterd_vitess.ranges import Range
from alterd_vitess.run import Run
from alterd_vitess.sessions import open_rows
from alterd_vitess.tables import Index
from alterd_vitess.typed import typed_copy

MOST = 20_000
"""Keys in the way that are looked for at once."""
ROWS = "alterd_rows"
"""The temporary table."""


class Duplicates:
    """Looks into duplicates, in a session of its own that is opened when it is needed."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._session: Session | None = None
        self._turn = asyncio.Lock()
        self._key = run.mapping.target

    async def in_the_way(self, keys: Iterable[bytes] = (), chunk: Range | None = None) -> set[bytes]:
        """Keys of shadow rows that block the source's present rows of `keys` and `chunk`, directly or in a chain.

        Raises `DuplicateRows` where two rows of the source have the same value in one snapshot.
        """
        async with self._turn:  # one temporary table for all who ask
            return await self._in_the_way(set(keys), chunk)

    async def _in_the_way(self, wanted: set[bytes], chunk: Range | None) -> set[bytes]:
        found: set[bytes] = set()
        while True:
            session = await self._read(wanted | found, chunk)
            for index in self._run.mapping.unique:
                await self._check(session, index)
            more: set[bytes] = set()
            for index in self._run.mapping.unique:
                more |= await self._blocking(session, index)
            more -= wanted | found
            more = {key for key in more if chunk is None or key not in chunk}
            if not more:
                return found
            found |= more

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def _read(self, keys: set[bytes], chunk: Range | None) -> Session:
        """The source's rows, in one statement."""
        run = self._run
        session = await self._opened()
        await session.execute(f"DELETE FROM {identifier(ROWS)}")
        select = run.statements.select(sorted(keys), chunk)
        await session.execute(f"INSERT INTO {identifier(ROWS)} ({run.mapping.names}) {select}")
        return session

    async def _opened(self) -> Session:
        if self._session is None:
            run = self._run
            session = self._session = await open_rows(run.task, run.zone, innodb_strict_mode=0)
            await session.execute(typed_copy(run.plan.shadow_definition, ROWS, run.mapping.counter))
        return self._session

    async def _check(self, session: Session, index: Index) -> None:
        """Raises `DuplicateRows` where two of the rows have the same values."""
        values = _values(index)
        there = " AND ".join(f"{identifier(name)} IS NOT NULL" for name in index.columns)
        rows = await session.query(
            f"SELECT * FROM (SELECT {self._key.selected()}, COUNT(*) OVER (PARTITION BY {values}) AS `alterd_count`,"
            f" DENSE_RANK() OVER (ORDER BY {values}) AS `alterd_rank` FROM {identifier(ROWS)} WHERE {there})"
            " AS `counted` WHERE `alterd_count` > 1 ORDER BY `alterd_rank` LIMIT 2"
        )
        if rows:
            first, second = (self._run.mapping.key.shown(self._key.of_row(tuple(row.values())[:-2])) for row in rows)
            raise DuplicateRows(
                f"the rows {first} and {second} of {self._run.table} have the same value in the unique key "
                f"{index.name} of the new table",
                hint="make one of them different, then retry",
                table=self._run.table,
                key=index.name,
                errno=1062,
            )

    async def _blocking(self, session: Session, index: Index) -> set[bytes]:
        """Keys of the shadow's rows that have the values of some of the rows."""
        values = _values(index)
        rows = await session.query(
            f"SELECT {self._key.selected()} FROM {identifier(self._run.plan.shadow)}"
            f" WHERE ({values}) IN (SELECT {values} FROM {identifier(ROWS)}) LIMIT {MOST}"
        )
        return {self._key.of_row(tuple(row.values())) for row in rows}


def _values(index: Index) -> str:
    """What must be unique."""
    return ", ".join(
        f"LEFT({identifier(name)}, {part})" if part else identifier(name)
        for name, part in zip(index.columns, index.parts, strict=True)
    )
