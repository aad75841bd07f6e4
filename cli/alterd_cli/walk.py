"""The demo: a CREATE, an ALTER and a DROP through the queue on a real MySQL, with the commands a user would type."""

from __future__ import annotations

import asyncio
import os
import shlex
import sys
import time
from pathlib import Path

from alterd_cli.output import echo, echo_table
from alterd_cli.running import everything
from alterd_contracts.errors import MigrationFailed
from alterd_contracts.topology import Keyspace
from alterd_runtime.mysql.session import Session
from alterd_runtime.mysql.shard import find_primary
from alterd_runtime.provision.sandbox import Sandbox
from alterd_runtime.topology import load_keyspace

CONTEXT = "demo"
CHANGES = (
    "CREATE TABLE customer (id int NOT NULL PRIMARY KEY, name varchar(64) NOT NULL)",
    "ALTER TABLE customer ADD COLUMN email varchar(128), ADD INDEX by_email (email)",
    "DROP TABLE obsolete",
)
EXPECTED = (
    ("customer", "email", "varchar(128)"),
    ("customer", "id", "int"),
    ("customer", "name", "varchar(64)"),
)
"""Table, column and type that must be there at the end, and no others."""


async def walk(folder: Path) -> None:
    """Runs it all below `folder`.

    Raises `MigrationFailed` where a change or the result is not as it should be, `Unreachable` where a server does
    not start.
    """
    began = time.monotonic()
    sandbox = Sandbox(folder / "sandbox", replicas=1, die_with_parent=True)
    try:
        echo("Starting MySQL, a primary and a replica (the first time it may have to be fetched)")
        file = await asyncio.to_thread(lambda: Path(sandbox.up(_indented).keyspace_file))
        keyspace = await asyncio.to_thread(lambda: load_keyspace(file.read_text()))
        await _prepare(keyspace)
        echo("Starting NATS and the services")
        async with everything(folder, 0, _indented) as (nats, _):
            await _changes(nats.url, folder, keyspace, file)
        await _check(keyspace)
    finally:
        await asyncio.to_thread(sandbox.down, lambda _: None)
    echo(
        f"\nAll three are complete and the schema is what was asked. {time.monotonic() - began:.0f} s; all is stopped."
    )


async def _changes(nats_url: str, folder: Path, keyspace: Keyspace, file: Path) -> None:
    typist = _Typist(nats_url, folder)
    await typist.run("keyspace", "apply", str(file))
    await typist.run("doctor", "-k", keyspace.name)
    for sql in CHANGES:
        await typist.run(
            *("submit", "-k", keyspace.name, "--ddl-strategy", "mysql", "--migration-context", CONTEXT, "--wait", sql)
        )
    await typist.run("show", CONTEXT)
    await typist.run("events", "-k", keyspace.name)


class _Typist:
    """Types commands, and lets you see them."""

    def __init__(self, nats_url: str, folder: Path) -> None:
        self._environ = {**os.environ, "ALTERD_NATS__SERVERS": nats_url, "ALTERD_HOME": str(folder)}

    async def run(self, *arguments: str) -> None:
        """Raises `MigrationFailed` when the command does not end well."""
        echo(f"\n$ {shlex.join(('alterd', *arguments))}")
        sys.stdout.flush()
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "alterd_cli", *arguments), env=self._environ, stdin=asyncio.subprocess.DEVNULL
        )
        code = await child.wait()
        if code:
            raise MigrationFailed(f"`alterd {arguments[0]}` ended with exit code {code}", hint="its words stand above")


async def _prepare(keyspace: Keyspace) -> None:
    """A table for the DROP to drop."""
    async with await _session(keyspace) as session:
        await session.execute("CREATE TABLE obsolete (id int NOT NULL PRIMARY KEY)")


async def _check(keyspace: Keyspace) -> None:
    """Reads the schema back from MySQL. Raises `MigrationFailed`."""
    schema = keyspace.shards[0].schema
    async with await _session(keyspace) as session:
        rows = await session.query(
            "SELECT TABLE_NAME AS t, COLUMN_NAME AS c, COLUMN_TYPE AS y FROM information_schema.COLUMNS"
            " WHERE TABLE_SCHEMA = %s ORDER BY TABLE_NAME, COLUMN_NAME",
            (schema,),
        )
        indexes = await session.query(
            "SELECT DISTINCT INDEX_NAME AS name FROM information_schema.STATISTICS"
            " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = 'customer' ORDER BY INDEX_NAME",
            (schema,),
        )
    found = [(row["t"], row["c"], row["y"]) for row in rows]
    echo(f"\nWhat MySQL has in schema {schema} now:")
    echo_table(("table", "column", "type"), found)
    # what DROP left is held under another name until its retention is over
    visible = tuple(row for row in found if not row[0].startswith("_alterd_"))
    if visible != EXPECTED or "by_email" not in {row["name"] for row in indexes}:
        raise MigrationFailed("the schema is not what was asked", hint="this is a bug in alterd: please report it")


async def _session(keyspace: Keyspace) -> Session:
    shard = keyspace.shards[0]
    primary = await find_primary(shard, keyspace=keyspace.name)
    return await Session.open(primary.address, primary.credentials, database=shard.schema, name="alterd:demo")


def _indented(text: str) -> None:
    echo(f"  {text}")
