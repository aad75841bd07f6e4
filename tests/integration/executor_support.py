"""Attempts driven in this process against a real server, and a scheduler played by the test."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import uuid as uuids
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.events import Fact, MigrationEvent
from alterd_contracts.inputs import AttemptReport, Collected, Report, Started
from alterd_contracts.migration import Migration
from alterd_contracts.statement import StatementKind
from alterd_contracts.states import Status
from alterd_contracts.strategy import Strategy, Wanted
from alterd_contracts.topology import Keyspace, ServerAddress
from alterd_contracts.work import ExecutorInfo, Work
from alterd_direct.direct import Direct
from alterd_direct.mysql import Mysql
from alterd_direct.statement import StatementRunner
from alterd_executor.kept import write_record
from alterd_executor.protocol import Access, AskMayComplete, Ending, LogText, Start, VerdictNow
from alterd_executor.runner import drive
from alterd_executor.service import serve
from alterd_executor.task import RunTask
from alterd_runtime.bus import Bus, NatsSettings
from alterd_runtime.http import Health, HttpServer
from alterd_runtime.mysql.connect import Credentials
from alterd_runtime.mysql.fence import Fence
from alterd_runtime.mysql.session import Session
from alterd_runtime.mysql.sidecar import ensure
from alterd_runtime.service import Context
from alterd_runtime.settings import ExecutorSettings, HttpSettings, Settings
from alterd_vitess.vitess import Vitess
from tests.support import eventually
from tests.support.processes import proc, runs_of, templates_of
from tests.support.servers import keyspace_of
from tests.support.shop import Shop

AnyReport = TypeVar("AnyReport", bound=Report)
_inputs: Reader[Report] = Reader(AttemptReport | Collected)

STRATEGIES: dict[str, Strategy] = {
    "mysql": Mysql(),
    "direct": Direct(),
    "statement": StatementRunner(),
    "vitess": Vitess(),
}


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
        self.permitted = math.inf
        """How many questions whether it may complete are still answered with yes."""

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
        replicas: tuple[ServerAddress, ...] = (),
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
            if isinstance(message, AskMayComplete):
                asyncio.get_running_loop().call_soon(task.answered, message.number, attempt.permitted > 0)
                attempt.permitted -= 1

        task = RunTask(
            Start(
                record=record,
                strategy=name,
                executor=record.tablet,
                access=Access(primary=address(shop), replicas=replicas, user=shop.user, password=shop.password),
                workdir=str(workdir),
                lock_wait_timeout=lock_wait,
                retain_artifacts=86400,
                throttle_url="",
            ),
            send,
        )
        task.throttle.hear(VerdictNow(go=True, reason="", valid_seconds=3600.0))
        attempt = cls(record, STRATEGIES[name], task, sent)
        if postponed:
            attempt.permitted = 0
            await task.hear(Wanted(may_complete=False))
        return attempt

    async def run(self) -> Ending:
        return await drive(self.strategy, self.task)

    async def permit(self, times: float = math.inf) -> None:
        """From now on it may complete; `times`: so many questions are answered with yes."""
        self.permitted = times
        await self.task.hear(Wanted())

    async def want(self, **wanted: Any) -> None:
        """What the users want from now on, beside that it may complete."""
        self.permitted = math.inf
        await self.task.hear(Wanted(**wanted))

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


class Scheduler:
    """As much of a scheduler as an executor needs: records, work, grants, and the reports it reads."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.records = bus.bucket(subjects.STATE)
        self.reports: list[Report] = []

    async def read(self) -> None:
        """Reads reports until cancelled."""
        async for message in self.bus.tail(subjects.INPUT):
            if message is not None:
                self.reports.append(_inputs.read(message.data))

    async def write(self, record: Migration) -> None:
        await self.records.put(record.open_key, msgspec.json.encode(record))

    async def dispatch(self, record: Migration) -> Migration:
        """Offers the record's attempt; the record as it stands then."""
        ready = record.evolve(migration_status=Status.READY, tablet="", incarnation="")
        await self.write(ready)
        work = Work(
            keyspace=record.keyspace,
            shard=record.shard,
            migration_uuid=record.migration_uuid,
            attempt=record.attempt,
            strategy=record.strategy,
        )
        subject = subjects.work(record.strategy, record.keyspace, record.shard)
        await self.bus.publish(subject, work, id=f"{record.open_key}:{record.attempt}")
        return ready

    async def tell(self, record: Migration, fact: Fact) -> None:
        """Publishes a fact about the record."""
        event = MigrationEvent(
            id=f"{record.open_key}:{fact}",
            time=datetime.now(UTC),
            fact=fact,
            keyspace=record.keyspace,
            shard=record.shard,
            migration_uuid=record.migration_uuid,
            migration_status=record.migration_status,
            strategy=record.strategy,
            ddl_action=record.ddl_action,
            mysql_table=record.mysql_table,
            attempt=record.attempt,
        )
        await self.bus.publish(event.subject, event, id=event.id)

    async def grant(self, record: Migration) -> Migration:
        """Waits for the question, and grants."""
        started = await self.report(Started, record)
        running = record.evolve(
            migration_status=Status.RUNNING, tablet=started.executor, incarnation=started.incarnation
        )
        await self.write(running)
        return running

    async def report(self, kind: type[AnyReport], record: Migration, timeout: float = 20) -> AnyReport:
        """The first report of this kind of the record's attempt."""

        def found() -> list[AnyReport]:
            return [
                report
                for report in self.reports
                if isinstance(report, kind)
                and (report.migration_uuid, report.attempt) == (record.migration_uuid, record.attempt)
            ]

        await eventually(lambda: bool(found()), timeout)
        return found()[0]

    def of(self, record: Migration) -> list[str]:
        """The kinds of all reports about a migration."""
        return [type(report).__name__ for report in self.reports if report.migration_uuid == record.migration_uuid]


