"""Which row it is that MySQL does not take into the new table."""

from __future__ import annotations

from collections.abc import Sequence

from alterd_contracts.errors import DuplicateRows, StatementFailed
from alterd_contracts.strategy import Session
from alterd_vitess.locating import shadow_rows
from alterd_vitess.ranges import Range
from alterd_vitess.run import Run
from alterd_vitess.sessions import errno

MOST = 100_000
"""Rows among which one is looked for."""
AT_ONCE = 1000
"""Keys in one statement."""


async def with_its_row(run: Run, session: Session, error: StatementFailed, keys: Sequence[bytes]) -> StatementFailed:
    """`error` with the key of a row that causes it, where one of `keys` still does."""
    if isinstance(error, DuplicateRows):
        return error
    found = None
    for start in range(0, len(keys), AT_ONCE):
        found = found or await _first(run, session, errno(error), keys[start : start + AT_ONCE])
    error.where["table"] = run.table
    if found is None:
        return error
    shown = run.mapping.key.shown(found)
    located = StatementFailed(
        f"{error.message} (the row {shown} of {run.table})",
        hint=error.hint or f"the row {shown} does not fit the new table: correct it, then retry",
        **error.where,
    )
    located.where["row"] = shown
    return located


async def in_chunk(run: Run, session: Session, error: StatementFailed, chunk: Range) -> StatementFailed:
    """The same for the rows of a chunk; where no one is found any more, the chunk is named."""
    if isinstance(error, DuplicateRows):
        return error
    key = run.mapping.key
    where = key.where_between(chunk.low, chunk.high)
    rows = await session.query(
        f"SELECT {key.selected()} FROM {run.statements.source} WHERE {where} ORDER BY {key.order_by()} LIMIT {MOST}"
    )
    located = await with_its_row(run, session, error, [key.of_row(tuple(row.values())) for row in rows])
    if "row" not in located.where:
        within = f"{f'after {key.shown(chunk.low)} ' if chunk.low else ''}up to {key.shown(chunk.high)}"
        located.where["rows"] = within
        located.hint = located.hint or f"a row {within} does not fit the new table: correct it, then retry"
    return located


async def _first(run: Run, session: Session, number: int, keys: Sequence[bytes]) -> bytes | None:
    """Halves until one is left. Rows that are corrected meanwhile are no longer found."""
    if not keys:
        return None
    refused = await _refusal(run, session, keys)
    if not refused:
        return None
    if len(keys) == 1:
        return keys[0] if refused == number else None
    half = len(keys) // 2
    return await _first(run, session, number, keys[:half]) or await _first(run, session, number, keys[half:])


async def _refusal(run: Run, session: Session, keys: Sequence[bytes]) -> int:
    """MySQL's error for these rows, 0 for none; nothing stays of the trial."""
    rows = await shadow_rows(run, session, keys)
    await session.execute("START TRANSACTION")
    try:
        await session.execute(f"DELETE {rows}")
        await session.execute(run.statements.insert(keys))
    except StatementFailed as error:
        return errno(error)
    finally:
        await session.execute("ROLLBACK")
    return 0
