"""Finding the shadow's rows of source keys, and the source's keys of shadow rows.

Where a column of the key has another type or collation in the shadow, the server converts the values: they go through
two temporary tables, one with the source's columns and one with the shadow's. Texts are then compared by their bytes:
a row of the shadow has its key as the source's row had it at some time, and what changed it since is in the binlog,
before and after. What is equal in the shadow's collation may be another row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from alterd_contracts.errors import StatementFailed
from alterd_contracts.strategy import Session
from alterd_runtime.mysql.quoting import identifier
from alterd_vitess.keys import Key, KeyColumn
from alterd_vitess.run import Run

OURS = "alterd_source_keys"
THEIRS = "alterd_shadow_keys"
_UNFIT = frozenset({1048, 1264, 1265, 1292, 1366, 1406, 1411, 3854})
"""A value that the other column cannot hold."""


async def prepare_keys(run: Run, session: Session) -> None:
    """Makes what `shadow_rows` and `source_keys` need in a session: before it locks tables."""
    if run.mapping.same_key or session.connection_id in run.prepared_sessions:
        return
    for name, key in ((OURS, run.mapping.key), (THEIRS, run.mapping.target)):
        columns = ", ".join(_defined(column) for column in key.columns)
        # some servers demand a primary key, also here
        await session.execute(
            f"CREATE TEMPORARY TABLE IF NOT EXISTS {name}"
            f" (`alterd_number` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, {columns}) ENGINE=InnoDB"
        )
    run.prepared_sessions.add(session.connection_id)


async def shadow_rows(run: Run, session: Session, keys: Sequence[bytes]) -> str:
    """``FROM … WHERE …`` for the shadow's rows that came from source rows with these keys.

    The shadow's columns may be named bare behind it, or with the shadow's own name before them.
    """
    mapping = run.mapping
    if mapping.same_key:
        return run.statements.located(keys, exact=False)
    if not mapping.key.ordered:  # other spellings name the same rows
        keys = sorted({*keys, *_of_rows(mapping.key, await session.query(run.statements.present(keys)))})
    targets = await _converted(run, session, keys, back=False)
    if not targets:
        return f"FROM {identifier(run.plan.shadow)} WHERE FALSE"
    return run.statements.located(sorted(targets), exact=True)


async def source_keys(run: Run, session: Session, targets: Iterable[bytes]) -> set[bytes]:
    """The source's keys of rows that have these keys in the shadow."""
    found = set(targets)
    if run.mapping.same_key or not found:
        return found
    return await _converted(run, session, sorted(found), back=True)


async def _converted(run: Run, session: Session, keys: Sequence[bytes], *, back: bool) -> set[bytes]:
    """What the server makes of keys of the one table in the other's columns; without those that do not fit."""
    await prepare_keys(run, session)
    first, second = (THEIRS, OURS) if back else (OURS, THEIRS)
    old, new = (run.mapping.target, run.mapping.key) if back else (run.mapping.key, run.mapping.target)
    for name in (first, second):
        await session.execute(f"DELETE FROM {name}")
    rows = ",".join(f"({','.join(old.literals(key))})" for key in keys)
    try:
        # IGNORE: they are values of such columns, but strict modes refuse the ENUM without a label
        await session.execute(f"INSERT IGNORE INTO {first} ({_names(old)}) VALUES {rows}")
        await session.execute(f"INSERT INTO {second} ({_names(new)}) SELECT {_names(old)} FROM {first}")
    except StatementFailed as error:
        if int(error.where.get("errno", 0)) not in _UNFIT:
            raise
        if len(keys) == 1:
            return set()  # no row of the other table can have it
        half = len(keys) // 2
        parts = (keys[:half], keys[half:])
        return {key for part in parts for key in await _converted(run, session, part, back=back)}
    return _of_rows(new, await session.query(f"SELECT {new.selected()} FROM {second}"))


def _of_rows(key: Key, rows: Iterable[dict[str, object]]) -> set[bytes]:
    return {key.of_row(tuple(row.values())) for row in rows}


def _names(key: Key) -> str:
    return ", ".join(identifier(column.name) for column in key.columns)


def _defined(column: KeyColumn) -> str:
    collated = f" CHARACTER SET {column.charset} COLLATE {column.collation}" if column.collation else ""
    return f"{identifier(column.name)} {column.declared}{collated} NULL"
