"""Who would keep the swap from getting its locks, or see half a table after it."""

from __future__ import annotations

from typing import Any

import msgspec

from alterd_contracts.strategy import Session

SHORT = 1
"""Seconds: a transaction younger than that will be over before the lock's patience is."""

# Owners without a thread are prepared transactions that outlived their session. INNODB_TRX would be the other source of
# ages; on 9.7 it fails (3854) while anybody's statement holds a character beyond U+FFFF.
_LOCKS = """
SELECT m.OBJECT_TYPE AS `object`, m.LOCK_TYPE AS `type`, t.PROCESSLIST_ID AS `id`, t.PROCESSLIST_USER AS `user`,
       t.PROCESSLIST_HOST AS `host`, t.PROCESSLIST_TIME AS `since`, x.TIMER_WAIT / 1e12 AS `age`
FROM performance_schema.metadata_locks m
LEFT JOIN performance_schema.threads t ON t.THREAD_ID = m.OWNER_THREAD_ID
LEFT JOIN performance_schema.events_transactions_current x ON x.THREAD_ID = m.OWNER_THREAD_ID AND x.STATE = 'ACTIVE'
WHERE m.LOCK_STATUS = 'GRANTED' AND COALESCE(t.PROCESSLIST_ID, 0) <> CONNECTION_ID()
  AND ((m.OBJECT_TYPE = 'TABLE' AND m.OBJECT_SCHEMA = %s AND m.OBJECT_NAME = %s)
    OR (m.OBJECT_TYPE = 'BACKUP LOCK' AND m.LOCK_TYPE = 'SHARED')
    OR (m.OBJECT_TYPE IN ('GLOBAL', 'COMMIT') AND m.LOCK_TYPE = 'SHARED'))
"""
_VIEWS = """
SELECT t.PROCESSLIST_ID AS `id`, x.TIMER_WAIT / 1e12 AS `age`
FROM performance_schema.events_transactions_current x JOIN performance_schema.threads t ON t.THREAD_ID = x.THREAD_ID
WHERE x.STATE = 'ACTIVE' AND x.AUTOCOMMIT = 'NO' AND x.ISOLATION_LEVEL IN ('REPEATABLE READ', 'SERIALIZABLE')
  AND t.PROCESSLIST_ID <> CONNECTION_ID() AND x.TIMER_WAIT / 1e12 > %s
"""


class Blocker(msgspec.Struct, frozen=True, kw_only=True):
    """Something that stands in the way, in words."""

    words: str


async def blockers(session: Session, schema: str, table: str, since_copied: float) -> list[Blocker]:
    """Who holds what the swap needs.

    `since_copied`: seconds since the copy was finished: an older snapshot would see a part of the new table.
    """
    found: dict[tuple[object, str], Blocker] = {}
    for row in await session.query(_LOCKS, (schema, table)):
        blocker = _of_lock(row, table)
        if blocker is not None:
            found[row["id"], row["object"]] = blocker
    for row in await session.query(_VIEWS, (since_copied,)):
        words = f"connection {row['id']} has a snapshot of {row['age']:.1f} s ago: it would see a part of the new table"
        found.setdefault((row["id"], "TABLE"), Blocker(words=words))
    return list(found.values())


def _of_lock(row: dict[str, Any], table: str) -> Blocker | None:
    if row["id"] is None:
        return Blocker(words=f"a prepared XA transaction holds {table}: commit it or roll it back")
    who = f"connection {row['id']} ({row['user']}@{row['host']})"
    if row["object"] == "BACKUP LOCK":
        return Blocker(words=f"{who} holds a backup lock")
    if row["object"] != "TABLE":
        return Blocker(words=f"{who} holds a global read lock")
    age = float(row["age"] if row["age"] is not None else row["since"] or 0)
    if age < SHORT:
        return None
    return Blocker(words=f"{who} has used {table} in a transaction for {age:.0f} s ({row['type']})")
