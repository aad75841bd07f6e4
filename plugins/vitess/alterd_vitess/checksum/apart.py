"""Source and shadow side by side where the shadow cannot be read by the source's ranges.

The key's columns have another type, collation or index there. So the source is walked in its order, and the shadow's
rows are found by the keys of each chunk; the ones that no row of the source leads to are found by walking the shadow in
its own order, and asking the source for the keys. Keys at which something differs are narrowed down by halves: which
row of the shadow belongs to which key, only the server knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from alterd_contracts.strategy import Session
from alterd_runtime.mysql.quoting import identifier
from alterd_vitess.checksum.comparing import Compared, Rows, batches, compared, impossible_key
from alterd_vitess.checksum.parts import Part
from alterd_vitess.checksum.sums import Sums, summed
from alterd_vitess.keys import Key
from alterd_vitess.locating import OURS, THEIRS, prepare_keys, shadow_rows, source_keys
from alterd_vitess.run import Run

MOST = 2000
"""Rows of a chunk: each of its keys is named in the statements."""


class Apart:
    """Finds the shadow's rows by the keys of the source's."""

    def __init__(self, run: Run, sums: Sums) -> None:
        self._run, self._sums, self._rows = run, sums, Rows(run, sums)
        self.most = MOST

    async def prepare(self, session: Session) -> None:
        await prepare_keys(self._run, session)
        await self._rows.prepare(session)

    async def chunk(self, session: Session, part: Part) -> Compared:
        keys = await self._keys(session, part)
        same = True
        for batch in batches(keys):
            same = same and await self._same(session, batch)
        return Compared(rows=len(keys), same=same)

    async def suspects(self, session: Session, part: Part) -> set[bytes]:
        return await self.differing(session, await self._keys(session, part))

    async def differing(self, session: Session, keys: Iterable[bytes]) -> set[bytes]:
        found: set[bytes] = set()
        open_parts = batches(keys)
        while open_parts:
            keys = open_parts.pop()
            if await self._same(session, keys):
                continue
            if len(keys) == 1:
                found.add(keys[0])
                continue
            half = len(keys) // 2
            open_parts += [keys[:half], keys[half:]]
        return found

    async def _keys(self, session: Session, part: Part) -> list[bytes]:
        key = self._run.mapping.key
        rows = await session.query(
            f"SELECT {key.selected()} FROM {self._run.statements.source} WHERE {part.where(key)}"
        )
        return [key.of_row(tuple(row.values())) for row in rows]

    async def _same(self, session: Session, keys: Sequence[bytes]) -> bool:
        await _emptied(self._run, session)
        ours = await self._rows.of_keys(session, keys)
        [source] = await session.query(f"SELECT {summed(self._sums.source)} {ours}")
        theirs = await shadow_rows(self._run, session, keys)
        [shadow] = await session.query(f"SELECT {summed(self._sums.shadow)} {theirs}")
        return compared(source, shadow).same


class Ghosts:
    """Rows of the shadow that no row of the source leads to."""

    def __init__(self, run: Run, shadow_index: str) -> None:
        """`shadow_index`: the one by which the shadow's rows are located."""
        self._run = run
        target = run.mapping.target
        first = [target.columns[at] for at in run.mapping.located_by]
        others = [column for column in target.columns if column not in first]
        self.key = Key(name=shadow_index, columns=(*first, *others), more=len(others))
        """The target's columns in the order in which the shadow is walked."""
        self.table = f"{identifier(run.plan.shadow)} FORCE INDEX ({identifier(shadow_index)})"
        self.most = min(MOST, run.settings.max_chunk_rows)

    async def suspects(self, session: Session, part: Part) -> set[bytes]:
        """The source's keys of rows of the part that the source does not have: not now, or not written like this."""
        run = self._run
        target = run.mapping.target
        rows = await session.query(f"SELECT {target.selected()} FROM {self.table} WHERE {part.where(self.key)}")
        found: set[bytes] = set()
        for batch in batches({target.of_row(tuple(row.values())) for row in rows}):
            found |= await self._missing(session, batch)
        return found

    async def _missing(self, session: Session, targets: Sequence[bytes]) -> set[bytes]:
        run = self._run
        await _emptied(run, session)
        keys = await source_keys(run, session, targets)
        if len(keys) < len(targets):
            for each in targets:
                if not await source_keys(run, session, [each]):
                    raise impossible_key(run, run.mapping.target.shown(each))
        there = await session.query(run.statements.present(sorted(keys)))
        return keys - {run.mapping.key.of_row(tuple(row.values())) for row in there}


async def _emptied(run: Run, session: Session) -> None:
    """The tables of keys. `locating` may only DELETE from them, as it also works within transactions; deleted rows stay
    until the purge, and make each statement slower than the last one.
    """
    if not run.mapping.same_key:
        for name in (OURS, THEIRS):
            await session.execute(f"TRUNCATE TABLE {name}")
