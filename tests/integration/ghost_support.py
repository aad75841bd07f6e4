"""Attempts of the strategy gh-ost in this process: the real program, on a real server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from alterd_contracts.errors import ErrorInfo
from alterd_contracts.migration import Migration
from alterd_contracts.statement import StatementKind
from alterd_executor.accounts import stem
from alterd_executor.claiming import fence_of
from alterd_executor.protocol import Ending, RunFailed
from tests.integration.executor_support import Attempt, record_of
from tests.integration.vitess_support import Running
from tests.support.ghost import Gate
from tests.support.processes import programs
from tests.support.shop import Shop

ALTER = "ALTER TABLE item ADD COLUMN c INT NOT NULL DEFAULT 7, MODIFY u BIGINT, ADD INDEX by_u (u)"
SLOW = "--nice-ratio=20 --chunk-size=10"
"""Copies a hundred rows or so in a second."""


def altering(shop: Shop, sql: str = ALTER, table: str = "item", **fields: Any) -> Migration:
    return record_of(shop, StatementKind.ALTER_TABLE, table, sql, strategy="gh-ost", **fields)


async def start(shop: Shop, gate: Gate, record: Migration, workdir: Path, **options: Any) -> Running:
    await asyncio.to_thread(workdir.mkdir, exist_ok=True)
    return await Running.start(shop, record, workdir, throttle_url=gate.url, **options)


async def whole(shop: Shop, gate: Gate, record: Migration, workdir: Path, **options: Any) -> tuple[Attempt, Ending]:
    """One attempt to its end."""
    running = await start(shop, gate, record, workdir, **options)
    return running.attempt, await running.ending(90)


def failure(ending: Ending) -> ErrorInfo:
    assert isinstance(ending, RunFailed), ending
    return ending.error


def filled(shop: Shop, rows: int = 400) -> None:
    shop.run("CREATE TABLE item (id INT NOT NULL PRIMARY KEY, u INT, b VARCHAR(30))")
    for first in range(1, rows + 1, 2000):
        values = ",".join(f"({n}, {n}, 'row {n}')" for n in range(first, min(first + 2000, rows + 1)))
        shop.run(f"INSERT INTO item VALUES {values}")


def ghosts(record: Migration) -> list[int]:
    """Processes of gh-ost for a migration."""
    return programs("gh-ost", record.migration_uuid.replace("_", ""))


def seen_in_proc(pid: int) -> str:
    """What others on this machine may see of a process."""
    return "".join(Path(f"/proc/{pid}/{what}").read_text() for what in ("cmdline", "environ"))


def secret_of(workdir: Path) -> str:
    """The password in the file that gh-ost reads, which nobody else may."""
    file = workdir / "gh-ost.cnf"
    assert file.stat().st_mode & 0o077 == 0
    return file.read_text().rpartition("password=")[2].strip()


def nothing_is_left(shop: Shop, record: Migration, workdir: Path) -> None:
    """No account, no session of one, no program, no undeclared table, no trigger; no socket, flag or secret."""
    assert shop.accounts(record.migration_uuid) == []
    whose = stem(fence_of(record, record.tablet)).replace("_", "\\_")
    assert shop.run(f"SELECT User FROM performance_schema.processlist WHERE User LIKE '{whose}%'") == []
    assert ghosts(record) == []
    undeclared = shop.run(
        f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{shop.schema}'"
        " AND table_name LIKE '\\_%' AND table_name NOT IN"
        f" (SELECT name FROM _alterd.artifacts WHERE table_schema = '{shop.schema}' AND collected_at IS NULL)"
    )
    assert undeclared == []
    absent = shop.run(
        f"SELECT name FROM _alterd.artifacts WHERE table_schema = '{shop.schema}' AND collected_at IS NULL"
        f" AND name NOT IN (SELECT table_name FROM information_schema.tables WHERE table_schema = '{shop.schema}')"
    )
    assert absent == [], "declared, not there, and not forgotten"
    assert shop.run(f"SELECT 1 FROM information_schema.triggers WHERE trigger_schema = '{shop.schema}'") == []
    assert not [path.name for path in workdir.rglob("*") if path.is_socket()]


async def until_gone(record: Migration) -> None:
    """Programs take a moment to see that they are ended."""
    for _ in range(200):
        if not ghosts(record):
            return
        await asyncio.sleep(0.05)
    raise AssertionError("gh-ost goes on")
