"""Answers whether a script would run, and what a strategy would do: tried on empty copies, without a trace."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Sequence

import msgspec
import stamina
import structlog

from alterd_contracts import subjects
from alterd_contracts.errors import AlterdError, BusUnreachable, ErrorInfo, Interrupted, Unreachable
from alterd_contracts.hookspecs import Check
from alterd_contracts.migration import Migration
from alterd_contracts.requests import CheckReply, CheckRequest, PlanReply, PlanStep
from alterd_contracts.statement import Statement, StatementKind
from alterd_contracts.strategy import Strategy
from alterd_contracts.topology import Shard
from alterd_executor.repeats import left_out
from alterd_executor.shards import find_shard
from alterd_executor.task import statement_of
from alterd_executor.trial import Trial
from alterd_executor.watching import decoded
from alterd_runtime.bus import BucketStore
from alterd_runtime.ddl_strategy import zero_dates_allowed
from alterd_runtime.metrics import CHECKS
from alterd_runtime.mysql.grants import missing
from alterd_runtime.mysql.scratch import scratch_schema, sweep
from alterd_runtime.mysql.session import Session
from alterd_runtime.mysql.shard import find_primary
from alterd_runtime.plugins import Strategies

log = structlog.get_logger(__name__)

CHECKER = "alterd:check"
NATS_PATIENCE = 15.0
"""Seconds for NATS to answer: a cluster's change of leader took 7.2 s when measured."""
LOCK_WAIT = 5
"""Seconds to wait for a table's metadata lock before it counts as not to be tried."""
SWEEP_EVERY = 600.0
"""Seconds between two looks for scratch schemas of dead processes, on one shard."""


class NotPermitted(Exception):
    """The shard's account lacks privileges, so nothing was tried."""

    def __init__(self, lacking: Sequence[AlterdError]) -> None:
        super().__init__()
        self.errors = [error.info() for error in lacking]


