"""All that a running strategy sees of alterd."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec
import structlog

from alterd_contracts.errors import LostSession, Refused, ShardUnreachable
from alterd_contracts.migration import Migration
from alterd_contracts.names import ArtifactKind
from alterd_contracts.statement import Statement
from alterd_contracts.states import Status
from alterd_contracts.strategy import Account, Login, Wanted
from alterd_contracts.strategy import Session as StrategySession
from alterd_contracts.topology import ServerAddress
from alterd_executor import accounts
from alterd_executor.kept import retention, write_record
from alterd_executor.programs import run_program
from alterd_executor.protocol import (
    Alive,
    AnalyzedNow,
    ArtifactForgotten,
    ArtifactNow,
    AskMayComplete,
    PhaseNow,
    ProgressNow,
    ReadyNow,
    Start,
)
from alterd_executor.runlog import RunLog
from alterd_executor.throttle import RunThrottle
from alterd_runtime.failpoints import failpoint
from alterd_runtime.mysql import artifacts
from alterd_runtime.mysql.connect import Credentials
from alterd_runtime.mysql.fence import Fence
from alterd_runtime.mysql.session import Session

log = structlog.get_logger(__name__)

Send = Callable[[msgspec.Struct], None]
SIGN_EVERY = 0.25
"""Seconds between two signs of life or progress that leave the process."""
STILL_WAITING = 5.0
"""Seconds between two signs of life while a run waits for the shard's exclusive place."""
RUNNER = "alterd:runner"
"""Name of the session that looks whether an attempt's own sessions are gone."""


def statement_of(record: Migration) -> Statement:
    """The record's statement as strategies see it."""
    return Statement(
        kind=record.statement_kind,
        ddl_action=record.statement_kind.ddl_action,
        is_view=record.statement_kind.is_view,
        table=record.mysql_table,
        sql=record.migration_statement,
        original=record.migration_statement,
        if_exists=record.if_exists,
        if_not_exists=record.if_not_exists,
    )


