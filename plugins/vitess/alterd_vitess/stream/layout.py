"""The table as the server describes it when the stream begins."""

from __future__ import annotations

import msgspec

from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.errors import MySQLError
from alterd_runtime.mysql.quoting import qualified
from alterd_vitess.keys import Key
from alterd_vitess.stream.errors import UnsafeChange

_UNKNOWN_VARIABLE = 1193
_COLUMNS = """
SELECT column_name AS name FROM information_schema.columns
 WHERE table_schema = %s AND table_name = %s ORDER BY ordinal_position
"""


class Layout(msgspec.Struct, frozen=True):
    """What a table map of the table must look like."""

    columns: int
    """Invisible ones count; the hidden ones of functional indexes are not in the binlog."""
    positions: tuple[int, ...]
    """Of the key's columns, from 0."""


def read_layout(session: BlockingSession, schema: str, table: str, key: Key) -> Layout:
    """Raises `UnsafeChange` where the table or a column of the key is missing."""
    try:
        # an invisible primary key that the server made is in the binlog, and by default in no list of columns
        session.execute("SET SESSION show_gipk_in_create_table_and_information_schema = ON")
    except MySQLError as error:
        if error.errno != _UNKNOWN_VARIABLE:  # MySQL before 8.0.30 makes none
            raise
    names = [str(row["name"]).lower() for row in session.query(_COLUMNS, (schema, table))]
    missing = [column.name for column in key.columns if column.name.lower() not in names]
    if missing:
        raise UnsafeChange(
            f"the table {qualified(schema, table)} has no column {', '.join(missing)}"
            if names
            else f"the table {qualified(schema, table)} does not exist",
            hint="it was changed or dropped meanwhile: look at it, and submit the change again",
            table=f"{schema}.{table}",
        )
    return Layout(len(names), tuple(names.index(column.name.lower()) for column in key.columns))


def folds_names(session: BlockingSession) -> bool:
    """Whether names of tables that differ in case only are the same on this server."""
    return bool(session.value("SELECT @@lower_case_table_names"))
