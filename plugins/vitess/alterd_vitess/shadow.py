"""The shadow table: the source's definition under another name, with the ALTER applied while it is empty."""

from __future__ import annotations

import re

from alterd_contracts.strategy import Session
from alterd_runtime.mysql.quoting import identifier
from alterd_runtime.mysql.scratch import as_users_do
from alterd_runtime.sql import by_copy, split_alter
from alterd_vitess.constraints import ConstraintNames
from alterd_vitess.foreign_keys import without_foreign_keys

_HEAD = re.compile(r"CREATE TABLE `(?:[^`]|``)*`")


def marker(uuid: str) -> str:
    """What begins each of our own DDL statements: the change stream passes over them."""
    return f"/* alterd:{uuid} */"


def renamed(definition: str, name: str) -> str:
    """A SHOW CREATE TABLE for a table of another name."""
    quoted = f"CREATE TABLE {identifier(name)}"
    return _HEAD.sub(lambda _: quoted, definition, count=1)


def retargeted(alter: str, name: str, names: ConstraintNames) -> str:
    """The same ALTER TABLE for an empty table of another name; nothing where it changes nothing.

    How MySQL was to do it is no matter here. Of an empty table a copy is the exact form: it leaves no row versions, and
    makes several FULLTEXT indexes.
    """
    return by_copy(f"ALTER TABLE {identifier(name)}", split_alter(alter).clauses, names.clause)


async def make_shadow(
    session: Session, definition: str, alter: str, name: str, *, uuid: str, mark: str = "", zero_dates: bool = False
) -> None:
    """Makes the empty table `name` in the session's schema, the ALTER under `as_users_do`. Raises `StatementFailed`."""
    names = ConstraintNames(uuid, split_alter(alter).table)
    # old definitions may hold what today's modes refuse, such as zero dates; the user's own words are judged
    await session.execute("SET SESSION sql_mode = '', SESSION innodb_strict_mode = 0")
    await session.execute(f"{mark} {renamed(names.define(without_foreign_keys(definition)), name)}")
    await session.execute("SET SESSION innodb_strict_mode = @@global.innodb_strict_mode")
    await as_users_do(session, zero_dates=zero_dates)
    if changed := retargeted(alter, name, names):
        await session.execute(f"{mark} {changed}")
