"""What there is on the server and on this host, as far as a migration could have left it."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import msgspec

from alterd_contracts.names import Artifact
from alterd_contracts.testing import Table
from alterd_contracts.testing.plugin import FOLDER
from tests.support.shop import Shop

_COUNTER = re.compile(r" AUTO_INCREMENT=\d+")


def table_of(shop: Shop, name: str) -> Table:
    """A table or view; an empty one where there is none."""
    found = shop.run(
        "SELECT TABLE_TYPE FROM information_schema.TABLES"
        f" WHERE TABLE_SCHEMA = '{shop.schema}' AND TABLE_NAME = '{name}'"
    )
    if not found:
        return Table()
    definition = str(shop.run(f"SHOW CREATE TABLE `{name}`")[0][1])
    rows = shop.run(f"SELECT * FROM `{name}` ORDER BY 1")
    return Table(
        definition=_COUNTER.sub("", definition).replace(f"`{shop.schema}`.", ""),
        rows=len(rows),
        digest=hashlib.sha256(repr(rows).encode()).hexdigest()[:16],
    )


def undeclared(shop: Shop, known: tuple[str, ...]) -> list[str]:
    """Tables that are nobody's, and those under a tool's own names, which no run that is over may leave."""
    there = set(shop.tables())
    rows = shop.run(f"SELECT name FROM _alterd.artifacts WHERE table_schema = '{shop.schema}' AND collected_at IS NULL")
    declared = {str(row[0]) for row in rows if Artifact.parse(str(row[0]))}
    return sorted(there - declared - set(known))


def rows_elsewhere(shop: Shop, known: tuple[str, ...]) -> int:
    """Rows in copies of the user's table: those that are not the user's and have its columns."""
    copies = shop.run(
        f"SELECT TABLE_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = '{shop.schema}'"
        " AND COLUMN_NAME IN ('id', 'u', 'b') GROUP BY TABLE_NAME HAVING COUNT(*) = 3"
    )
    names = [str(row[0]) for row in copies if row[0] not in known]
    return sum(int(shop.run(f"SELECT COUNT(*) FROM `{name}`")[0][0]) for name in names)


class OnServer(msgspec.Struct, frozen=True, kw_only=True):
    """What may be left on the server."""

    triggers: frozenset[str]
    routines: frozenset[str]
    accounts: frozenset[str]
    sessions: frozenset[str]


def on_server(shop: Shop) -> OnServer:
    """All by one session: those of earlier looks may take a moment to be gone."""
    schema = shop.schema
    with shop.session() as connection, connection.cursor() as cursor:

        def names(question: str) -> frozenset[str]:
            cursor.execute(question)
            return frozenset(str(row[0]) for row in cursor.fetchall())

        return OnServer(
            triggers=names(f"SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '{schema}'"),
            routines=names(
                f"SELECT ROUTINE_NAME AS name FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = '{schema}'"
                f" UNION SELECT EVENT_NAME FROM information_schema.EVENTS WHERE EVENT_SCHEMA = '{schema}'"
            ),
            accounts=names("SELECT CONCAT(User, '@', Host) FROM mysql.user"),
            # those of a run work in the schema
            sessions=names(
                "SELECT CONCAT(PROCESSLIST_ID, ' ', PROCESSLIST_USER) FROM performance_schema.threads"
                f" WHERE PROCESSLIST_DB = '{schema}' AND PROCESSLIST_ID <> CONNECTION_ID()"
            ),
        )


def processes(base: Path, folder: Path) -> dict[int, str]:
    """Command lines of processes that work below `base`, or that a run has started, by their numbers."""
    marker = f"{FOLDER}={folder}".encode()
    found = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if place.stat().st_uid != os.getuid():
                continue
            ours = (place / "cwd").readlink().is_relative_to(base) or marker in (place / "environ").read_bytes()
            if ours:
                found[int(place.name)] = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has ended, or is another user's
    return found


def files(*bases: Path) -> list[str]:
    """What is there, links and sockets too."""
    return sorted(str(path) for base in bases for path in base.rglob("*"))
