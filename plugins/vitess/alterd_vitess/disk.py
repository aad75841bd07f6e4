"""Whether the shadow fits on the primary's disk: what it needs, what is free, and a look at it while the run works.

A server does not tell how much room its disk has. Where its data is on this host, the file system does; else the
operator's `disk_budget` counts; else it is not known, and that is said.
"""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from typing import Any

import msgspec

from alterd_contracts.errors import AlterdError
from alterd_contracts.strategy import Session
from alterd_runtime.settings import VitessSettings
from alterd_vitess.errors import CannotRunOnline, NoRoom
from alterd_vitess.run import Run
from alterd_vitess.sessions import open_rows
from alterd_vitess.tables import Table

LOOK_EVERY = 15.0
"""Seconds between two looks at the disk."""
WORTH_TELLING = 100 * 1024**2
"""Bytes from which on a table is large enough to warn that nobody knows what is free."""
SLACK = 1.1
"""Pages of a table that was just filled are not as full as those of one that grew."""
COMPRESSED = 0.5
"""What is left of row events when transactions are compressed: as a rule less."""
NEW_INDEX = 0.25
"""Of the rows' size, for an index where the table has none to compare with."""

_SIZES = """
SELECT COALESCE(DATA_LENGTH, 0) AS `data`, COALESCE(INDEX_LENGTH, 0) AS `indexes` FROM information_schema.TABLES
WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s
"""
_SERVER = """
SELECT @@server_uuid AS `uuid`, @@datadir AS `datadir`, COALESCE(@@log_bin_basename, '') AS `binlog`,
       @@session.binlog_transaction_compression AS `compressed`
"""
_SERVER_BEFORE_8_0_20 = _SERVER.replace("@@session.binlog_transaction_compression", "0")
_DIRECTORY = re.compile(r" DATA DIRECTORY='((?:[^'\\]|\\.|'')*)'")
_UUID = re.compile(r"^server-uuid=(\S+)\s*$", re.MULTILINE)


class Sizes(msgspec.Struct, frozen=True):
    """Bytes of a table, as the server's statistics have it."""

    data: int
    indexes: int


class Needed(msgspec.Struct, frozen=True):
    """Bytes that the copy will write."""

    shadow: int
    binlog: int

    @property
    def all(self) -> int:
        return self.shadow + self.binlog


class Disk(msgspec.Struct, frozen=True):
    """One file system of the server, and what of the copy goes there."""

    path: str
    free: int
    needed: int


class Budget(msgspec.Struct, frozen=True):
    """What the operator allows, where the disk cannot be seen."""

    limit: int
    needed: int


class Unknown(msgspec.Struct, frozen=True):
    """Nobody knows."""

    needed: int


Room = list[Disk] | Budget | Unknown


def needed(sizes: Sizes, source: Table, shadow: Table, *, compressed: bool) -> Needed:
    """What the shadow of a table of these sizes takes, and the binary log of its copy. Pure."""

    def secondary(table: Table) -> int:
        return sum(index.name != "PRIMARY" for index in table.indexes)

    each = sizes.indexes / secondary(source) if secondary(source) else NEW_INDEX * sizes.data
    shadow_size = SLACK * (sizes.data + each * secondary(shadow))
    return Needed(shadow=round(shadow_size), binlog=round(sizes.data * (COMPRESSED if compressed else 1.0)))


def judge(room: Room, table: str, reserve: int) -> AlterdError | None:
    """What speaks against the copy. `reserve`: bytes that must be left. Pure."""
    match room:
        case Budget(limit, wanted) if wanted > limit:
            return CannotRunOnline(
                f"the copy of {table} needs about {shown(wanted)}, and vitess.disk_budget allows {shown(limit)}",
                hint="raise ALTERD_VITESS__DISK_BUDGET if the server has the room, or use the strategy mysql where "
                "the change needs no copy",
                table=table,
            )
        case [*disks]:
            for disk in disks:
                if disk.needed + reserve > disk.free:
                    return CannotRunOnline(
                        f"the copy of {table} needs about {shown(disk.needed)} and {shown(reserve)} must be left, "
                        f"{shown(disk.free)} are free on {disk.path}",
                        hint="make room (PURGE BINARY LOGS, old artifacts), or lower ALTERD_VITESS__DISK_RESERVE",
                        table=table,
                    )
    return None


def warning(room: Room, table: str) -> str:
    """What a user should know although nothing speaks against it; empty for nothing. Pure."""
    if isinstance(room, Unknown) and room.needed >= WORTH_TELLING:
        return (
            f"whether the disk has room for the copy of {table}, about {shown(room.needed)}, is not known: "
            "the server's data is not on this host, and vitess.disk_budget is not set"
        )
    return ""


