"""What speaks against an online change, each with its remedy."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from alterd_contracts.errors import AlterdError, StatementFailed
from alterd_contracts.strategy import Session
from alterd_runtime.mysql.grants import missing
from alterd_runtime.mysql.quoting import identifier
from alterd_vitess.errors import CannotRunOnline

USE_ANOTHER = "use the strategy mysql, or gh-ost and pt-osc where they are offered"

CONSUMERS = ("global_instrumentation", "thread_instrumentation", "events_transactions_current")
INSTRUMENTS = ("transaction", "wait/lock/metadata/sql/mdl")
"""What of performance_schema must be on; it is by default."""

WANTED = {
    "gtid_mode": ("ON", "go by OFF_PERMISSIVE and ON_PERMISSIVE to ON, with enforce_gtid_consistency=ON"),
    "binlog_format": ("ROW", "SET PERSIST binlog_format = 'ROW'; sessions that are open keep theirs"),
    "binlog_row_image": ("FULL", "SET PERSIST binlog_row_image = 'FULL'; sessions that are open keep theirs"),
    "binlog_row_value_options": ("", "SET PERSIST binlog_row_value_options = ''; sessions that are open keep theirs"),
}
"""Of each global variable what it must be, and how to come there. Sessions may differ: the change stream sees that."""
READ_ONLY = ("read_only", "super_read_only", "innodb_read_only")

_SERVER = f"""
SELECT @@global.log_bin AS `log_bin`, @@version AS `version`,
       {", ".join(f"@@global.{name} AS `{name}`" for name in (*WANTED, *READ_ONLY))}
"""
_PRIMARIES = """
SELECT COUNT(*) FROM performance_schema.replication_group_members
WHERE MEMBER_ROLE = 'PRIMARY' AND MEMBER_STATE = 'ONLINE'
"""
_SWITCHED_ON = """
SELECT NAME AS `name` FROM performance_schema.setup_consumers WHERE ENABLED = 'YES'
UNION ALL SELECT NAME FROM performance_schema.setup_instruments WHERE ENABLED = 'YES' AND NAME IN (%s, %s)
"""
_TRIGGERS = """
SELECT TRIGGER_NAME AS name FROM information_schema.TRIGGERS
WHERE EVENT_OBJECT_SCHEMA = %s AND EVENT_OBJECT_TABLE = %s ORDER BY TRIGGER_NAME
"""
_SHOWS_KEYS = "show_gipk_in_create_table_and_information_schema"
_MADE_KEY = """
SELECT COUNT(*) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s
  AND COLUMN_NAME = 'my_row_id' AND COLUMN_KEY = 'PRI' AND EXTRA LIKE '%%INVISIBLE%%'
"""
_CHILDREN_ELSEWHERE = """
SELECT ID AS `id`, FOR_NAME AS `child` FROM information_schema.INNODB_FOREIGN
WHERE REF_NAME = %s AND SUBSTRING_INDEX(FOR_NAME, '/', 1) <> %s ORDER BY ID
"""
_SEEN_CHILDREN = """
SELECT CONSTRAINT_SCHEMA AS `schema`, CONSTRAINT_NAME AS `name` FROM information_schema.REFERENTIAL_CONSTRAINTS
WHERE UNIQUE_CONSTRAINT_SCHEMA = %s AND REFERENCED_TABLE_NAME = %s
"""


async def server_obstacles(session: Session) -> list[AlterdError]:
    """What the server lacks for a change stream."""
    row: dict[str, Any] = (await session.query(_SERVER))[0]
    found = judge_variables(row)
    if not row["log_bin"]:
        return found
    switched_on = {str(each["name"]) for each in await session.query(_SWITCHED_ON, INSTRUMENTS)}
    found += judge_instruments(switched_on)
    found += await _filters(session, str(row["version"]))
    if int(await session.value(_PRIMARIES)) > 1:
        found.append(
            CannotRunOnline(
                "group replication runs with several primaries: no one of them sees all writes in order",
                hint="SELECT group_replication_switch_to_single_primary_mode()",
                setting="group_replication_single_primary_mode",
            )
        )
    return found


def judge_variables(row: dict[str, Any]) -> list[AlterdError]:
    """What is wrong with the server's global variables. Pure."""

    def needs(name: str, wanted: str, remedy: str) -> CannotRunOnline:
        value = {0: "OFF", 1: "ON"}.get(row[name], row[name])
        return CannotRunOnline(
            f"an online change needs {name}={wanted or repr('')}, the primary has {value}",
            hint=f"{remedy}; or {USE_ANOTHER}",
            setting=name,
        )

    if not row["log_bin"]:
        return [needs("log_bin", "ON", "start the server without skip-log-bin")]
    found: list[AlterdError] = [
        needs(name, wanted, remedy) for name, (wanted, remedy) in WANTED.items() if row[name] != wanted
    ]
    found += [
        CannotRunOnline(
            f"the server has {name}=ON: nothing can be written on it",
            hint="it is no primary: correct the shard's servers, or switch it off",
            setting=name,
        )
        for name in READ_ONLY
        if row[name]
    ]
    return found