class Running:
    """An executor in this process."""

    def __init__(self, context: Context, task: asyncio.Task[None], scheduler: Scheduler, keyspace: Keyspace) -> None:
        self.context, self.task, self.scheduler, self.keyspace = context, task, scheduler, keyspace

    async def stop(self) -> None:
        self.context.stopping.set()
        await self.task

    async def info_is_there(self) -> bool:
        if self.task.done():
            self.task.result()
        return await self.info() is not None

    async def info(self) -> ExecutorInfo | None:
        entry = await self.context.bus.bucket(subjects.EXECUTORS).get(self.context.instance)
        return None if entry is None or entry.value is None else msgspec.json.decode(entry.value, type=ExecutorInfo)

    def children(self) -> list[int]:
        """Processes of runs."""
        return runs_of(os.getpid())

    def seen_in_proc(self) -> str:
        """What other users of this machine, or its administrator, see of the runs' processes."""
        return "\n".join(
            proc(pid, what)
            for pid in [*templates_of(os.getpid()), *self.children()]
            for what in ("cmdline", "environ", "comm")
        )


@contextlib.asynccontextmanager
async def executor(nats_url: str, shop: Shop, folder: Path, **settings: Any) -> AsyncIterator[Running]:
    """An executor on a NATS server, with the shop as its one keyspace, and a scheduler that reads."""
    keyspace = keyspace_of(shop, folder / "keyspace")
    natses = NatsSettings(servers=(nats_url,))
    instance = f"executor-{uuids.uuid4().hex[:8]}"
    async with Bus.open(natses, "executor", instance) as bus, Bus.open(natses, "test", instance) as other:
        await bus.ensure()
        await bus.bucket(subjects.TOPOLOGY).put(keyspace.name, msgspec.json.encode(keyspace))
        scheduler = Scheduler(other)
        reading = asyncio.create_task(scheduler.read())
        http = HttpServer(HttpSettings(), Health)
        http.start()
        context = Context(
            settings=Settings(executor=ExecutorSettings(**{"lease_ttl": 2, **settings})),
            instance=instance,
            bus=bus,
            http=http,
            health=Health(),
            stopping=asyncio.Event(),
        )
        running = Running(context, asyncio.create_task(serve(context)), scheduler, keyspace)
        try:
            await eventually(running.info_is_there)
            yield running
            await running.stop()
        finally:
            context.stopping.set()
            reading.cancel()
            await asyncio.gather(running.task, reading, return_exceptions=True)
            await asyncio.to_thread(http.stop)