def shown(size: int) -> str:
    """Bytes for people: ``1.5 GB``."""
    value = float(size)
    for unit in ("B", "KB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 100 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:,.1f} TB"


async def look(
    session: Session, schema: str, source: Table, shadow: Table, definition: str, settings: VitessSettings
) -> Room:
    """The room for a copy of the real table of `schema`, which may be yet to be made: by the same script, or by a
    pending migration. `definition`: its SHOW CREATE TABLE.
    """
    await session.execute("SET SESSION information_schema_stats_expiry = 0")
    rows = await session.query(_SIZES, (schema, source.name))
    sizes = Sizes(int(rows[0]["data"]), int(rows[0]["indexes"])) if rows else Sizes(0, 0)
    server = await _server(session)
    wanted = needed(sizes, source, shadow, compressed=bool(server["compressed"]))
    if not await asyncio.to_thread(is_here, str(server["datadir"]), str(server["uuid"])):
        return Budget(settings.disk_budget, wanted.all) if settings.disk_budget else Unknown(wanted.all)
    data, binlog = _folders(server, definition)
    places = {data: wanted.shadow}
    places[binlog] = places.get(binlog, 0) + wanted.binlog
    return await asyncio.to_thread(disks, places)


def _folders(server: dict[str, Any], definition: str) -> tuple[str, str]:
    """Of the table's data, and of the binary log."""
    directory = _DIRECTORY.search(definition)
    data = directory[1] if directory else str(server["datadir"])
    return data, str(Path(str(server["binlog"])).parent) if server["binlog"] else data


async def check_room(
    session: Session, schema: str, source: Table, shadow: Table, definition: str, settings: VitessSettings
) -> str:
    """As `look`. Raises `CannotRunOnline` where there is no room; else a warning, empty for none."""
    room = await look(session, schema, source, shadow, definition, settings)
    if (obstacle := judge(room, source.name, settings.disk_reserve)) is not None:
        raise obstacle
    return warning(room, source.name)


async def _server(session: Session) -> dict[str, Any]:
    known = await session.value("SHOW VARIABLES LIKE 'binlog_transaction_compression'")
    return (await session.query(_SERVER if known else _SERVER_BEFORE_8_0_20))[0]


def is_here(datadir: str, server_uuid: str) -> bool:
    """Whether that folder of this host is that server's: its own file says so. False where it cannot be read."""
    try:
        text = Path(datadir, "auto.cnf").read_text(errors="replace")
    except OSError:
        return False
    match = _UUID.search(text)
    return match is not None and match[1].lower() == server_uuid.lower()


def disks(places: dict[str, int]) -> list[Disk]:
    """The file systems of these folders, each once, with the bytes that go there. Folders that cannot be seen are
    left out.
    """
    found: dict[int, Disk] = {}
    for path, wanted in places.items():
        try:
            device, room = Path(path).stat().st_dev, os.statvfs(path)
        except OSError:
            continue
        before = found.get(device)
        free = room.f_bavail * room.f_frsize
        found[device] = Disk(before.path if before else path, free, wanted + (before.needed if before else 0))
    return list(found.values())


class DiskWatch:
    """Ends the run with `NoRoom` before the primary's disk is full."""

    def __init__(self, run: Run) -> None:
        self._run = run

    async def forever(self) -> None:
        """Until cancelled."""
        session = await open_rows(self._run.task, self._run.zone)
        try:
            while True:
                await self.look(session)
                await asyncio.sleep(LOOK_EVERY)
        finally:
            await session.close()

    async def look(self, session: Session) -> None:
        """Raises `NoRoom`."""
        run = self._run
        server = await _server(session)
        if await asyncio.to_thread(is_here, str(server["datadir"]), str(server["uuid"])):
            reserve = run.settings.disk_reserve
            places = dict.fromkeys(_folders(server, run.plan.shadow_definition), 0)
            for disk in await asyncio.to_thread(disks, places):
                if disk.free < reserve:
                    raise _no_room(run, f"{shown(disk.free)} are free on {disk.path}", reserve)
        elif run.settings.disk_budget and not run.swapped:
            [row] = await session.query(_SIZES, (run.schema, run.plan.shadow))
            taken = int(row["data"]) + int(row["indexes"])
            if taken > run.settings.disk_budget:
                raise _no_room(run, f"the shadow has {shown(taken)}", run.settings.disk_budget)


def _no_room(run: Run, what: str, bound: int) -> NoRoom:
    return NoRoom(
        f"the copy of {run.table} was ended before the disk is full: {what}, the bound is {shown(bound)}",
        hint="make room or move the bound (ALTERD_VITESS__DISK_RESERVE, …__DISK_BUDGET), then retry the migration",
        table=run.table,
    )
