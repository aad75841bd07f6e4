"""What attempts write down on the server before they do it, and what the facts say afterwards.

spirit drops the old table at its end, and leaves nothing that tells whether it has cut over. What tells is which table
stands under the name: InnoDB numbers them. Before spirit begins, the number of the table is written down; before its
cut-over is let go, that of the new one. They stand in a small table of alterd's naming, which outlives the run.

Each server numbers its tables by itself, so the server is written down too. A replica that was promoted has applied the
notes, and what they were written down before, in the same order: there the notes and the table's definition tell.
"""

from __future__ import annotations

import itertools
import json
from enum import Enum, auto
from typing import Final

import msgspec
from alterd_contracts.migration import Migration
from alterd_contracts.strategy import Session, Task

from alterd_spirit.command import identifier, qualified

ENDING: Final = "mem"
_COLUMNS: Final = (
    "attempt INT UNSIGNED NOT NULL PRIMARY KEY, program CHAR(64) NOT NULL, server CHAR(36) NOT NULL,"
    " table_ids TEXT NOT NULL, definition LONGTEXT NOT NULL, new_ids TEXT NULL"
)


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What the attempts of one try knew."""

    program: str
    """Digest of the program that the last of them ran."""
    server: str
    """`server_uuid` of the primary of the last of them; the numbers are that server's."""
    before: frozenset[int]
    """The table's identity before the first of them on that server."""
    definition: str
    """The same of its definition."""
    new: frozenset[int] = frozenset()
    """Identities of new tables whose cut-over was let go there."""
    let_go: bool = False
    """The last of them may have let its cut-over go; those before it have not cut over, else it had not begun."""


class Verdict(Enum):
    """What the facts say of the change."""

    SWAPPED = auto()
    """The new table has the name."""
    AT_ONCE = auto()
    """It is the old table, with another definition: MySQL has done it in place."""
    AS_IT_WAS = auto()
    UNCLEAR = auto()


def judge(
    memory: Memory, server: str, identity: frozenset[int], definition: str, *, new_is_there: bool, at_once: bool
) -> Verdict:
    """What the table's present `identity` and `definition` on `server` say. Pure.

    `new_is_there`: spirit has begun to copy, so it could not do the change in place. `at_once`: MySQL was expected to.
    """
    if server == memory.server:
        if identity & memory.new:
            return Verdict.SWAPPED
        if not identity & memory.before:
            return Verdict.UNCLEAR
    elif memory.let_go and not new_is_there:
        # RENAME takes the new table's name from it, and what frees that name otherwise begins by finding no swap. A
        # change that leaves the definition as it is cannot be told from none.
        return Verdict.SWAPPED if definition != memory.definition else Verdict.UNCLEAR
    if definition == memory.definition or new_is_there:
        return Verdict.AS_IT_WAS
    return Verdict.AT_ONCE if at_once else Verdict.UNCLEAR


async def server_of(session: Session) -> str:
    """Which server answers: its `server_uuid`."""
    return str(await session.value("SELECT @@server_uuid"))


async def recall(session: Session, record: Migration) -> Memory | None:
    """What the attempts of this try wrote down; None where none has come so far."""
    name = await _place(session, record)
    if not name:
        return None
    rows = await session.query(
        f"SELECT program, server, table_ids, definition, new_ids FROM {qualified(record.mysql_schema, name)}"
        " WHERE attempt >= %s ORDER BY attempt",
        (record.first_attempt,),
    )
    if not rows:
        return None
    last = rows[-1]
    there = [*itertools.takewhile(lambda row: row["server"] == last["server"], reversed(rows))]
    return Memory(
        program=str(last["program"]),
        server=str(last["server"]),
        before=_numbers(there[-1]["table_ids"]),
        definition=str(there[-1]["definition"]),
        new=frozenset().union(*(_numbers(row["new_ids"] or "[]") for row in there)),
        let_go=last["new_ids"] is not None,
    )


async def remember(task: Task, session: Session, memory: Memory) -> None:
    """Writes down what this attempt begins with. Raises `Fenced`."""
    record = task.migration
    name = await _place(session, record)
    if not name:
        [name] = await task.tool_artifacts((ENDING,))
        await task.check_fence(session)
        await session.execute(f"CREATE TABLE {identifier(name)} ({_COLUMNS})")
    async with task.fenced(session):
        await session.execute(
            f"REPLACE INTO {identifier(name)} (attempt, program, server, table_ids, definition)"
            " VALUES (%s, %s, %s, %s, %s)",
            (task.attempt, memory.program, memory.server, _text(memory.before), memory.definition),
        )


async def remember_new(task: Task, session: Session, new: frozenset[int]) -> None:
    """Writes down which table comes next. Raises `Fenced`."""
    name = await _place(session, task.migration)
    async with task.fenced(session):
        await session.execute(
            f"UPDATE {identifier(name)} SET new_ids = %s WHERE attempt = %s", (_text(new), task.attempt)
        )


async def forget(task: Task, session: Session) -> None:
    """The change has not happened, and is not tried any more."""
    if name := await _place(session, task.migration):
        await task.check_fence(session)
        await session.execute(f"DROP TABLE IF EXISTS {identifier(name)}")
        await task.forget_artifact(name)


async def _place(session: Session, record: Migration) -> str:
    """The table's name, found by the migration's uuid in it; empty where there is none."""
    rows = await session.query(
        "SELECT TABLE_NAME AS `name` FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME LIKE %s"
        " ORDER BY TABLE_NAME DESC LIMIT 1",
        (record.mysql_schema, rf"\_alterd\_{record.migration_uuid.replace('_', '')}\_%\_{ENDING}"),
    )
    return str(rows[0]["name"]) if rows else ""


def _text(numbers: frozenset[int]) -> str:
    return json.dumps(sorted(numbers))


def _numbers(text: str) -> frozenset[int]:
    return frozenset(int(number) for number in json.loads(text))
