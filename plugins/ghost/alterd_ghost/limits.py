"""What of the server, the table and alterd's own account speaks against gh-ost."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

from alterd_contracts.errors import AlterdError, InvalidStrategy, MissingPrivilege
from alterd_contracts.strategy import Session
from alterd_ghost.command import SCHEMA_GRANTS
from alterd_ghost.errors import CannotRunGhost
from alterd_ghost.flags import STRATEGY, Asked
from alterd_runtime.ddl_strategy.setting import shown
from alterd_runtime.mysql.grants import Grants, for_accounts, read_grants
from alterd_runtime.mysql.grants import errors as grant_errors
from alterd_runtime.mysql.quoting import identifier
from alterd_tools.arguments import value_of

CHUNK: Final = 1000
"""Rows of gh-ost's chunks unless told otherwise."""
LEAST_CHUNK: Final = 10
"""gh-ost takes this for fewer."""

_DECIMAL: Final = re.compile(r"[1-9][0-9]{0,17}")
_WILD: Final = re.compile("[_%]")
_WANTED: Final = {
    "log_bin": "ON",
    "binlog_format": "ROW",
    "binlog_row_image": "FULL",
    "binlog_row_value_options": "",
    "binlog_transaction_compression": "OFF",
}
_SERVER: Final = (
    f"SELECT {', '.join(f'@@global.{name} AS {name}' for name in _WANTED)}, @@global.max_error_count AS errors"
)
_TRIGGERS: Final = (
    "SELECT TRIGGER_NAME AS `name` FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = %s"
    " AND EVENT_OBJECT_TABLE = %s ORDER BY TRIGGER_NAME"
)
_FOREIGN_KEYS: Final = """
SELECT CONCAT(CONSTRAINT_NAME, ' of ', TABLE_NAME) AS `name` FROM information_schema.REFERENTIAL_CONSTRAINTS
WHERE (CONSTRAINT_SCHEMA = %s AND TABLE_NAME = %s) OR (UNIQUE_CONSTRAINT_SCHEMA = %s AND REFERENCED_TABLE_NAME = %s)
UNION
SELECT CONCAT(SUBSTRING_INDEX(ID, '/', -1), ' of ', SUBSTRING_INDEX(FOR_NAME, '/', -1))
FROM information_schema.INNODB_FOREIGN WHERE FOR_NAME = %s OR REF_NAME = %s
ORDER BY 1
"""


async def account_limits(session: Session, schema: str) -> list[AlterdError]:
    """What alterd's own account lacks to make one for gh-ost, and to end it."""
    held = await read_grants(session)
    found: list[AlterdError] = [*grant_errors(held.lacking(for_accounts(STRATEGY), schema), schema, held.account)]
    if found or await session.value("SELECT @@global.partial_revokes"):
        return found
    return pattern_limits(held, schema)


def pattern_limits(held: Grants, schema: str) -> list[AlterdError]:
    """Whether alterd's account may grant on a schema whose name, as gh-ost wants it written, is a pattern. Pure."""
    lacking = [privilege for privilege in SCHEMA_GRANTS if not held.may_grant(privilege, schema)]
    if not lacking or not _WILD.search(schema):
        return []
    return [
        MissingPrivilege(
            f"gh-ost's account needs a grant on {schema} without backslashes, where _ stands for any letter: "
            f"{held.account}, which holds its own with backslashes, may not give it",
            hint=f"GRANT {', '.join(SCHEMA_GRANTS)} ON {identifier(schema)}.* TO {held.account};",
            privilege=", ".join(lacking),
        )
    ]


async def server_limits(session: Session, asked: Asked) -> list[AlterdError]:
    """What the server lacks."""
    [row] = await session.query(_SERVER)
    found = judge_variables(row)
    errors = int(row["errors"])
    try:
        rows = chunk_rows(asked.passed)
    except InvalidStrategy as error:
        return [*found, error]
    if rows > errors:
        found.append(
            CannotRunGhost(
                f"chunks of {rows} rows can have more warnings than the {errors} that the server keeps: gh-ost would "
                "not see a row that does not fit",
                hint=(f"--chunk-size={errors} at most, or " if errors >= LEAST_CHUNK else "") + "raise max_error_count",
                setting="max_error_count",
            )
        )
    return found


def chunk_rows(passed: Iterable[str]) -> int:
    """Rows of the chunks that gh-ost makes with these arguments. Pure.

    Raises `InvalidStrategy`: a number that is not plain; 0x1000, 010 and 5_000 are numbers to gh-ost too.
    """
    chunk = value_of("chunk-size", passed)
    if chunk is None:
        return CHUNK
    if not _DECIMAL.fullmatch(chunk):
        raise InvalidStrategy(
            f"--chunk-size takes a number above 0, not {shown(chunk)!r}",
            hint="write it in decimal digits alone, without a leading zero: --chunk-size=500",
            flag="chunk-size",
        )
    return max(int(chunk), LEAST_CHUNK)


def judge_variables(row: dict[str, Any]) -> list[AlterdError]:
    """What is wrong with the server's global variables. Pure."""
    found: list[AlterdError] = []
    for name, wanted in _WANTED.items():
        value = {0: "OFF", 1: "ON"}.get(row[name], row[name])
        if value != wanted:
            why = ": gh-ost passes over what is compressed" if name == "binlog_transaction_compression" else ""
            found.append(
                CannotRunGhost(
                    f"gh-ost needs {name}={wanted or repr('')}, the primary has {value}{why}",
                    hint=f"SET PERSIST {name} = {wanted or repr('')}; sessions that are open keep theirs"
                    if name != "log_bin"
                    else "start the server without skip-log-bin",
                    setting=name,
                )
            )
    return found


async def table_limits(session: Session, schema: str, table: str) -> list[AlterdError]:
    """What hangs on the table and would be lost, or hang on the old one."""
    place = f"{schema}/{table}"
    keys = await session.query(_FOREIGN_KEYS, (schema, table, schema, table, place, place))
    triggers = await session.query(_TRIGGERS, (schema, table))
    found: list[AlterdError] = []
    if keys:
        found.append(
            CannotRunGhost(
                f"{table} takes part in foreign keys ({', '.join(str(row['name']) for row in keys)}), which gh-ost "
                "does not carry over",
                hint="use the strategy vitess with --unsafe-allow-foreign-keys, or mysql",
                table=table,
            )
        )
    if triggers:
        found.append(
            CannotRunGhost(
                f"{table} has triggers ({', '.join(str(row['name']) for row in triggers)}): they would stay on the old "
                "table",
                hint="drop them first and make them anew afterwards, or use the strategy mysql",
                table=table,
            )
        )
    return found
