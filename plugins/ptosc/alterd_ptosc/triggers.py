"""The tool's triggers: known by what they write to, taken off before the table that they write to can go."""

from __future__ import annotations

from collections.abc import Iterable

from alterd_contracts.strategy import Session
from alterd_ptosc.tables import patiently
from alterd_runtime.mysql.quoting import qualified

_TRIGGERS = """
SELECT TRIGGER_NAME AS name, ACTION_STATEMENT AS statement FROM information_schema.TRIGGERS
WHERE TRIGGER_SCHEMA = %s ORDER BY TRIGGER_NAME
"""


async def writing_to(session: Session, schema: str, tables: Iterable[str]) -> list[str]:
    """Names of the schema's triggers that write to any of `tables`, whose names nobody else uses."""
    names = tuple(tables)
    rows = await session.query(_TRIGGERS, (schema,))
    return [row["name"] for row in rows if any(name in row["statement"] for name in names)]


async def take_off(session: Session, schema: str, tables: Iterable[str]) -> list[str]:
    """Drops them: which. Waits for transactions that keep the table; raises `StatementFailed` when they do not end."""
    found = await writing_to(session, schema, tables)
    for name in found:
        await patiently(session, f"DROP TRIGGER IF EXISTS {qualified(schema, name)}")
    return found
