"""The command line, and records to look at, on a real NATS."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from alterd_contracts import subjects
from alterd_contracts.events import Fact, MigrationEvent
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status
from alterd_runtime.bus import Bus, NatsSettings

UUID = "9e8a9249_3976_11ed_9442_0a43f95f28a3"
OTHER = "11111111_2222_3333_4444_555555555555"
NOW = datetime.now(UTC)
ENCODE = msgspec.json.Encoder().encode


class CommandLine:
    """``alterd`` as a user runs it, on a NATS of this module's own."""

    def __init__(self, url: str, home: Path) -> None:
        self.url = url
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("ALTERD_")}
        self.environ |= {"ALTERD_NATS__SERVERS": url, "ALTERD_HOME": str(home)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "alterd_cli", *arguments],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """stdout and stderr; fails on another exit code."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=30)
        assert process.returncode == code, (process.returncode, out, err)
        return out, err

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "-o", "json", code=code)[0])

    def on_bus(self, work: Callable[[Bus], Awaitable[None]]) -> None:
        async def connected() -> None:
            async with Bus.open(NatsSettings(servers=(self.url,)), "test", "cli", patience=10) as bus:
                await work(bus)

        asyncio.run(connected())


def record(**fields: Any) -> Migration:
    values: dict[str, Any] = {
        "id": 1,
        "migration_uuid": UUID,
        "keyspace": "shop",
        "shard": "0",
        "mysql_schema": "shop",
        "mysql_table": "orders",
        "migration_statement": "alter table orders add note text",
        "strategy": "mysql",
        "ddl_action": "alter",
        "requested_timestamp": NOW,
        "migration_context": "deploy-1",
    }
    return Migration(**{**values, **fields})


async def write(bus: Bus, row: Migration) -> None:
    """As the scheduler does: the new row first, then the old one goes."""
    store = bus.bucket(subjects.STATE)
    terminal = row.migration_status.terminal
    await store.put(row.done_key if terminal else row.open_key, ENCODE(row))
    await store.delete(row.open_key if terminal else row.done_key)


async def tell(bus: Bus, fact: Fact, **fields: Any) -> None:
    """A fact about the running migration."""
    values: dict[str, Any] = {
        "id": f"e:{fact}",
        "time": NOW,
        "fact": fact,
        "keyspace": "shop",
        "shard": "0",
        "migration_uuid": UUID,
        "migration_status": Status.RUNNING,
        "strategy": "mysql",
        "ddl_action": "alter",
        "mysql_table": "orders",
        "attempt": 1,
    }
    event = MigrationEvent(**{**values, **fields})
    await bus.publish(event.subject, event, id=event.id)
