"""Source and shadow side by side, by chunks and by keys, where one range of the key serves for both.

A direct comparison is one statement, which under READ COMMITTED is one snapshot. Otherwise the source's rows are
converted in one statement and the shadow is read in the next one. Neither needs the other's moment: a difference counts
only at keys that no transaction has touched between them, and rows that were equal once differ later only by changes
that are applied. Nothing is locked, and no statement inserts what it reads from the source into a lasting table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from alterd_contracts.strategy import Session
from alterd_runtime.mysql.quoting import identifier
from alterd_vitess.checksum.parts import Part
from alterd_vitess.checksum.sums import Sums, hashed, summed
from alterd_vitess.errors import ChecksumMismatch
from alterd_vitess.keys import Key
from alterd_vitess.run import Run
from alterd_vitess.typed import typed_copy

ROWS = "alterd_sums"
"""The temporary table of converted rows."""
MOST = 100_000
"""Rows of a chunk. Not the setting of the copy: these write nothing that goes to replicas."""
BATCH = 1000
"""Keys named in one statement."""


class Compared(NamedTuple):
    """A chunk."""

    rows: int
    """Of the source."""
    same: bool


class Comparison(Protocol):
    """How two tables are compared. Every session must be prepared once."""

    most: int
    """Rows of the largest chunk."""

    async def prepare(self, session: Session) -> None:
        """Makes the session's temporary tables."""
        ...

    async def chunk(self, session: Session, part: Part) -> Compared:
        """Whether the part's rows are the same in both."""
        ...

    async def suspects(self, session: Session, part: Part) -> set[bytes]:
        """Keys at which the part differs. To be called right after `chunk`."""
        ...

    async def differing(self, session: Session, keys: Iterable[bytes]) -> set[bytes]:
        """Those of the keys at which the tables differ. May run under LOCK TABLES in a prepared session."""
        ...


class Rows:
    """The source's rows, as they stand or converted."""

    def __init__(self, run: Run, sums: Sums) -> None:
        self._run, self._sums = run, sums

    @property
    def key(self) -> Key:
        """The key with the names that it has where the rows are read."""
        return self._run.mapping.key if self._sums.direct else self._run.mapping.target

    async def prepare(self, session: Session) -> None:
        run = self._run
        if not self._sums.direct:
            made = typed_copy(run.plan.shadow_definition, ROWS, run.mapping.counter)
            await session.execute(f"DROP TEMPORARY TABLE IF EXISTS {identifier(ROWS)}")
            await session.execute(made)

    async def of_part(self, session: Session, part: Part) -> str:
        """``FROM …`` for the rows of a range, in which `sums.source` and `key` may be selected."""
        return await self._read(session, part.where(self._run.mapping.key))

    async def of_keys(self, session: Session, keys: Sequence[bytes]) -> str:
        """``FROM …`` for the rows with these keys."""
        key = self._run.mapping.key
        return await self._read(session, key.where_in(keys, first=range(len(key.leading)) if key.more else ()))

    def again(self, part: Part) -> str:
        """What `of_part` returned for the part just now."""
        if not self._sums.direct:
            return f"FROM {identifier(ROWS)}"
        return f"FROM {self._run.statements.source} WHERE {part.where(self._run.mapping.key)}"

    async def _read(self, session: Session, where: str) -> str:
        run = self._run
        if self._sums.direct:
            return f"FROM {run.statements.source} WHERE {where}"
        # DELETE would leave its rows to the purge, and be slower each time; this keeps table locks as well
        await session.execute(f"TRUNCATE TABLE {identifier(ROWS)}")
        await session.execute(
            f"INSERT INTO {identifier(ROWS)} ({run.mapping.names})"
            f" SELECT {run.mapping.expressions} FROM {run.statements.source} WHERE {where}"
        )
        return f"FROM {identifier(ROWS)}"


