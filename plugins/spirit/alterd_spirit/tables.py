"""The tables that spirit makes. Their names are its own (`pkg/utils`, `pkg/sentinel`): nobody can give it others.

So each name must be free before a run, and is free again after it: what is left under one is renamed to a name of
alterd's, which the collector knows.
"""

from __future__ import annotations

import re
import string
from typing import Final

import msgspec
from alterd_contracts.errors import Refused
from alterd_contracts.names import ArtifactKind
from alterd_contracts.strategy import Session, Task

from alterd_spirit.command import identifier, qualified

SENTINEL: Final = "_spirit_sentinel"
"""One for all of a schema."""
LONGEST: Final = 64 - len("__chkpnt")
"""Bytes of a table's name. Of longer ones spirit cuts the end off, and two tables would share a name."""
LOCK_WAIT: Final = 5
"""Seconds to wait for a table that nobody should use."""
COUNTED: Final = 100_000
_PLAIN: Final = frozenset(string.ascii_letters + string.digits + "_")
_COUNTER: Final = re.compile(r"^(\).*?) AUTO_INCREMENT=\d+", re.MULTILINE)


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """The names for one table."""

    table: str

    @property
    def new(self) -> str:
        return f"_{self.table}_new"

    @property
    def old(self) -> str:
        return f"_{self.table}_old"

    @property
    def checkpoint(self) -> str:
        return f"_{self.table}_chkpnt"

    @property
    def all(self) -> tuple[str, ...]:
        return (self.new, self.old, self.checkpoint, SENTINEL)


async def existing(session: Session, schema: str, names: tuple[str, ...]) -> frozenset[str]:
    """Those of `names` under which there is a table or view."""
    rows = await session.query(
        "SELECT TABLE_NAME AS `name` FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME IN %s",
        (schema, names),
    )
    return frozenset(str(row["name"]) for row in rows)


async def identity(session: Session, schema: str, table: str) -> frozenset[int]:
    """InnoDB's numbers of the table and its partitions: they go with it when it is renamed. Needs PROCESS.

    None of them is used again; what rebuilds or truncates a table gives it others.
    """
    name = f"{encoded(schema)}/{encoded(table)}"
    rows = await session.query(
        "SELECT TABLE_ID AS `id`, NAME AS `name` FROM information_schema.INNODB_TABLES WHERE LEFT(NAME, %s) = %s",
        (len(name), name),
    )
    return frozenset(int(row["id"]) for row in rows if str(row["name"]).partition("#")[0] == name)


def encoded(name: str) -> str:
    """A name of ASCII letters as InnoDB writes it down; a partition's stands behind a ``#``. Pure."""
    return "".join(letter if letter in _PLAIN else f"@{ord(letter):04x}" for letter in name)


async def definition(session: Session, schema: str, table: str) -> str:
    """SHOW CREATE TABLE without the next number of its counter."""
    [row] = await session.query(f"SHOW CREATE TABLE {qualified(schema, table)}")
    return without_counter(str(row["Create Table"]))


def without_counter(shown: str) -> str:
    """A definition without its AUTO_INCREMENT, which goes on with every row. Pure."""
    return _COUNTER.sub(r"\1", shown)


async def checkpointed(session: Session, schema: str, names: Names) -> str | None:
    """The statement that the checkpoint is of; None where there is none (`pkg/checkpoint`)."""
    found = await session.query(
        f"SELECT `statement` FROM {qualified(schema, names.checkpoint)} ORDER BY `id` DESC LIMIT 1"
    )
    return str(found[0]["statement"]) if found else None


async def rows_there(session: Session, schema: str, table: str) -> int:
    """How many rows a table has; from `COUNTED` on by the server's estimate."""
    counted = await session.value(
        f"SELECT COUNT(*) FROM (SELECT 1 FROM {qualified(schema, table)} LIMIT {COUNTED}) AS counted"
    )
    if int(counted) < COUNTED:
        return int(counted)
    estimated = await session.value(
        "SELECT TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s", (schema, table)
    )
    return max(COUNTED, int(estimated or 0))


async def put_up_sentinel(task: Task, session: Session) -> None:
    """spirit waits with its cut-over while this table exists."""
    await task.check_fence(session)
    schema = task.migration.mysql_schema
    await session.execute(f"CREATE TABLE IF NOT EXISTS {qualified(schema, SENTINEL)} (id int NOT NULL PRIMARY KEY)")


async def take_down_sentinel(task: Task, session: Session) -> None:
    """From here on nobody is asked."""
    await task.check_fence(session)
    await session.execute(f"DROP TABLE IF EXISTS {qualified(task.migration.mysql_schema, SENTINEL)}")


async def tidy(task: Task) -> None:
    """Frees all names: sentinel and checkpoint are dropped, what else is there is the collector's, after its time.

    Nothing where the names are not this migration's.
    """
    schema, names = task.migration.mysql_schema, Names(table=task.migration.mysql_table)
    try:
        await task.foreign_artifacts(names.all)
    except Refused as error:
        task.log.info(f"nothing to tidy up: {error.message}")
        return
    session = await task.primary({"lock_wait_timeout": LOCK_WAIT})
    try:
        there = await existing(session, schema, names.all)
        for name in sorted(there):
            if await _is_small(session, schema, name, names):
                await task.check_fence(session)
                await session.execute(f"DROP TABLE IF EXISTS {qualified(schema, name)}")
            else:
                kind = ArtifactKind.OLD if name == names.old else ArtifactKind.SHADOW
                await _set_aside(task, session, name, kind)
    finally:
        await session.close()
    for name in names.all:
        await task.forget_artifact(name)


async def _is_small(session: Session, schema: str, name: str, names: Names) -> bool:
    """Whether it is spirit's sentinel or checkpoint, and no other table that somebody has made under that name."""
    if name not in (SENTINEL, names.checkpoint):
        return False
    rows = await session.query(
        "SELECT COLUMN_NAME AS `name` FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
        (schema, name),
    )
    columns = {str(row["name"]) for row in rows}
    return columns == {"id"} if name == SENTINEL else columns >= {"id", "copier_watermark", "statement"}


async def _set_aside(task: Task, session: Session, name: str, kind: ArtifactKind) -> None:
    aside = await task.artifact(kind)
    await task.check_fence(session)
    await session.execute(f"RENAME TABLE {identifier(name)} TO {identifier(aside)}")
    task.log.info(f"{name} is {aside} now, until it is collected")
