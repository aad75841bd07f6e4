"""MySQL accounts of one attempt: made with a random password, ended and dropped whatever happens.

Ended means locked and without a session: what an older attempt's program does on the server is over then, wherever
that program runs. Dropped they are later: triggers and views made by an account go on while it is locked, and break
when it is gone. So the strategy cleans up in between.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import secrets
from collections.abc import Sequence
from typing import Any

import msgspec
import structlog

from alterd_contracts.errors import Ambiguous, InvalidSetting, StatementFailed
from alterd_contracts.strategy import Account
from alterd_runtime.mysql.errors import UNKNOWN_THREAD
from alterd_runtime.mysql.fence import Fence
from alterd_runtime.mysql.quoting import qualified
from alterd_runtime.mysql.session import Session

log = structlog.get_logger(__name__)

PATIENCE = 60.0
"""Seconds for the sessions of an ended account to be gone: a killed statement first rolls back."""
LOOK_AGAIN = 0.05
"""Seconds between two looks."""
AT_MOST = 200
"""Attempts whose accounts are looked for by name, where the list of accounts may not be read."""

_GRANT = re.compile(r"[A-Z_, ]+ ON [^;]+")
_DENIED = frozenset({1142, 1227})
_TRIGGERS = (
    "SELECT TRIGGER_SCHEMA AS `schema`, TRIGGER_NAME AS `name` FROM information_schema.TRIGGERS WHERE DEFINER = %s"
)
_SESSIONS = "SELECT PROCESSLIST_ID AS id FROM performance_schema.threads WHERE PROCESSLIST_USER IN ({})"


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """An account that some attempt has left."""

    user: str
    keyspace: str
    shard: str
    migration_uuid: str
    attempt: int


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
    whose = {name: getattr(fence, name) for name in ("keyspace", "shard", "migration_uuid", "attempt")}
    await session.execute(f"DROP USER IF EXISTS '{account.user}'@'%'")
    try:
        await session.execute(
            f"CREATE USER '{account.user}'@'%' IDENTIFIED BY %s ATTRIBUTE %s",
            (account.password, json.dumps({"alterd": whose})),
        )
    except StatementFailed as error:
        error.message = error.message.replace(account.password, "***")
        raise
    for grant in grants:
        await session.execute(f"GRANT {grant} TO '{account.user}'@'%'")
    return account


async def end(session: Session, fence: Fence, *, patience: float = PATIENCE) -> int:
    """Locks the accounts of this and earlier attempts, and returns when they have no session: how many there are.

    Raises `Ambiguous`: a session does not end.
    """
    users = await _accounts(session, fence)
    await _end(session, users, patience)
    return len(users)


async def sweep(session: Session, fence: Fence, *, patience: float = PATIENCE) -> int:
    """Ends the accounts of this and earlier attempts, and drops them: how many. Raises `Ambiguous`."""
    users = await _accounts(session, fence)
    await _end(session, users, patience)
    await _drop(session, users)
    return len(users)


async def left(session: Session) -> list[Left]:
    """All accounts of attempts on the server, as far as our own account sees them: CREATE USER is enough."""
    rows = await session.query(
        "SELECT USER AS user, ATTRIBUTE AS attribute FROM information_schema.USER_ATTRIBUTES"
        " WHERE USER LIKE 'alterd\\_%\\_%'"
    )
    return [found for row in rows if (found := _left(row)) is not None]


async def remove(session: Session, account: Left, *, patience: float = PATIENCE) -> None:
    """Ends and drops one account. Raises `Ambiguous`."""
    await _end(session, [account.user], patience)
    await _drop(session, [account.user])


def _left(row: dict[str, Any]) -> Left | None:
    try:
        whose = json.loads(row["attribute"] or "null")["alterd"]
        return msgspec.convert({**whose, "user": row["user"]}, Left)
    except (ValueError, TypeError, KeyError, msgspec.ValidationError):
        return None  # somebody else's


async def _accounts(session: Session, fence: Fence) -> list[str]:
    """Names of accounts that are there."""
    try:
        rows = await session.query("SELECT User AS user FROM mysql.user WHERE User LIKE %s", (stem(fence) + "%",))
    except StatementFailed as error:
        if _errno(error) not in _DENIED:
            raise
        return await _locked_by_name(session, fence)
    numbers = {row["user"]: row["user"].removeprefix(stem(fence)) for row in rows}
    return [user for user, attempt in numbers.items() if attempt.isdecimal() and int(attempt) <= fence.attempt]


async def _locked_by_name(session: Session, fence: Fence) -> list[str]:
    """Locks those that are there, of the last attempts; none where our account may not: then it has made none."""
    found = []
    for number in range(fence.attempt, max(0, fence.attempt - AT_MOST), -1):
        user = f"{stem(fence)}{number}"
        try:
            await session.execute(f"ALTER USER '{user}'@'%' ACCOUNT LOCK")
        except StatementFailed as error:
            if _errno(error) in _DENIED:
                break
            log.debug("mysql.no_account", user=user, error=error.message)
        else:
            found.append(user)
    return found


async def _end(session: Session, users: Sequence[str], patience: float) -> None:
    for user in users:
        await session.execute(f"ALTER USER IF EXISTS '{user}'@'%' ACCOUNT LOCK")
    if not users:
        return
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience
    question = _SESSIONS.format(", ".join("%s" for _ in users))
    while rows := await session.query(question, tuple(users)):
        for row in rows:
            try:
                await session.execute(f"KILL CONNECTION {row['id']}")
            except StatementFailed as error:
                if _errno(error) != UNKNOWN_THREAD:
                    raise
        if loop.time() > deadline:
            raise Ambiguous(
                f"sessions of {', '.join(users)} were killed and go on: {', '.join(str(row['id']) for row in rows)}",
                hint="look at the server's process list; retry the migration when these sessions are gone",
            )
        await asyncio.sleep(LOOK_AGAIN)


async def _drop(session: Session, users: Sequence[str]) -> None:
    """With the triggers that they defined: one without its definer would refuse every write to its table."""
    for user in users:
        for row in await session.query(_TRIGGERS, (f"{user}@%",)):
            await session.execute(f"DROP TRIGGER IF EXISTS {qualified(row['schema'], row['name'])}")
        await session.execute(f"DROP USER IF EXISTS '{user}'@'%'")


def _errno(error: StatementFailed) -> int:
    return int(error.where.get("errno", 0))