def judge_instruments(switched_on: Collection[str]) -> list[AlterdError]:
    """What performance_schema does not show. Pure."""
    consumers = [name for name in CONSUMERS if name not in switched_on]
    instruments = [name for name in INSTRUMENTS if name not in switched_on]
    if not consumers and not instruments:
        return []
    remedies = [
        f"UPDATE performance_schema.{table} SET ENABLED = 'YES' WHERE NAME IN ({', '.join(map(repr, names))})"
        for table, names in (("setup_consumers", consumers), ("setup_instruments", instruments))
        if names
    ]
    return [
        CannotRunOnline(
            "the primary does not show who holds a table or a snapshot: performance_schema has "
            f"{', '.join([*consumers, *instruments])} switched off, and a swap could block writers or show half a "
            "table to a backup",
            hint="; ".join(remedies) + "; with performance_schema=OFF only a restart helps",
        )
    ]


async def _filters(session: Session, version: str) -> list[AlterdError]:
    status = "SHOW BINARY LOG STATUS" if _numbers(version) >= (8, 2) else "SHOW MASTER STATUS"
    try:
        rows = await session.query(status)
    except StatementFailed as error:
        return [
            CannotRunOnline(
                f"the state of the binary log cannot be read: {error.message}",
                hint="grant REPLICATION CLIENT and REPLICATION SLAVE on *.* to the shard's account",
            )
        ]
    names = [name for name in ("Binlog_Do_DB", "Binlog_Ignore_DB") if rows and rows[0].get(name)]
    return [
        CannotRunOnline(
            f"the primary filters its binary log by {name}: changes may be missing from it",
            hint="remove the filter",
            setting=name,
        )
        for name in names
    ]


def _numbers(version: str) -> tuple[int, int]:
    major, minor, *_ = version.split(".")
    return int(major), int(minor)


async def table_obstacles(session: Session, schema: str, table: str) -> list[AlterdError]:
    """What the account lacks, and what hangs on the real table and would be left behind by a swap."""
    found: list[AlterdError] = [*await missing(session, schema, "vitess")]
    if found:
        return found  # what is not seen cannot be judged
    found += await _schema_obstacles(session, schema)
    found += await _hidden_key(session, schema, table)
    found += await _hidden_children(session, schema, table)
    triggers = [row["name"] for row in await session.query(_TRIGGERS, (schema, table))]
    if triggers:
        found.append(
            CannotRunOnline(
                f"{table} has triggers ({', '.join(triggers)}): they would stay on the old table",
                hint=f"drop them, or {USE_ANOTHER}",
                table=table,
            )
        )
    return found


async def _schema_obstacles(session: Session, schema: str) -> list[AlterdError]:
    """An empty copy stands in another schema, so the check would not see it."""
    options = await session.query("SHOW CREATE SCHEMA " + identifier(schema))
    if "READ ONLY" not in str(options[0]["Create Database"]):
        return []
    return [
        CannotRunOnline(
            f"the schema {schema} is read only", hint=f"ALTER SCHEMA {identifier(schema)} READ ONLY = 0", schema=schema
        )
    ]


async def _hidden_key(session: Session, schema: str, table: str) -> list[AlterdError]:
    """A primary key that the server made, and shows nobody: the shadow would get another one."""
    shown = await session.query(f"SHOW VARIABLES LIKE '{_SHOWS_KEYS}'")
    if not shown or shown[0]["Value"] == "ON":
        return []
    await session.execute(f"SET SESSION {_SHOWS_KEYS} = ON")
    try:
        made = await session.value(_MADE_KEY, (schema, table))
    finally:
        await session.execute(f"SET SESSION {_SHOWS_KEYS} = OFF")
    if not made:
        return []
    return [
        CannotRunOnline(
            f"the primary key of {table} was made by the server, which hides it: a copy would number its rows anew",
            hint=f"SET PERSIST {_SHOWS_KEYS} = ON, or {USE_ANOTHER}",
            setting=_SHOWS_KEYS,
            table=table,
        )
    ]


async def _hidden_children(session: Session, schema: str, table: str) -> list[AlterdError]:
    """Tables of other schemas that refer to this one: information_schema hides them from who may not read them."""
    rows = await session.query(_CHILDREN_ELSEWHERE, (f"{schema}/{table}", schema))
    seen = {(row["schema"], row["name"]) for row in await session.query(_SEEN_CHILDREN, (schema, table))}
    names = [
        f"{name} of {child}"
        for row in rows
        for child, name in [(str(row["child"]).replace("/", ".", 1), str(row["id"]).partition("/")[2])]
        if (str(row["child"]).partition("/")[0], name) not in seen
    ]
    if not names:
        return []
    return [
        CannotRunOnline(
            f"foreign keys of other schemas refer to {table} ({', '.join(names)}): they would follow the old table",
            hint="drop them, or use the strategy mysql",
            table=table,
        )
    ]
