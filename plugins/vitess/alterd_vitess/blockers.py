"""Who would keep the swap from getting its locks, or see half a table after it; and what would end each of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any

import msgspec

from alterd_contracts.strategy import Session

SHORT = 1
"""Seconds: a transaction younger than that will be over before the lock's longest patience is."""
BACKUPS = ("mysqldump", "mysqlpump", "mydumper", "xtrabackup", "mariabackup", "mysqlbackup")
"""Programs that take backups, by what they call themselves."""
OURS = "alterd:"
"""What the program names of alterd's own sessions begin with."""
_NOBODY = frozenset({"system user", "event_scheduler"})
_APPLIERS = ("replica", "slave", "group_rpl", "clone")

_WHO = """
       t.PROCESSLIST_ID AS `id`, t.PROCESSLIST_USER AS `user`, t.PROCESSLIST_HOST AS `host`, t.NAME AS `thread`,
       t.PROCESSLIST_COMMAND AS `command`, t.PROCESSLIST_TIME AS `since`, a.ATTR_VALUE AS `program`,
       x.TIMER_WAIT / 1e12 AS `age`, x.AUTOCOMMIT AS `autocommit`, x.XA_STATE AS `xa`
"""
_PROGRAM = """
LEFT JOIN performance_schema.session_connect_attrs a
       ON a.PROCESSLIST_ID = t.PROCESSLIST_ID AND a.ATTR_NAME = 'program_name'
"""
# Owners without a thread are prepared transactions that outlived their session. INNODB_TRX would be the other source of
# ages; on 9.7 it fails (3854) while anybody's statement holds a character beyond U+FFFF.
_LOCKS = f"""
SELECT m.OBJECT_TYPE AS `object`, m.OBJECT_NAME AS `table`, m.LOCK_TYPE AS `type`, {_WHO}
FROM performance_schema.metadata_locks m
LEFT JOIN performance_schema.threads t ON t.THREAD_ID = m.OWNER_THREAD_ID
LEFT JOIN performance_schema.events_transactions_current x ON x.THREAD_ID = m.OWNER_THREAD_ID AND x.STATE = 'ACTIVE'
{_PROGRAM}
WHERE m.LOCK_STATUS = 'GRANTED' AND COALESCE(t.PROCESSLIST_ID, 0) <> CONNECTION_ID()
  AND ((m.OBJECT_TYPE = 'TABLE' AND (m.OBJECT_SCHEMA, m.OBJECT_NAME) IN (%(tables)s))
    OR (m.OBJECT_TYPE = 'BACKUP LOCK' AND m.LOCK_TYPE = 'SHARED')
    OR (m.OBJECT_TYPE IN ('GLOBAL', 'COMMIT') AND m.LOCK_TYPE = 'SHARED'))
"""
_VIEWS = f"""
SELECT 'VIEW' AS `object`, '' AS `table`, '' AS `type`, {_WHO}
FROM performance_schema.events_transactions_current x
JOIN performance_schema.threads t ON t.THREAD_ID = x.THREAD_ID
{_PROGRAM}
WHERE x.STATE = 'ACTIVE' AND x.AUTOCOMMIT = 'NO' AND x.ISOLATION_LEVEL IN ('REPEATABLE READ', 'SERIALIZABLE')
  AND t.PROCESSLIST_ID <> CONNECTION_ID() AND x.TIMER_WAIT / 1e12 > %s
"""

Place = tuple[str, str]
"""A schema and a table."""


class End(StrEnum):
    """What would end a blocker."""

    STATEMENT = "KILL QUERY"
    """A statement of its own is all there is."""
    SESSION = "KILL CONNECTION"
    """It holds what its statements have left behind."""
    NOTHING = ""
    """It must not be ended: a backup, a prepared transaction, a replica's applier, alterd itself."""


class Blocker(msgspec.Struct, frozen=True, kw_only=True):
    """Something that stands in the way."""

    words: str
    id: int = 0
    """Of its connection; 0 where there is none."""
    end: End = End.NOTHING


async def blockers(
    session: Session, places: Sequence[Place], since_copied: float, *, older: float = SHORT
) -> list[Blocker]:
    """Who holds what the swap of tables at `places` needs.

    `since_copied`: seconds since the copy was finished: an older snapshot would see a part of the new table.
    `older`: seconds from which on a transaction on a table counts.
    """
    tables = ", ".join(["(%s, %s)"] * len(places))
    values = [name for place in places for name in place]
    rows = await session.query(_LOCKS % {"tables": tables}, values)
    return found_in([*rows, *await session.query(_VIEWS, (since_copied,))], older)


def found_in(rows: Iterable[dict[str, Any]], older: float) -> list[Blocker]:
    """What the rows of the server say, each connection once, what must not be ended first. Pure."""
    rows = list(rows)
    spared = {row["id"] for row in rows if row["object"] not in {"TABLE", "VIEW"}}
    found: dict[tuple[object, str], Blocker] = {}
    for row in rows:
        if row["object"] == "TABLE" and not _lasting(row) and _age(row) < older:
            continue
        key = row["id"], row["object"] if row["object"] != "VIEW" else "TABLE"
        end = End.NOTHING if row["id"] in spared else _end(row)
        found.setdefault(key, Blocker(words=_words(row), id=row["id"] or 0, end=end))
    return sorted(found.values(), key=lambda each: each.end is not End.NOTHING)


def _age(row: dict[str, Any]) -> float:
    return float(row["age"] if row["age"] is not None else row["since"] or 0)


def _end(row: dict[str, Any]) -> End:
    program, thread = str(row["program"] or ""), str(row["thread"] or "")
    nobody = row["user"] is None or row["user"] in _NOBODY
    applier = any(each in thread for each in _APPLIERS)
    if nobody or applier or program.startswith(OURS) or _lasting(row):
        return End.NOTHING
    alone = row["autocommit"] != "NO" and row["command"] != "Sleep"
    return End.STATEMENT if alone and row["object"] == "TABLE" else End.SESSION


def _lasting(row: dict[str, Any]) -> bool:
    """A prepared transaction, or a backup that holds tables: neither is over soon, however young it is."""
    # FLUSH TABLES … WITH READ LOCK, as a backup takes it; an ALTER holds the same while it works
    flushed = row["type"] == "SHARED_NO_WRITE" and row["command"] == "Sleep"
    return row["id"] is None or row["xa"] == "PREPARED" or flushed or str(row["program"] or "") in BACKUPS


def _words(row: dict[str, Any]) -> str:
    if row["id"] is None:
        return f"a prepared XA transaction holds {row['table']}: commit it or roll it back"
    who = f"connection {row['id']} ({row['user']}@{row['host']})"
    if row["object"] == "BACKUP LOCK":
        return f"{who} holds a backup lock"
    if row["object"] == "VIEW":
        return f"{who} has a snapshot of {_age(row):.1f} s ago: it would see a part of the new table"
    if row["object"] != "TABLE":
        return f"{who} holds a global read lock"
    if row["xa"] == "PREPARED":
        return f"{who} holds {row['table']} by a prepared XA transaction: commit it or roll it back"
    return f"{who} has used {row['table']} in a transaction for {_age(row):.0f} s ({row['type']})"
