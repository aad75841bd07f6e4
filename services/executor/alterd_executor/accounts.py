"""MySQL accounts of one attempt: made with a random password, dropped whatever happens."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence

import structlog

from alterd_contracts.errors import InvalidSetting, StatementFailed
from alterd_contracts.strategy import Account
from alterd_runtime.mysql.fence import Fence
from alterd_runtime.mysql.session import Session

log = structlog.get_logger(__name__)

_GRANT = re.compile(r"[A-Z_, ]+ ON [^;]+")
_DENIED = frozenset({1142, 1227})


def stem(fence: Fence) -> str:
    """What the accounts of a shard migration begin with; shards may share a server, so not the uuid alone."""
    whole = f"{fence.keyspace}/{fence.shard}/{fence.migration_uuid}"
    return f"alterd_{hashlib.sha256(whole.encode()).hexdigest()[:12]}_"


async def create(session: Session, fence: Fence, grants: Sequence[str]) -> Account:
    """Raises `StatementFailed`: our own account may not make others, or grant what it has not."""
    for grant in grants:
        if not _GRANT.fullmatch(grant):
            raise InvalidSetting(f"{grant!r} is no grant", hint="write SELECT, INSERT ON `schema`.*")
    account = Account(user=f"{stem(fence)}{fence.attempt}", password=f"aA1!{secrets.token_urlsafe(24)}")
    await session.execute(f"DROP USER IF EXISTS '{account.user}'@'%'")
    try:
        await session.execute(f"CREATE USER '{account.user}'@'%' IDENTIFIED BY %s", (account.password,))
    except StatementFailed as error:
        error.message = error.message.replace(account.password, "***")
        raise
    for grant in grants:
        await session.execute(f"GRANT {grant} TO '{account.user}'@'%'")
    return account


async def sweep(session: Session, fence: Fence) -> int:
    """Drops the accounts of this and earlier attempts, and ends their sessions: how many."""
    try:
        rows = await session.query("SELECT User AS user FROM mysql.user WHERE User LIKE %s", (stem(fence) + "%",))
    except StatementFailed as error:
        if int(error.where.get("errno", 0)) in _DENIED:
            return 0  # who may not look at accounts could not make any either
        raise
    dropped = 0
    for row in rows:
        attempt = row["user"].removeprefix(stem(fence))
        if not attempt.isdecimal() or int(attempt) > fence.attempt:
            continue
        await session.execute(f"DROP USER IF EXISTS '{row['user']}'@'%'")
        for process in await session.query(
            "SELECT PROCESSLIST_ID AS id FROM performance_schema.threads WHERE PROCESSLIST_USER = %s", (row["user"],)
        ):
            try:
                await session.execute(f"KILL CONNECTION {process['id']}")
            except StatementFailed as error:
                log.info("mysql.already_gone", connection=process["id"], error=error.message)
        dropped += 1
    return dropped
