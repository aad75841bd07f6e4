"""One walk through a table by an index, cut into parts for whoever asks next."""

from __future__ import annotations

import asyncio

from alterd_contracts.strategy import Session
from alterd_vitess.checksum.parts import Part
from alterd_vitess.keys import Key
from alterd_vitess.sessions import one_row


class Walk:
    """All rows that the table has at the time, the ones behind the greatest key of the beginning included."""

    def __init__(self, key: Key, table: str) -> None:
        """`key`: of the index by which `table`, as it stands behind FROM, is read."""
        self._key, self._table = key, table
        self._turn = asyncio.Lock()
        self._low, self._end = b"", b""
        """Up to where it is cut; the greatest key of a while ago, ``b""`` when that is passed."""
        self._over = False

    async def next(self, session: Session, rows: int) -> Part | None:
        """A part of about so many rows; None behind the last one, which has no end."""
        async with self._turn:
            if self._over:
                return None
            if not self._end and not await self._goes_on(session, rows):
                self._over = True
                return Part(self._low, None)
            last = await self._nth(session, Part(self._low, self._end), rows)
            part = Part(self._low, last or self._end)
            self._low = part.high or b""
            if last is None or last == self._end:
                self._end = b""
            return part

    async def _goes_on(self, session: Session, rows: int) -> bool:
        """Whether the table has more than one part's rows ahead: they are cut by their greatest key.

        A range with two ends is read well for every kind of key; one without an end only where there is little ahead.
        """
        if await self._nth(session, Part(self._low, None), rows) is None:
            return False
        self._end = await self._key_of(
            session, f"SELECT {self._key.selected()} FROM {self._table} ORDER BY {self._key.order_by(descending=True)}"
        )
        return bool(self._end)

    async def _nth(self, session: Session, part: Part, rows: int) -> bytes | None:
        """The key of the part's row of that number; None where it has fewer."""
        sql = (
            f"SELECT {self._key.selected()} FROM {self._table} WHERE {part.where(self._key)}"
            f" ORDER BY {self._key.order_by()}"
        )
        return await self._key_of(session, sql, rows - 1) or None

    async def _key_of(self, session: Session, sql: str, offset: int = 0) -> bytes:
        row = await one_row(session, f"{sql} LIMIT 1 OFFSET {offset}")
        return self._key.of_row(row) if row is not None else b""
