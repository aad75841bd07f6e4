"""What attempts write down on the server before they do it, and what the facts say afterwards.

spirit drops the old table at its end, and leaves nothing that tells whether it has cut over. What tells is which table
stands under the name: InnoDB numbers them. Before spirit begins, the number of the table is written down; before its
cut-over is let go, that of the new one. They stand in a small table of alterd's naming, which outlives the run.
"""

from __future__ import annotations

import json
from enum import Enum, auto
from typing import Final

import msgspec
from alterd_contracts.migration import Migration
from alterd_contracts.strategy import Session, Task

from alterd_spirit.command import identifier, qualified

ENDING: Final = "mem"
_COLUMNS: Final = (
    "attempt INT UNSIGNED NOT NULL PRIMARY KEY, program CHAR(64) NOT NULL, table_ids TEXT NOT NULL,"
    " definition LONGTEXT NOT NULL, new_ids TEXT NULL"
)


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What the attempts of one try knew."""

    program: str
    """Digest of the program that the last of them ran."""
    before: frozenset[int]
    """The table's identity before the first of them."""
    definition: str
    """The same of its definition."""
    new: frozenset[int] = frozenset()
    """Identities of new tables whose cut-over was let go."""


class Verdict(Enum):
    """What the facts say of the change."""

    SWAPPED = auto()
    """The new table has the name."""
    AT_ONCE = auto()
    """It is the old table, with another definition: MySQL has done it in place."""
    AS_IT_WAS = auto()
    UNCLEAR = auto()


def judge(memory: Memory, identity: frozenset[int], definition: str, *, new_is_there: bool, at_once: bool) -> Verdict:
    """What the table's present `identity` and `definition` say. Pure.

    `new_is_there`: spirit has begun to copy, so it could not do the change in place. `at_once`: MySQL was expected to.
    """
    if identity & memory.new:
        return Verdict.SWAPPED
    if not identity & memory.before:
        return Verdict.UNCLEAR
    if definition == memory.definition or new_is_there:
        return Verdict.AS_IT_WAS
    return Verdict.AT_ONCE if at_once else Verdict.UNCLEAR


async def recall(session: Session, record: Migration) -> Memory | None:
    """What the attempts of this try wrote down; None where none has come so far."""
    name = await _place(session, record)
    if not name:
        return None
    rows = await session.query(
        f"SELECT program, table_ids, definition, new_ids FROM {qualified(record.mysql_schema, name)}"
        " WHERE attempt >= %s ORDER BY attempt",
        (record.first_attempt,),
    )
    if not rows:
        return None
    return Memory(
        program=str(rows[-1]["program"]),
        before=_numbers(rows[0]["table_ids"]),
        definition=str(rows[0]["definition"]),
        new=frozenset().union(*(_numbers(row["new_ids"] or "[]") for row in rows)),
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
            f"REPLACE INTO {identifier(name)} (attempt, program, table_ids, definition) VALUES (%s, %s, %s, %s)",
            (task.attempt, memory.program, _text(memory.before), memory.definition),
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