class RunTask:
    """`alterd_contracts.strategy.Task` of one attempt. `send` takes messages to the executor."""

    def __init__(self, start: Start, send: Send) -> None:
        self._start, self._send = start, send
        self._record = start.record
        self._fence = Fence(
            keyspace=start.record.keyspace,
            shard=start.record.shard,
            migration_uuid=start.record.migration_uuid,
            attempt=start.record.attempt,
            executor=start.executor,
        )
        self._credentials = Credentials(start.access.user, start.access.password)
        self._wanted = Wanted.of(start.record)
        self._heard = asyncio.Condition()
        self._asked: dict[int, asyncio.Future[bool]] = {}
        self._questions = 0
        self._sessions: list[Session] = []
        self._made_account = False
        self._ready = start.record.ready_to_complete
        self._throttle = RunThrottle(start.throttle_url, send, start.record)
        self._log = RunLog(send)
        self._last_sign = 0.0
        self._progress: ProgressNow | None = None
        self._stopping = asyncio.Event()

    # What it is about ------------------------------------------------------------------------------------------

    @property
    def migration(self) -> Migration:
        return self._record

    @property
    def statement(self) -> Statement:
        return statement_of(self._record)

    @property
    def attempt(self) -> int:
        return self._record.attempt

    @property
    def workdir(self) -> Path:
        return Path(self._start.workdir)

    @property
    def throttle(self) -> RunThrottle:
        return self._throttle

    @property
    def log(self) -> RunLog:
        return self._log

    @property
    def stopping(self) -> asyncio.Event:
        return self._stopping

    # What is wanted --------------------------------------------------------------------------------------------

    @property
    def wanted(self) -> Wanted:
        return self._wanted

    async def wanted_changed(self) -> Wanted:
        before = self._wanted
        async with self._heard:
            await self._heard.wait_for(lambda: self._wanted != before)
        return self._wanted

    async def hear(self, wanted: Wanted) -> None:
        """The executor's word."""
        async with self._heard:
            self._wanted = wanted
            self._throttle.pause(wanted.paused)
            self._heard.notify_all()

    async def may_complete(self) -> bool:
        self._questions += 1
        number = self._questions
        answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            self._send(AskMayComplete(number=number))
            return await answer
        finally:
            del self._asked[number]

    def answered(self, number: int, answer: bool) -> None:
        """The executor's answer to a question."""
        waiting = self._asked.get(number)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    # The shard -------------------------------------------------------------------------------------------------

    async def primary(self, variables: Mapping[str, str | int] | None = None) -> Session:
        session = await Session.open(
            self._start.access.primary,
            self._credentials,
            database=self._record.mysql_schema,
            name=self._fence.session_name,
            init={"lock_wait_timeout": self._start.lock_wait_timeout, **(variables or {})},
        )
        self._sessions.append(session)
        try:
            # a session opened after the claim of a later attempt would not be killed by it
            async with self._fence.transaction(session):
                pass
        except BaseException:
            await self._close(session)
            raise
        return session

    async def replica(self) -> Session | None:
        for address in self._start.access.replicas:
            if session := await self._open_replica(address):
                return session
        return None

    async def replicas(self) -> dict[str, StrategySession]:
        opened: dict[str, StrategySession] = {}
        for address in self._start.access.replicas:
            if session := await self._open_replica(address):
                opened[str(address)] = session
        return opened

    async def _open_replica(self, address: ServerAddress) -> Session | None:
        """None where it does not answer; the log says so."""
        try:
            session = await Session.open(
                address, self._credentials, database=self._record.mysql_schema, name=self._fence.session_name
            )
        except ShardUnreachable as error:
            self._log.warning(error.message)
            return None
        self._sessions.append(session)
        return session

    @asynccontextmanager
    async def fenced(self, session: StrategySession) -> AsyncIterator[None]:
        assert isinstance(session, Session), "only sessions of this task can be fenced"
        async with self._fence.transaction(session):
            yield

    async def check_fence(self, session: StrategySession) -> None:
        assert isinstance(session, Session), "only sessions of this task can be fenced"
        await self._fence.check(session)

    def login(self) -> Login:
        return self._login(self._start.access.primary)

    def replica_logins(self) -> Sequence[Login]:
        return [self._login(address) for address in self._start.access.replicas]

    def _login(self, server: ServerAddress) -> Login:
        return Login(
            host=server.host,
            port=server.port,
            user=self._credentials.user,
            password=self._credentials.password,
            name=self._fence.session_name,
        )

    # How it comes along ----------------------------------------------------------------------------------------

    async def phase(self, name: str) -> None:
        self._flush()  # what was said before belongs to the phase before
        self._send(PhaseNow(phase=name))
        if name in self._record.exclusive_phases:
            await self._placed()

    async def _placed(self) -> None:
        """Returns when the shard's exclusive place is this attempt's; the scheduler has heard that it is wanted."""
        while not self._wanted.exclusive:
            with suppress(TimeoutError):
                async with asyncio.timeout(STILL_WAITING):
                    await self.wanted_changed()
            self.alive()

    async def ready(self, ready: bool = True) -> None:
        if ready != self._ready:
            self._ready = ready
            self._send(ReadyNow(ready=ready))

    async def shadow_analyzed(self) -> None:
        self._send(AnalyzedNow())

    def progress(
        self,
        *,
        rows_copied: int = 0,
        table_rows: int = 0,
        percent: float | None = None,
        eta_seconds: int = -1,
        lag_seconds: float = 0.0,
        stage: str = "",
        cutover_attempts: int = 0,
        keys_waiting: int = 0,
        message: str = "",
        rows_repaired: int = 0,
    ) -> None:
        rows_copied, table_rows = int(rows_copied), int(table_rows)  # servers hand out decimals too
        if percent is None:
            percent = 100.0 * rows_copied / table_rows if table_rows > 0 else 0.0
        late = self._progress is None
        self._progress = ProgressNow(
            rows_copied=rows_copied,
            table_rows=table_rows,
            percent=max(0.0, min(100.0, _finite(percent))),
            eta_seconds=int(_finite(eta_seconds, -1)),
            lag_seconds=_finite(lag_seconds),
            stage=stage,
            cutover_attempts=int(cutover_attempts),
            keys_waiting=int(keys_waiting),
            message=message,
            rows_repaired=int(rows_repaired),
        )
        if late:
            wait = max(0.0, self._last_sign + SIGN_EVERY - time.monotonic())
            asyncio.get_running_loop().call_later(wait, self._flush)

    def alive(self) -> None:
        now = time.monotonic()
        if now >= self._last_sign + SIGN_EVERY:
            self._last_sign = now
            self._send(Alive())

    def _flush(self) -> None:
        self._last_sign = time.monotonic()
        progress, self._progress = self._progress, None
        if progress is not None:
            self._send(progress)

    # What it makes ---------------------------------------------------------------------------------------------

    async def artifact(self, kind: ArtifactKind) -> str:
        async with self._brief() as session:
            artifact = await artifacts.declare(session, self._fence, self._record.mysql_schema, kind)
        [name] = self._declared([artifact.name])
        return name

    async def tool_artifacts(self, endings: Sequence[str]) -> tuple[str, ...]:
        async with self._brief() as session:
            declared = await artifacts.declare_tools(session, self._fence, self._record.mysql_schema, endings)
        return self._declared([artifact.name for artifact in declared])

    async def foreign_artifacts(self, names: Sequence[str]) -> None:
        async with self._brief() as session:
            await artifacts.declare_foreign(session, self._fence, self._record.mysql_schema, names)
        self._declared(names)

    def _declared(self, names: Sequence[str]) -> tuple[str, ...]:
        for name in names:
            self._send(ArtifactNow(name=name))
        failpoint("run.artifact_declared")
        return tuple(names)

    async def forget_artifact(self, name: str) -> None:
        async with self._brief() as session:
            if await artifacts.exists(session, self._record.mysql_schema, name):
                raise Refused(f"the artifact {name} exists: it cannot be forgotten", table=name)
            async with self._fence.transaction(session):
                await artifacts.mark_collected(session, self._record.mysql_schema, name)
        self._send(ArtifactForgotten(name=name))

    async def account(self, grants: Sequence[str]) -> Account:
        async with self._brief() as session:
            self._made_account = True
            return await accounts.create(session, self._fence, grants)

    async def subprocess(
        self, argv: Sequence[str], env: Mapping[str, str], tell: Callable[[str], None] | None = None
    ) -> int:
        return await run_program(argv, env, self.workdir, tell or self._log.info)

    # How it ends -----------------------------------------------------------------------------------------------

    async def end_sessions(self) -> None:
        """Ends whatever of this attempt still works on the server, and returns when it is gone.

        Raises `ShardUnreachable`, `Ambiguous` (something does not end).
        """
        while self._sessions:
            await self._close(self._sessions[-1])
        async with await Session.open(self._start.access.primary, self._credentials, name=RUNNER) as session:
            await self._next().kill_older(session)
            if self._made_account or self._record.attempt > 1:
                await accounts.end(session, self._fence)

    async def finish(self, status: Status | None) -> None:
        """The last writes to the shard. `status`: where the migration ends, None when the attempt is given back.

        Raises `Fenced`; `LostSession` and others leave things to the collector and the next attempt.
        """
        self._flush()
        while self._sessions:
            await self._close(self._sessions[-1])
        sweeping = self._made_account or self._record.attempt > 1
        if status is None and not sweeping:
            return
        async with self._brief() as session:
            if sweeping:
                await accounts.sweep(session, self._fence)
            if status is None:
                return
            async with self._fence.transaction(session):
                await artifacts.release(session, self._fence, retention(self._record, self._start.retain_artifacts))
                await write_record(session, self._record.evolve(migration_status=status))

    def _next(self) -> Fence:
        return msgspec.structs.replace(self._fence, attempt=self._fence.attempt + 1)

    @asynccontextmanager
    async def _brief(self) -> AsyncIterator[Session]:
        """A session for the block alone."""
        session = await self.primary()
        try:
            yield session
        finally:
            await self._close(session)

    async def _close(self, session: Session) -> None:
        if session in self._sessions:
            self._sessions.remove(session)
        with suppress(LostSession):
            await session.close()


def _finite(value: float, instead: float = 0.0) -> float:
    return float(value) if math.isfinite(value) else instead
