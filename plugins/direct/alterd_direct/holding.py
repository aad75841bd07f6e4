"""DROP as a RENAME: the table or view is held under an artifact's name until it is collected."""

from __future__ import annotations

from alterd_contracts.errors import StatementFailed
from alterd_contracts.strategy import Facts, Session, Task
from alterd_direct.definitions import is_table
from alterd_direct.memory import recall
from alterd_runtime.mysql.quoting import identifier, qualified

UNKNOWN_TABLE = 1051
WRONG_OBJECT = 1347
REFERENCED = 3730

_CHILDREN = """
SELECT TABLE_NAME AS `table`, CONSTRAINT_NAME AS `constraint` FROM information_schema.REFERENTIAL_CONSTRAINTS
WHERE UNIQUE_CONSTRAINT_SCHEMA = %s AND REFERENCED_TABLE_NAME = %s
  AND NOT (CONSTRAINT_SCHEMA = %s AND TABLE_NAME = %s)
"""
_CONSTRAINTS = """
SELECT CONSTRAINT_NAME AS name, CONSTRAINT_TYPE AS type FROM information_schema.TABLE_CONSTRAINTS
WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND CONSTRAINT_TYPE IN ('FOREIGN KEY', 'CHECK')
"""


def droppable(task: Task, before: str | None) -> bool:
    """Whether what stands there is what the statement drops."""
    return before is not None and is_table(before) is not task.statement.is_view


def nothing_to_drop(task: Task, before: str | None) -> Facts:
    """What DROP … IF EXISTS tells of a name that it leaves alone. Raises `StatementFailed` with MySQL's words."""
    kind, other = ("view", "table") if task.statement.is_view else ("table", "view")
    name = f"{task.migration.mysql_schema}.{task.statement.table}"
    if task.statement.if_exists:
        what = f"is a {other}, no {kind}: it was left alone" if before is not None else "did not exist"
        return Facts(message=f"the {kind} {task.statement.table} {what}")
    if before is not None and task.statement.is_view:
        raise StatementFailed(
            f"MySQL error {WRONG_OBJECT} (HY000): '{name}' is not VIEW", table=name, errno=WRONG_OBJECT
        )
    raise StatementFailed(
        f"MySQL error {UNKNOWN_TABLE} (42S02): Unknown table '{name}'", table=name, errno=UNKNOWN_TABLE
    )


async def check_children(session: Session, schema: str, table: str) -> None:
    """RENAME would make the foreign keys of others follow the held table, where DROP is refused."""
    rows = await session.query(_CHILDREN, (schema, table, schema, table))
    if rows:
        raise StatementFailed(
            f"MySQL error {REFERENCED} (HY000): Cannot drop table '{table}' referenced by a foreign key constraint "
            f"'{rows[0]['constraint']}' on table '{rows[0]['table']}'.",
            hint="drop the foreign key or the other table first",
            table=table,
            errno=REFERENCED,
        )


async def exists(session: Session, schema: str, name: str) -> bool:
    """Whether there is a table or view of that name."""
    count = await session.value(
        "SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s", (schema, name)
    )
    return bool(count)


async def unused_name(task: Task, session: Session) -> str:
    """A name that an earlier attempt declared and did not use; empty for none."""
    for one in await recall(session, task.migration, task.attempt):
        if one.held and not await exists(session, task.migration.mysql_schema, one.held):
            return one.held
    return ""


async def renaming(session: Session, schema: str, table: str, held: str) -> str:
    """One atomic statement that holds the table, without the constraints that others would still feel.

    Its foreign keys would go on restricting the parents, the names of CHECKs are taken in the whole schema, and names
    that MySQL made from the table's (``t_ibfk_1``) would become too long. `_alterd.statements` has the definition.
    """
    rows = await session.query(_CONSTRAINTS, (schema, table))
    if not rows:
        return f"RENAME TABLE {qualified(schema, table)} TO {qualified(schema, held)}"
    parts = [
        f"DROP {'FOREIGN KEY' if row['type'] == 'FOREIGN KEY' else 'CHECK'} {identifier(row['name'])}" for row in rows
    ]
    # INPLACE: rather refused than a copy of the table
    return (
        f"ALTER TABLE {qualified(schema, table)} {', '.join(parts)}, RENAME TO {qualified(schema, held)},"
        " ALGORITHM=INPLACE"
    )


def facts_held(task: Task, held: str) -> Facts:
    kind = "view" if task.statement.is_view else "table"
    return Facts(message=f"the {kind} {task.statement.table} is held as {held}")
