"""Attempts driven in this process against a real server, and a scheduler played by the test."""

from __future__ import annotations

import asyncio
import contextlib
import uuid as uuids
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from alterd_contracts.migration import Migration
from alterd_contracts.statement import StatementKind
from alterd_contracts.states import Status
from alterd_contracts.strategy import Strategy, Wanted
from alterd_contracts.topology import ServerAddress
from alterd_direct.direct import Direct
from alterd_direct.mysql import Mysql
from alterd_direct.statement import StatementRunner
from alterd_executor.protocol import Access, AskMayComplete, Ending, LogText, Start
from alterd_executor.runner import drive
from alterd_executor.task import RunTask, write_record
from alterd_runtime.mysql.connect import Credentials
from alterd_runtime.mysql.fence import Fence
from alterd_runtime.mysql.session import Session
from alterd_runtime.mysql.sidecar import ensure
from tests.support.shop import Shop

STRATEGIES: dict[str, Strategy] = {"mysql": Mysql(), "direct": Direct(), "statement": StatementRunner()}


def new_uuid() -> str:
    return str(uuids.uuid4()).replace("-", "_")


def record_of(shop: Shop, kind: StatementKind, table: str, sql: str, **fields: Any) -> Migration:
    values: dict[str, Any] = {
        "id": 1,
        "migration_uuid": new_uuid(),
        "keyspace": "commerce",
        "shard": "0",
        "mysql_schema": shop.schema,
        "mysql_table": table,
        "migration_statement": sql,
        "strategy": "mysql",
        "migration_status": Status.RUNNING,
        "ddl_action": kind.ddl_action,
        "is_view": kind.is_view,
        "statement_kind": kind,
        "attempt": 1,
        "first_attempt": 1,
        "tablet": "e1",
    }
    return Migration(**{**values, **fields})


def alter(shop: Shop, sql: str, table: str = "customer", **fields: Any) -> Migration:
    return record_of(shop, StatementKind.ALTER_TABLE, table, f"ALTER TABLE {table} {sql}", **fields)


def credentials(shop: Shop) -> Credentials:
    return Credentials(shop.user, shop.password)


def address(shop: Shop) -> ServerAddress:
    return ServerAddress.parse(shop.servers[0])


@contextlib.asynccontextmanager
async def session(shop: Shop) -> AsyncIterator[Session]:
    async with await Session.open(address(shop), credentials(shop)) as opened:
        yield opened


class Attempt:
    """One attempt in this process, with the fence taken as a supervisor takes it."""

    def __init__(self, record: Migration, strategy: Strategy, task: RunTask, sent: list[msgspec.Struct]) -> None:
        self.record, self.strategy, self.task, self.sent = record, strategy, task, sent

    @classmethod
    async def claim(
        cls,
        shop: Shop,
        record: Migration,
        workdir: Path,
        *,
        strategy: str = "",
        lock_wait: int = 60,
        postponed: bool = False,
    ) -> Attempt:
        fence = Fence(
            keyspace=record.keyspace,
            shard=record.shard,
            migration_uuid=record.migration_uuid,
            attempt=record.attempt,
            executor=record.tablet,
        )
        async with await Session.open(address(shop), credentials(shop), name=fence.session_name) as opened:
            await ensure(opened)
            await fence.take_over(opened)
            async with fence.transaction(opened):
                await write_record(opened, record)
        declared = STRATEGIES[record.strategy].declare().kind(record.statement_kind)
        assert declared is not None
        name = strategy or declared.runner or record.strategy
        sent: list[msgspec.Struct] = []

        def send(message: msgspec.Struct) -> None:
            sent.append(message)
            if isinstance(message, AskMayComplete) and not postponed:
                asyncio.get_running_loop().call_soon(task.answered, message.number, True)

        task = RunTask(
            Start(
                record=record,
                strategy=name,
                executor=record.tablet,
                access=Access(primary=address(shop), replicas=(), user=shop.user, password=shop.password),
                workdir=str(workdir),
                lock_wait_timeout=lock_wait,
                retain_artifacts=86400,
                throttle_url="",
            ),
            send,
        )
        return cls(record, STRATEGIES[name], task, sent)

    async def run(self) -> Ending:
        return await drive(self.strategy, self.task)

    async def cancel(self) -> None:
        await self.task.hear(Wanted(cancel_requested=True))

    def log(self) -> str:
        return "\n".join(message.text for message in self.sent if isinstance(message, LogText))

    async def die(self) -> None:
        """Ends the sessions as the end of the process would, without a word to anybody."""
        await self.task.end_sessions()


async def run(shop: Shop, record: Migration, workdir: Path, **options: Any) -> Ending:
    """One attempt, whole."""
    attempt = await Attempt.claim(shop, record, workdir, **options)
    ending = await attempt.run()
    await attempt.task.finish(None)
    return ending


def next_attempt(record: Migration) -> Migration:
    return record.evolve(attempt=record.attempt + 1, tablet="e2")