class Alike:
    """The key is in the shadow what it is in the source, and an index of the shadow begins with it."""

    def __init__(self, run: Run, sums: Sums, shadow_index: str) -> None:
        self._run, self._sums, self._rows = run, sums, Rows(run, sums)
        self._shadow = f"{identifier(run.plan.shadow)} FORCE INDEX ({identifier(shadow_index)})"
        self.most = MOST

    async def prepare(self, session: Session) -> None:
        await self._rows.prepare(session)

    async def chunk(self, session: Session, part: Part) -> Compared:
        ours = await self._rows.of_part(session, part)
        found = await session.query(
            f"SELECT 0 AS `side`, {summed(self._sums.source)} {ours}"
            f" UNION ALL SELECT 1, {summed(self._sums.shadow)} {self._theirs(part)}"
        )
        source, shadow = sorted(found, key=lambda row: int(row["side"]))
        return compared(source, shadow)

    async def suspects(self, session: Session, part: Part) -> set[bytes]:
        ours = self._listed(0, self._sums.source, self._rows.key, self._rows.again(part))
        theirs = self._listed(1, self._sums.shadow, self._run.mapping.target, self._theirs(part))
        found = await session.query(
            f"SELECT * FROM ({ours} UNION ALL {theirs}) AS `both`"
            " GROUP BY `alterd_hash` HAVING COUNT(*) <> 2 * SUM(`alterd_side`)"
        )
        return {self._key_of(row) for row in found}

    async def differing(self, session: Session, keys: Iterable[bytes]) -> set[bytes]:
        found: set[bytes] = set()
        for batch in batches(keys):
            found |= await self._batch(session, batch)
        return found

    async def _batch(self, session: Session, keys: Sequence[bytes]) -> set[bytes]:
        run = self._run
        ours = await self._rows.of_keys(session, keys)
        theirs = run.statements.located(keys, exact=False)
        rows = await session.query(self._listed(0, self._sums.source, self._rows.key, ours))
        rows += await session.query(self._listed(1, self._sums.shadow, run.mapping.target, theirs))
        sides: tuple[dict[bytes, list[Any]], dict[bytes, list[Any]]] = ({}, {})
        for row in rows:
            sides[row["alterd_side"]].setdefault(self._key_of(row), []).append(row["alterd_hash"])
        return {key for key in {*sides[0], *sides[1]} if sides[0].get(key) != sides[1].get(key)}

    def _theirs(self, part: Part) -> str:
        return f"FROM {self._shadow} WHERE {part.where(self._run.mapping.target)}"

    def _listed(self, side: int, row: str, key: Key, source: str) -> str:
        return f"SELECT {side} AS `alterd_side`, {hashed(row)} AS `alterd_hash`, {key.selected()} {source}"

    def _key_of(self, row: dict[str, Any]) -> bytes:
        _, _, *values = row.values()
        try:
            return self._run.mapping.key.of_row(values)
        except (TypeError, ValueError, OverflowError) as error:
            raise impossible_key(self._run, ", ".join(map(str, values))) from error


def compared(source: dict[str, Any], shadow: dict[str, Any]) -> Compared:
    """Of what `summed` selected on both sides; a sum of no rows says nothing."""
    rows = int(source["rows"])
    same = rows == int(shadow["rows"]) and (not rows or source["sum"] == shadow["sum"])
    return Compared(rows=rows, same=same)


def batches(keys: Iterable[bytes], size: int = BATCH) -> list[list[bytes]]:
    """The keys in parts for one statement each."""
    ordered = sorted(keys)  # as they lie side by side in most tables
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def impossible_key(run: Run, shown: str) -> ChecksumMismatch:
    """The shadow has a row that no row of the source can have become."""
    return ChecksumMismatch(
        f"the new table has a row with the key {shown}, which {run.table} cannot have",
        hint="somebody wrote to the new table; retry the migration: it starts over",
        table=run.table,
    )
