"""What speaks against a change, said before it is queued and not after hours.

By spirit's README "Requirements" and "Unsupported Features", and `pkg/migration/check`. Much more it finds out itself
when it begins: its words are the failure then, and the table is as it was.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from alterd_contracts.errors import AlterdError, MissingPrivilege, StatementFailed
from alterd_contracts.strategy import Session

from alterd_spirit.clauses import refused
from alterd_spirit.command import DYNAMIC_GRANTS, GLOBAL_GRANTS
from alterd_spirit.errors import CannotRunSpirit
from alterd_spirit.tables import LONGEST, Names, existing

USE_VITESS: Final = "use the strategy vitess"
SETTINGS: Final = {
    "log_bin": ("1",),
    "binlog_format": ("ROW",),
    "binlog_row_image": ("FULL",),
    "binlog_row_value_options": ("",),
    "binlog_transaction_compression": ("0",),
    "binlog_order_commits": ("1",),
    "innodb_autoinc_lock_mode": ("2",),
    "performance_schema": ("1",),
}
_GRANT: Final = re.compile(r"GRANT (.+) ON \*\.\* TO ")
_TABLE: Final = """
SELECT
  (SELECT ENGINE FROM information_schema.TABLES WHERE TABLE_SCHEMA = %(schema)s AND TABLE_NAME = %(table)s) AS `engine`,
  (SELECT COUNT(*) FROM information_schema.TRIGGERS
   WHERE EVENT_OBJECT_SCHEMA = %(schema)s AND EVENT_OBJECT_TABLE = %(table)s) AS `triggers`,
  (SELECT COUNT(*) FROM information_schema.KEY_COLUMN_USAGE WHERE REFERENCED_TABLE_NAME IS NOT NULL AND (
     (TABLE_SCHEMA = %(schema)s AND TABLE_NAME = %(table)s)
     OR (REFERENCED_TABLE_SCHEMA = %(schema)s AND REFERENCED_TABLE_NAME = %(table)s))) AS `foreign_keys`,
  (SELECT COUNT(*) FROM information_schema.TABLE_CONSTRAINTS WHERE TABLE_SCHEMA = %(schema)s
     AND TABLE_NAME = %(table)s AND CONSTRAINT_TYPE = 'PRIMARY KEY') AS `primary_keys`
"""


def statement_obstacles(table: str, statement: str) -> list[AlterdError]:
    """Of the text alone. Pure."""
    found: list[AlterdError] = [CannotRunSpirit(why, hint=USE_VITESS, table=table) for why in refused(statement)]
    if len(table.encode()) > LONGEST:
        why = f"spirit makes its tables' names of {table}: it cuts those of more than {LONGEST} bytes"
        found.append(CannotRunSpirit(why, hint=USE_VITESS, table=table))
    if "." in table or "`" in table:
        found.append(CannotRunSpirit(f"spirit takes no name like {table}", hint=USE_VITESS, table=table))
    if not table.isascii():
        why = f"{table} is known to InnoDB by a code: this plugin reads those of ASCII letters only"
        found.append(CannotRunSpirit(why, hint=USE_VITESS, table=table))
    return found


async def table_obstacles(session: Session, schema: str, table: str) -> list[AlterdError]:
    """Of the table."""
    sql = _TABLE.replace("%(schema)s", "%s").replace("%(table)s", "%s")
    [row] = await session.query(sql, (schema, table) * 5)
    if row["engine"] is None:
        return []  # MySQL says so itself, or it is made by the same script
    wrong = {
        f"{table} is no table of InnoDB": str(row["engine"]).lower() != "innodb",
        f"{table} has triggers": bool(row["triggers"]),
        f"{table} takes part in foreign keys": bool(row["foreign_keys"]),
        f"{table} has no primary key": not row["primary_keys"],
    }
    found: list[AlterdError] = [
        CannotRunSpirit(f"{why}: spirit does not take it", hint=USE_VITESS, table=table)
        for why, it_is in wrong.items()
        if it_is
    ]
    return found


async def names_taken(session: Session, schema: str, table: str) -> tuple[str, ...]:
    """Tables under spirit's names for `table`, but for the sentinel: of a migration that runs now, or a user's."""
    names = Names(table=table)
    return tuple(sorted(await existing(session, schema, (names.new, names.old, names.checkpoint))))


async def server_obstacles(session: Session) -> list[AlterdError]:
    """Of the server's settings."""
    columns = ", ".join(f"CAST(@@global.{name} AS CHAR) AS `{name}`" for name in SETTINGS)
    [row] = await session.query(f"SELECT {columns}")
    return [
        CannotRunSpirit(
            f"the server has {name} = {row[name]!r}, and spirit takes {wanted[0]!r} only",
            hint=USE_VITESS,
            setting=name,
        )
        for name, wanted in SETTINGS.items()
        if str(row[name]) not in wanted
    ]


async def account_obstacles(session: Session) -> list[AlterdError]:
    """Of alterd's own account: it reads which table has a name, and hands on what spirit's needs."""
    found: list[AlterdError] = []
    try:
        await session.value("SELECT COUNT(*) FROM information_schema.INNODB_TABLES WHERE NAME = 'none'")
    except StatementFailed as error:
        found.append(MissingPrivilege(f"alterd cannot tell tables apart: {error.message}", hint="GRANT PROCESS ON *.*"))
    shown = [str(text) for row in await session.query("SHOW GRANTS") for text in row.values()]
    if lacking := sorted({*GLOBAL_GRANTS, *DYNAMIC_GRANTS, "CREATE USER"} - grantable(shown)):
        named = ", ".join(lacking)
        found.append(
            MissingPrivilege(
                f"spirit's account needs what alterd's cannot hand on: {named}",
                hint=f"GRANT {named} ON *.* TO alterd's account WITH GRANT OPTION",
            )
        )
    return found


def grantable(shown: Sequence[str]) -> frozenset[str]:
    """What an account may hand on for all of a server, by its SHOW GRANTS. Pure."""
    found: set[str] = set()
    for line in shown:
        match = _GRANT.match(line)
        if match and line.endswith("WITH GRANT OPTION"):
            found |= {word.strip() for word in match[1].split(",")}
    if "ALL PRIVILEGES" in found:
        found |= {*GLOBAL_GRANTS, *DYNAMIC_GRANTS, "CREATE USER"}
    return frozenset(found)
