"""Who would keep the swap from getting its locks, or see half a table after it."""

from __future__ import annotations

from typing import Any

import msgspec

from alterd_contracts.strategy import Session

SHORT = 1
"""Seconds: a transaction younger than that will be over before the lock's patience is."""

# Owners without a thread are prepared transactions that outlived their session.
_LOCKS = """
SELECT m.OBJECT_TYPE AS `object`, m.LOCK_TYPE AS `type`, t.PROCESSLIST_ID AS `id`, t.PROCESSLIST_USER AS `user`,
       t.PROCESSLIST_HOST AS `host`, t.PROCESSLIST_TIME AS `since`,
       TIMESTAMPDIFF(SECOND, x.trx_started, NOW()) AS `age`
FROM performance_schema.metadata_locks m
LEFT JOIN performance_schema.threads t ON t.THREAD_ID = m.OWNER_THREAD_ID
LEFT JOIN information_schema.INNODB_TRX x ON x.trx_mysql_thread_id = t.PROCESSLIST_ID
WHERE m.LOCK_STATUS = 'GRANTED' AND COALESCE(t.PROCESSLIST_ID, 0) <> CONNECTION_ID()
  AND ((m.OBJECT_TYPE = 'TABLE' AND m.OBJECT_SCHEMA = %s AND m.OBJECT_NAME = %s)
    OR (m.OBJECT_TYPE = 'BACKUP LOCK' AND m.LOCK_TYPE = 'SHARED')
    OR (m.OBJECT_TYPE IN ('GLOBAL', 'COMMIT') AND m.LOCK_TYPE = 'SHARED'))
"""
_VIEWS = """
SELECT trx_mysql_thread_id AS `id`, TIMESTAMPDIFF(SECOND, trx_started, NOW()) AS `age`
FROM information_schema.INNODB_TRX
WHERE trx_isolation_level IN ('REPEATABLE READ', 'SERIALIZABLE') AND trx_mysql_thread_id <> 0
  AND trx_started < %s
"""


class Blocker(msgspec.Struct, frozen=True, kw_only=True):
    """Something that stands in the way, in words."""

    words: str


async def blockers(session: Session, schema: str, table: str, copied_at: str) -> list[Blocker]:
    """Who holds what the swap needs. `session` has the server's own time zone.

    `copied_at`: NOW() when the copy was finished: a snapshot from before that would see a part of the new table.
    """
    found: dict[tuple[object, str], Blocker] = {}
    for row in await session.query(_LOCKS, (schema, table)):
        blocker = _of_lock(row, table)
        if blocker is not None:
            found[row["id"], row["object"]] = blocker
    for row in await session.query(_VIEWS, (copied_at,)):
        words = (
            f"connection {row['id']} has a snapshot that is {row['age']} s old: it would see a part of the new table"
        )
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
    age = row["age"] if row["age"] is not None else row["since"] or 0
    if age < SHORT:
        return None
    return Blocker(words=f"{who} has used {table} in a transaction for {age} s ({row['type']})")
