"""What of the server decides how the tool is called, and what its account may do."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from alterd_contracts.strategy import Session
from alterd_runtime.mysql.quoting import identifier, qualified

ON_TABLES = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, TRIGGER, REFERENCES"
"""On the table, the new and the old one: triggers run as the account that made them."""
NO_ZEROS = frozenset({"NO_ZERO_DATE", "NO_ZERO_IN_DATE"})
_SERVER = """
SELECT @@global.log_bin AND NOT @@global.log_bin_trust_function_creators AS needs_super,
       @@global.require_secure_transport AS encrypted, @@session.lock_wait_timeout AS lock_wait_timeout,
       @@global.sql_mode AS sql_mode
"""
_PARENTS = """
SELECT DISTINCT UNIQUE_CONSTRAINT_SCHEMA AS `schema` FROM information_schema.REFERENTIAL_CONSTRAINTS
WHERE CONSTRAINT_SCHEMA = %s AND TABLE_NAME = %s ORDER BY 1
"""


class Server(msgspec.Struct, frozen=True, kw_only=True):
    """One primary."""

    needs_super: bool
    """With a binary log MySQL lets only SUPER make triggers, unless log_bin_trust_function_creators is on."""
    encrypted: bool
    """It takes no connections without TLS."""
    lock_wait_timeout: int
    """Seconds, as alterd's own sessions have it."""
    explain_format: str
    """As the server has it; empty before 8.0.32."""

    sql_mode: str

    def variables(self, *, zero_dates: bool) -> dict[str, str]:
        """What the tool's sessions must have set. `zero_dates`: as --allow-zero-in-date asks.

        It reads the columns of EXPLAIN, and where it finds none takes the table for empty and copies it at once: MySQL
        9 answers with a tree.
        """
        variables = {"lock_wait_timeout": str(self.lock_wait_timeout)}
        if self.explain_format:
            variables["explain_format"] = "TRADITIONAL"
        if zero_dates:
            kept = [mode for mode in self.sql_mode.split(",") if mode and mode not in NO_ZEROS]
            variables["sql_mode"] = "'" + "\\,".join(kept) + "'"
        return variables


async def read_server(session: Session) -> Server:
    row = (await session.query(_SERVER))[0]
    formats = await session.query("SHOW GLOBAL VARIABLES LIKE 'explain_format'")
    ours = (await session.query("SHOW SESSION STATUS LIKE 'Ssl_cipher'"))[0]["Value"]
    return Server(
        needs_super=bool(row["needs_super"]),
        encrypted=bool(row["encrypted"]) or bool(ours),
        lock_wait_timeout=int(row["lock_wait_timeout"]),
        sql_mode=str(row["sql_mode"]),
        explain_format=formats[0]["Value"] if formats else "",
    )


async def parents_of(session: Session, schema: str, table: str) -> list[str]:
    """Schemas of the tables that its foreign keys refer to."""
    return [str(row["schema"]) for row in await session.query(_PARENTS, (schema, table))]


def grants(server: Server, schema: str, tables: Sequence[str], parents: Sequence[str] = ()) -> list[str]:
    """The least that the tool can work with. `parents`: schemas that foreign keys of the table refer to. Pure."""
    found = [f"{ON_TABLES} ON {qualified(schema, table)}" for table in tables]
    # MySQL asks for it on the parents of the table's own foreign keys, which the ALTER may add
    found += [f"REFERENCES ON {_whole(each)}.*" for each in dict.fromkeys((schema, *parents))]
    return [*found, "SUPER ON *.*"] if server.needs_super else found


def _whole(schema: str) -> str:
    """In a grant its name is a pattern."""
    return identifier(schema.replace("_", r"\_").replace("%", r"\%"))
