"""The shadow table: the source's definition under another name, with the ALTER applied while it is empty."""

from __future__ import annotations

import re

from alterd_contracts.strategy import Session
from alterd_runtime.mysql.quoting import identifier
from alterd_runtime.mysql.scratch import as_users_do
from alterd_runtime.sql import split_alter

_HEAD = re.compile(r"CREATE TABLE `(?:[^`]|``)*`")


def marker(uuid: str) -> str:
    """What begins each of our own DDL statements: the change stream passes over them."""
    return f"/* alterd:{uuid} */"


def renamed(definition: str, name: str) -> str:
    """A SHOW CREATE TABLE for a table of another name."""
    quoted = f"CREATE TABLE {identifier(name)}"
    return _HEAD.sub(lambda _: quoted, definition, count=1)


def retargeted(alter: str, name: str) -> str:
    """The same ALTER TABLE for a table of another name."""
    return f"ALTER TABLE {identifier(name)}{alter[len(split_alter(alter).head) :]}"


async def make_shadow(session: Session, definition: str, alter: str, name: str, mark: str) -> None:
    """Makes the empty table `name` in the session's schema. Raises `StatementFailed`."""
    # old definitions may hold what today's modes refuse, such as zero dates; the user's own words are judged
    await session.execute("SET SESSION sql_mode = '', SESSION innodb_strict_mode = 0")
    await session.execute(f"{mark} {renamed(definition, name)}")
    await session.execute("SET SESSION innodb_strict_mode = @@global.innodb_strict_mode")
    await as_users_do(session)
    await session.execute(f"{mark} {retargeted(alter, name)}")
