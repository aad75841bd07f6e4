"""SELECTs over the records of a keyspace: few of them in memory, a great many by way of a file."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import UTC, datetime

from alterd_cli.records import MANY, Batch, count_records, read_records, stream_records
from alterd_cli.selection import Selection
from alterd_cli.sql.statements import Query
from alterd_cli.sql.table import RecordTable, Result
from alterd_contracts.migration import Migration
from alterd_runtime.bus import Bus


async def select_from(bus: Bus, selection: Selection, query: Query) -> Result:
    """From the records that match. Raises `SyntaxRefused`, `UnknownTable`, `InvalidInput`, `BusUnreachable`."""
    if await count_records(bus, selection) < MANY:
        return await select(await read_records(bus, selection), query)
    with RecordTable.empty(datetime.now(UTC)) as table:
        async with contextlib.aclosing(stream_records(bus, selection)) as batches:
            async for batch in batches:
                await asyncio.to_thread(fill, table, batch)
        return await asyncio.to_thread(table.select, query)


async def select(records: Sequence[Migration], query: Query) -> Result:
    """In a thread: the connection to NATS goes on living. Raises `SyntaxRefused`, `UnknownTable`, `InvalidInput`."""

    def selected() -> Result:
        with RecordTable.of(records, datetime.now(UTC)) as table:
            return table.select(query)

    return await asyncio.to_thread(selected)


def fill(table: RecordTable, batch: Batch) -> None:
    """A later word about a record counts."""
    if batch.corrects:
        table.remove([*batch.gone, *(key for key, _ in batch.rows)])
    table.add(row for _, row in batch.rows)