class Checker:
    """Serves `alterd.api.check.*` and `alterd.api.plan.*`."""

    def __init__(
        self,
        *,
        records: BucketStore,
        topology: BucketStore,
        strategies: Strategies,
        checks: Sequence[tuple[str, Check]],
    ) -> None:
        self._records, self._topology = records, topology
        self._strategies, self._checks = strategies, checks
        self._swept: dict[tuple[str, str], float] = {}

    async def check(self, request: CheckRequest) -> CheckReply:
        """Tries the script. Raises what speaks of the shard, not of the script: `ShardUnreachable`, `UnsafeShard`."""
        errors: list[ErrorInfo] = []
        warnings: tuple[str, ...] = ()
        plans: list[str] = []
        there: tuple[int, ...] = ()
        try:
            async with self._trial(request) as (trial, left_out):
                there = tuple(sorted(left_out))
                for place, (change, statement) in enumerate(_changes(request, trial.schema)):
                    if place in left_out:
                        plans.append("")
                        continue
                    special = await self._special(trial, change, statement)
                    plans.append(special.special_plan)
                    errors += await self._try(trial, special, statement)
                warnings = (*trial.untried, *trial.warnings)
        except NotPermitted as lacking:
            errors += lacking.errors
        CHECKS.labels(result="refused" if errors else "passed").inc()
        special_plans = tuple(plans) if any(plans) else ()
        return CheckReply(errors=tuple(errors), warnings=warnings, special_plans=special_plans, left_out=there)

    async def plan(self, request: CheckRequest) -> PlanReply:
        """As `check`, and what the strategy would do with each statement."""
        errors: list[ErrorInfo] = []
        steps: list[PlanStep] = []
        try:
            async with self._trial(request) as (trial, left_out):
                for place, (change, statement) in enumerate(_changes(request, trial.schema)):
                    if place in left_out:
                        continue
                    special = await self._special(trial, change, statement)
                    planned = await self._runner(change).plan(special, trial)
                    steps += [msgspec.structs.replace(step, statement=statement.number) for step in planned]
                    errors += await self._try(trial, special, statement)
        except NotPermitted as lacking:
            errors += lacking.errors
        return PlanReply(steps=tuple(steps), errors=tuple(errors))

    def _runner(self, change: Migration) -> Strategy:
        strategy = self._strategies.get(change.strategy)
        kind = strategy.declare().kind(change.statement_kind)
        return self._strategies.get(kind.runner) if kind is not None and kind.runner else strategy

    def _is_rebuilt(self, change: Migration) -> bool:
        kind = self._strategies.get(change.strategy).declare().kind(change.statement_kind)
        return kind is not None and kind.rebuilds

    @contextlib.asynccontextmanager
    async def _trial(self, request: CheckRequest) -> AsyncIterator[tuple[Trial, frozenset[int]]]:
        """A scratch schema as the pending migrations of the script's tables will leave it; and places of the script
        that are there already, so that they are not tried. Raises `NotPermitted`.
        """
        # a cluster that changes its leader must not make a caller's request fail
        async for attempt in stamina.retry_context(
            on=BusUnreachable, attempts=None, timeout=NATS_PATIENCE, wait_max=1.0
        ):
            with attempt:
                shard = await find_shard(self._topology, request.keyspace, request.shard)
        primary = await find_primary(shard, keyspace=request.keyspace)
        session = await Session.open(
            primary.address, primary.credentials, name=CHECKER, init={"lock_wait_timeout": LOCK_WAIT}
        )
        async with session:
            views = any(statement.is_view for statement in request.statements)
            if lacking := await missing(session, shard.schema, request.strategy, views=views):
                raise NotPermitted(lacking)
            await self._sweep(session, request.keyspace, shard)
            async with scratch_schema(session, shard.schema) as scratch:
                trial = Trial(session, scratch, keyspace=request.keyspace, shard=shard.name, schema=shard.schema)
                entries = await self._records.list(subjects.open_key(request.keyspace, request.shard, "*"))
                pending = [decoded(entry.value, entry.key) for entry in entries if entry.value is not None]
                await self._apply_pending(trial, request, pending)
                yield trial, await left_out(self._records, request, pending)

    async def _sweep(self, session: Session, keyspace: str, shard: Shard) -> None:
        place = keyspace, shard.name
        if time.monotonic() - self._swept.get(place, -SWEEP_EVERY) >= SWEEP_EVERY:
            self._swept[place] = time.monotonic()
            await sweep(session)

    async def _apply_pending(self, trial: Trial, request: CheckRequest, pending: list[Migration]) -> None:
        tables = {name for statement in request.statements for name in (statement.table, *statement.tables)}
        for statement in request.statements:
            if statement.kind is StatementKind.DROP_TABLE:
                tables.update(await trial.children(statement.table))
        for record in sorted(pending, key=lambda record: record.id):
            if record.mysql_table in tables:
                try:
                    await trial.apply(statement_of(record), zero_dates=zero_dates_allowed(record.options))
                except (Interrupted, Unreachable):
                    raise
                except AlterdError as error:  # that migration's own affair: it will fail by itself
                    log.debug("check.pending_refused", migration=record.migration_uuid, error=error.message)

    async def _special(self, trial: Trial, change: Migration, statement: Statement) -> Migration:
        """The change with its special plan; a table that cannot be copied has none."""
        await trial.copy((statement.table, *statement.tables))
        try:
            return change.evolve(special_plan=await self._runner(change).special_plan(change, trial))
        except (Interrupted, Unreachable):
            raise
        except AlterdError:  # the check says what is wrong
            return change

    async def _try(self, trial: Trial, change: Migration, statement: Statement) -> list[ErrorInfo]:
        found: list[AlterdError] = []
        try:
            found += await self._runner(change).check(change, trial)
            for name, check in self._checks:
                found += await _checked(name, check, change, trial)
            await trial.apply(
                statement, zero_dates=zero_dates_allowed(change.options), rebuilt=self._is_rebuilt(change)
            )
        except (Interrupted, Unreachable):
            raise
        except AlterdError as error:
            found.append(error)
        return [_located(error, statement) for error in found]


async def _checked(name: str, check: Check, change: Migration, trial: Trial) -> list[AlterdError]:
    try:
        return await check(change, trial)
    except AlterdError as error:
        if isinstance(error, Interrupted | Unreachable):
            raise
        return [error]
    except Exception as error:  # a foreign check may fail in any way
        log.exception("check.broke", check=name)
        return [AlterdError(f"the check {name} raised {type(error).__name__}", hint="the executor's log says more")]


def _located(error: AlterdError, statement: Statement) -> ErrorInfo:
    where = {"statement": statement.label, "table": statement.table, **error.where}
    return msgspec.structs.replace(error.info(), where=where)


def _changes(request: CheckRequest, schema: str) -> list[tuple[Migration, Statement]]:
    """Each statement as the record it would become."""
    uuids = request.migration_uuids
    return [
        (
            Migration(
                id=0,
                migration_uuid=uuids[number] if number < len(uuids) else "",
                keyspace=request.keyspace,
                shard=request.shard,
                mysql_schema=schema,
                mysql_table=statement.table,
                migration_statement=statement.sql,
                strategy=request.strategy,
                options=request.options,
                ddl_action=statement.ddl_action,
                is_view=statement.is_view,
                request_id=request.request_id,
                statement_kind=statement.kind,
                if_exists=statement.if_exists,
                if_not_exists=statement.if_not_exists,
            ),
            statement,
        )
        for number, statement in enumerate(request.statements)
    ]
