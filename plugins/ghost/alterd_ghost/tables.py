"""The tables that gh-ost makes, and what they tell of an attempt that is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from alterd_contracts.migration import Migration
from alterd_contracts.names import Artifact, ArtifactKind
from alterd_contracts.strategy import Session
from alterd_runtime.mysql.artifacts import listed
from alterd_runtime.mysql.quoting import qualified

GHOST: Final = "gho"
CHANGELOG: Final = "ghc"
OLD: Final = "del"
CHECKPOINTS: Final = "ghk"
ENDINGS: Final = (GHOST, CHANGELOG, OLD, CHECKPOINTS)
SENTRY: Final = "ghost-cut-over-sentry"
"""The comment of what stands under the old table's name during a cut-over, so that a RENAME cannot come too early."""

_TABLES = """
SELECT TABLE_NAME AS `name`, TABLE_COMMENT AS `comment` FROM information_schema.TABLES
WHERE TABLE_SCHEMA = %s AND TABLE_NAME IN %s
"""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """The tables of one beginning: those of one try, handed on by attempts that resume."""

    prefix: str
    """What gh-ost is given: ``alterd_<uuid>_<time>``."""
    attempt: int
    """The attempt that declared them."""
    schema: str
    there: frozenset[str]
    """Endings of those that exist."""
    sentry: bool = False
    """What stands under the old table's name is no table of rows."""
    left: frozenset[str] = frozenset()
    """Endings of those that are still on the list of artifacts."""

    def name(self, ending: str) -> str:
        return f"_{self.prefix}_{ending}"

    @property
    def swapped(self) -> bool:
        """The cut-over has happened: only its RENAME puts rows under the old table's name, and it takes the ghost."""
        return OLD in self.there and not self.sentry and GHOST not in self.there


def grouped(artifacts: Sequence[tuple[str, int, bool]]) -> list[Group]:
    """Names, attempts, and whether it is off the list, as groups of what may be there. Pure."""
    found: dict[str, Group] = {}
    for name, attempt, gone in artifacts:
        artifact = Artifact.parse(name)
        if artifact is None or artifact.kind is not ArtifactKind.TOOL or artifact.ending not in ENDINGS:
            continue
        prefix = name.removeprefix("_").removesuffix(f"_{artifact.ending}")
        group = found.get(prefix) or Group(prefix=prefix, attempt=attempt, schema="", there=frozenset())
        left = group.left if gone else group.left | {artifact.ending}
        found[prefix] = msgspec.structs.replace(group, left=left)
    return list(found.values())


async def read_groups(session: Session, record: Migration) -> list[Group]:
    """Those of this try, the newest last."""
    rows = [
        (each.name, each.attempt, each.collected_at is not None)
        for each in await listed(session, record)
        if each.attempt >= record.first_attempt
    ]
    return [await look(session, record.mysql_schema, group) for group in grouped(rows)]


async def look(session: Session, schema: str, group: Group) -> Group:
    """The group as it is on the server now."""
    names = {group.name(ending): ending for ending in ENDINGS}
    await session.execute("SET SESSION information_schema_stats_expiry = 0")
    rows = await session.query(_TABLES, (schema, tuple(names)))
    comments = {names[row["name"]]: str(row["comment"]) for row in rows}
    return msgspec.structs.replace(group, schema=schema, there=frozenset(comments), sentry=comments.get(OLD) == SENTRY)


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One row of gh-ost's checkpoints."""

    id: int
    gtid_set: str
    rows_copied: int


async def read_checkpoints(session: Session, group: Group) -> list[Checkpoint]:
    """The newest first; none where the table is not there."""
    if CHECKPOINTS not in group.there:
        return []
    rows = await session.query(
        "SELECT `gh_ost_chk_id` AS `id`, `gh_ost_chk_coords` AS `gtid_set`, `gh_ost_rows_copied` AS `rows_copied`"
        f" FROM {qualified(group.schema, group.name(CHECKPOINTS))} WHERE `gh_ost_is_cutover` = 0"
        " ORDER BY `gh_ost_chk_id` DESC"
    )
    return [
        Checkpoint(id=int(row["id"]), gtid_set=str(row["gtid_set"]), rows_copied=int(row["rows_copied"]))
        for row in rows
    ]


def safe_checkpoint(checkpoints: Sequence[Checkpoint]) -> Checkpoint | None:
    """The one to resume from: never the newest place in the binary log. Pure.

    gh-ost counts a transaction as applied with the first of its rows, so the newest checkpoint may lie behind rows that
    are not in the ghost table. When the next one was written, all before it was.
    """
    return next((each for each in checkpoints if each.gtid_set != checkpoints[0].gtid_set), None)


async def resumable(session: Session, group: Group) -> Checkpoint | None:
    """Where the work on the group's tables can be taken up; None where it cannot."""
    if GHOST not in group.there or CHANGELOG not in group.there:
        return None
    found = safe_checkpoint(await read_checkpoints(session, group))
    if found is None:
        return None
    readable = await session.value(
        "SELECT @@global.gtid_mode = 'ON' AND GTID_SUBSET(%s, @@global.gtid_executed)"
        " AND GTID_SUBSET(@@global.gtid_purged, %s)",
        (found.gtid_set, found.gtid_set),
    )
    return found if readable else None


async def go_back_to(session: Session, group: Group, checkpoint: Checkpoint) -> None:
    """Makes `checkpoint` the one that gh-ost resumes from, and ends a cut-over that was begun."""
    await session.execute(
        f"DELETE FROM {qualified(group.schema, group.name(CHECKPOINTS))} WHERE `gh_ost_chk_id` > %s", (checkpoint.id,)
    )
    await drop_tables(session, group, (OLD,) if group.sentry else ())


async def drop_tables(session: Session, group: Group, endings: Sequence[str]) -> None:
    """Drops those that are there; the old table only where it is a sentry."""
    for ending in endings:
        if ending in group.there and (ending != OLD or group.sentry):
            await session.execute(f"DROP TABLE IF EXISTS {qualified(group.schema, group.name(ending))}")
