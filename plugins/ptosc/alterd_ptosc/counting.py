"""Whether the new table has all rows of the table.

The tool copies with INSERT IGNORE: a row that collides with another in a unique key, an index that folds values under a
new collation for one, stays away without a word. Its triggers write within the writers' own transactions, so that in
one snapshot both tables have equally many rows once the copy is over, however much is written meanwhile.
"""

from __future__ import annotations

from alterd_contracts.errors import DuplicateRows
from alterd_contracts.strategy import Session
from alterd_ptosc.errors import RowsChanged
from alterd_runtime.mysql.quoting import qualified


async def check_rows(session: Session, schema: str, table: str, new_table: str) -> int:
    """How many rows there are. Raises `DuplicateRows`, `RowsChanged`."""
    await session.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    await session.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
    try:
        ours = int(await session.value(f"SELECT COUNT(*) FROM {qualified(schema, table)}"))
        theirs = int(await session.value(f"SELECT COUNT(*) FROM {qualified(schema, new_table)}"))
    finally:
        await session.execute("ROLLBACK")
    if theirs < ours:
        raise DuplicateRows(
            f"{table} has {ours} rows and the new table {theirs}: some have the same value in one of its unique keys",
            hint="make the rows differ in every unique key of the new table",
            table=table,
        )
    if theirs > ours:
        raise RowsChanged(
            f"{table} has {ours} rows and the new table {theirs}: its triggers take rows for others, as where the "
            "new table's key tells texts apart that were equal",
            hint="use the strategy vitess or mysql",
            table=table,
        )
    return ours
