"""Foreign keys at the cut-over: made for the new table under the lock, dropped of the old one.

At no moment of it is a key missing: before the RENAME there are both, and after it. So a cut-over that dies in the
middle leaves keys that refuse too much, never too little, until the next attempt removes those (`settle`). Each ALTER
changes the dictionary alone: keys are not checked, and an index that came with a key is kept by renaming it to and fro,
where MySQL would build another one.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from alterd_contracts.errors import StatementFailed
from alterd_contracts.strategy import Session, Task
from alterd_runtime.mysql.quoting import identifier, qualified
from alterd_vitess.constraints import ConstraintNames
from alterd_vitess.errors import TableChanged
from alterd_vitess.flags import Asked
from alterd_vitess.foreign_keys import FLAG, ForeignKey, Place, read_foreign_keys
from alterd_vitess.shadow import marker

_INDEXES = """
SELECT INDEX_NAME AS name, GROUP_CONCAT(COLUMN_NAME ORDER BY SEQ_IN_INDEX SEPARATOR '\\n') AS `columns`
FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s AND INDEX_NAME <> 'PRIMARY'
  AND COLUMN_NAME IS NOT NULL
GROUP BY INDEX_NAME
"""
KEPT = "_alterd"
"""What the name of an index ends with meanwhile."""
LONGEST = 64 - len(KEPT)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What is done for one key."""

    made: str
    """Before the RENAME, for the new table."""
    gone: str = ""
    """After the RENAME, of a child. The old table's own are asked for: MySQL may have named them after it."""


class Relations:
    """The foreign keys of one table, as they are when this is read: before the lock."""

    def __init__(self, task: Task, shadow: str, old: str, keys: Sequence[ForeignKey]) -> None:
        schema = task.migration.mysql_schema
        self._task, self._uuid = task, task.migration.migration_uuid
        self._table, self._shadow, self._old = (schema, task.statement.table), (schema, shadow), (schema, old)
        self.keys = tuple(keys)
        self._steps: list[Step] = []

    @classmethod
    async def read(cls, task: Task, session: Session, shadow: str, old: str) -> Relations:
        """Raises `TableChanged` where there are some that nobody allowed."""
        table = task.statement.table
        keys = await read_foreign_keys(session, task.migration.mysql_schema, table)
        if keys and not Asked.of(task.migration).foreign_keys:
            raise TableChanged(
                f"{table} takes part in a foreign key since the change began: {keys[0]}",
                hint=f"drop it, or submit the change with {FLAG}",
                table=table,
            )
        found = cls(task, shadow, old, keys)
        indexes: dict[Place, dict[str, str]] = {}
        for key in found.keys:
            if key.child not in indexes:
                rows = await session.query(_INDEXES, key.child)
                indexes[key.child] = {str(row["columns"]).lower(): str(row["name"]) for row in rows}
            # one that serves two keys is renamed for the first of them
            index = indexes[key.child].pop("\n".join(key.columns).lower(), "")
            found._steps.append(found._step(key, index))
        return found

    @property
    def others(self) -> list[Place]:
        """The tables beside this one that are locked with it."""
        return sorted({place for key in self.keys for place in (key.child, key.parent)} - {self._table})

    async def unchanged(self, session: Session) -> bool:
        """Whether they are still the same; asked under the lock."""
        return not self.keys or tuple(await read_foreign_keys(session, *self._table)) == self.keys

    async def before(self, session: Session) -> None:
        """They are made for the new table as well."""
        for step in self._steps:
            await session.execute(f"{marker(self._uuid)} {step.made}")

    async def after(self, session: Session) -> None:
        """Those of the old table go."""
        for step in self._steps:
            if step.gone:
                await session.execute(f"{marker(self._uuid)} {step.gone}")
        if self.keys:
            await settle(self._task, session, self._old[1])

    async def undo(self, session: Session) -> None:
        """There is no RENAME: those of the new table go again."""
        try:
            if self.keys:
                await settle(self._task, session, self._shadow[1])
        except StatementFailed as error:  # the next attempt begins with it
            self._task.log.warning(f"foreign keys to the new table are still there: {error.message}")

    def _step(self, key: ForeignKey, index: str) -> Step:
        names = ConstraintNames(self._uuid, key.child[1])
        names.define(f" CONSTRAINT {identifier(key.name)} FOREIGN KEY {key.added(key.name, key.parent)}")
        new = names.renamed[key.name.lower()]
        points_to = self._shadow if key.parent == self._table else key.parent
        kept = f", RENAME INDEX {identifier(index)} TO {identifier(index + KEPT)}" if 0 < len(index) <= LONGEST else ""
        if key.child != self._table:
            back = f", RENAME INDEX {identifier(index + KEPT)} TO {identifier(index)}" if kept else ""
            return Step(
                made=f"ALTER TABLE {qualified(*key.child)} {key.added(new, points_to)}{kept}, ALGORITHM=INPLACE",
                gone=f"ALTER TABLE {qualified(*key.child)} {key.dropped()}{back}, ALGORITHM=INPLACE",
            )
        made = key.added(new, points_to)
        return Step(made=f"ALTER TABLE {qualified(*self._shadow)} {made}, ALGORITHM=INPLACE")


async def settle(task: Task, session: Session, name: str) -> None:
    """No key is of or to the table `name`, which is not in its place, or no longer.

    Raises `Fenced`, `StatementFailed`.
    """
    for key in await read_foreign_keys(session, task.migration.mysql_schema, name):
        await task.check_fence(session)
        back = "".join(
            f", RENAME INDEX {identifier(index)} TO {identifier(index.removesuffix(KEPT))}"
            for row in await session.query(_INDEXES, key.child)
            if (index := str(row["name"])).endswith(KEPT)
        )
        mark = marker(task.migration.migration_uuid)
        await session.execute(f"{mark} ALTER TABLE {qualified(*key.child)} {key.dropped()}{back}, ALGORITHM=INPLACE")
