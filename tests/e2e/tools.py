"""What tests of strategies share that run somebody else's program: load, commands, and what it may not leave."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from alterd_cli.demo.load import Load
from alterd_cli.demo.proof import Form, prove
from alterd_cli.demo.table import make_table
from tests.e2e.fleet import Fleet
from tests.e2e.online import SEED, place_in
from tests.support import eventually
from tests.support.processes import programs
from tests.support.shop import Shop


async def alterd(fleet: Fleet, *words: str) -> str:
    """A command as a user gives it: what it prints. Raises where it fails."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "alterd_cli", *words),
        env=fleet.environment(),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    said, complained = await process.communicate()
    assert process.returncode == 0, (words, said.decode(), complained.decode())
    return said.decode()


@contextlib.asynccontextmanager
async def under_load(shop: Shop, *, rows: int, rate: float) -> AsyncIterator[None]:
    """The demo's load on the demo's table, and afterwards the proof that it is as it was, with all that was written."""
    place = place_in(shop)
    await asyncio.to_thread(make_table, place, rows=rows, seed=SEED)
    async with Load(place, rows=rows, seed=SEED, rate=rate) as load:
        yield
        result = await load.stop()
    proof = await asyncio.to_thread(prove, place, result, form=Form.BEFORE)
    assert not proof.mismatches, str(proof.mismatches)
    assert proof.found == proof.expected
    assert proof.touched > 0


def traces(shop: Shop, uuid: str, program: str, folders: Iterable[Path]) -> dict[str, list[str]]:
    """What a migration by a tool may leave beside declared tables: nothing of all this. `folders`: of its executors'
    runs, where its files, flags and sockets are; `program`: what its command lines name.
    """
    named = f"User_attributes->>'$.metadata.alterd.migration_uuid' = '{uuid}'"
    declared = f"SELECT name FROM _alterd.artifacts WHERE table_schema = '{shop.schema}' AND collected_at IS NULL"
    asked = {
        "sessions": "SELECT PROCESSLIST_USER FROM performance_schema.threads t"
        f" JOIN mysql.user u ON u.User = t.PROCESSLIST_USER WHERE u.{named}",
        "triggers": f"SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '{shop.schema}'",
        "undeclared tables": "SELECT TABLE_NAME FROM information_schema.TABLES"
        f" WHERE TABLE_SCHEMA = '{shop.schema}' AND TABLE_NAME LIKE '\\_%' AND TABLE_NAME NOT IN ({declared})",
    }
    return {
        **{what: [str(row[0]) for row in shop.run(sql)] for what, sql in asked.items()},
        "accounts": shop.accounts(uuid),
        "programs": [str(pid) for pid in programs(program, uuid, uuid.replace("_", ""))],
        "files": [str(path.relative_to(folder)) for folder in folders for path in folder.rglob("*")],
    }


async def until_no_traces(shop: Shop, uuid: str, program: str, *folders: Path) -> None:
    """A run's last moves follow its report."""
    last: dict[str, list[str]] = {}

    def gone() -> bool:
        last.update(traces(shop, uuid, program, folders))
        return not any(last.values())

    try:
        await eventually(gone, 30)
    except AssertionError as error:
        raise AssertionError(f"{uuid} has left {last}") from error
