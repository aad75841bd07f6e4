"""One user's session: what is set, and statements carried out over NATS."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Mapping

import msgspec

from alterd_cli import keyspaces, requests
from alterd_cli.answers import EFFECTIVE, Given, give, give_each
from alterd_cli.failures import RefusedByService
from alterd_cli.history import log_line
from alterd_cli.link import caller, until_caught_up
from alterd_cli.output import moment
from alterd_cli.records import Key, read_records, unknown
from alterd_cli.rules import LAG, ask_verdict, read_rules
from alterd_cli.selection import Selection
from alterd_cli.services_seen import read_executors
from alterd_cli.sql import vexec
from alterd_cli.sql.asking import select, select_from
from alterd_cli.sql.statements import (
    Ddl,
    Order,
    Query,
    Revert,
    SelectRecords,
    SelectVariables,
    SetVariables,
    ShowLogs,
    ShowMigrations,
    ShowThrottledApps,
    ShowThrottler,
    Statement,
    UpdateRecords,
    Use,
    Variable,
)
from alterd_cli.sql.strategies import check_strategy
from alterd_cli.sql.table import Result, Value
from alterd_cli.sql.vexec import Chosen, Target
from alterd_contracts import names, subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import InvalidInput, NotFound, UnsupportedStatement
from alterd_contracts.inputs import Control
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Command, ShardEffect, Verdict
from alterd_contracts.states import Status
from alterd_contracts.work import LogLine
from alterd_runtime.bus import Bus
from alterd_runtime.settings import IntakeSettings

DIRECT = "direct"
_line: Reader[LogLine] = Reader(LogLine)


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a statement."""

    result: Result | None = None
    """Rows, where it gives any; else it affected some."""
    affected: int | None = 0
    """None where nothing could be."""
    notes: tuple[str, ...] = ()
    expected: tuple[Key, ...] = ()
    """Shard migrations whose end the strategy's callers wait for."""
    null: str = "NULL"


class Session:
    """The variables of a user, and a keyspace. Statements go one after the other."""

    def __init__(self, bus: Bus, keyspace: str, settings: IntakeSettings) -> None:
        self._bus, self._settings = bus, settings
        self.keyspace = keyspace
        self._strategy: str | None = None
        """None: the keyspace's default."""
        self._own_context = f"alterd:{names.new_request_id()}"
        self._context = ""

    @property
    def context(self) -> str:
        """What groups the session's migrations: what was set, else a text of the session's own."""
        return self._context or self._own_context

    async def run(self, statement: Statement) -> Done:
        """Carries `statement` out. Raises what `AlterdError` knows, and `RefusedByService`."""
        match statement:
            case SetVariables():
                done = await self._set(statement)
            case SelectVariables():
                done = await self._select_variables(statement)
            case Use():
                await keyspaces.find(self._bus, statement.keyspace)
                self.keyspace = statement.keyspace
                done = Done(affected=None, notes=("Database changed",))
            case Ddl():
                done = await self._submit(statement)
            case Order():
                done = await self._order(statement)
            case ShowMigrations():
                done = await self._show(statement)
            case SelectRecords():
                done = Done(result=await self.select(statement.query))
            case ShowLogs():
                done = await self._logs(statement)
            case ShowThrottledApps():
                done = await self._throttled_apps()
            case ShowThrottler():
                done = await self._throttler()
            case Revert():
                raise UnsupportedStatement(
                    "REVERT VITESS_MIGRATION cannot be done yet",
                    hint="the old table is kept for a while: `show vitess_migrations` names it under artifacts",
                    uuid=statement.uuid,
                )
        return done

    async def _set(self, statement: SetVariables) -> Done:
        changed: dict[Variable, str | None] = {}
        for variable, value in statement.values:
            if variable is Variable.DDL_STRATEGY and value is not None:
                value = value.strip() or DIRECT  # noqa: PLW2901 - the empty text means direct, as for Vitess
                check_strategy(value, await read_executors(self._bus))
            changed[variable] = value
        if Variable.DDL_STRATEGY in changed:
            self._strategy = changed[Variable.DDL_STRATEGY]
        if Variable.MIGRATION_CONTEXT in changed:
            self._context = changed[Variable.MIGRATION_CONTEXT] or ""
        return Done()

    async def _select_variables(self, statement: SelectVariables) -> Done:
        strategy = self._strategy
        if strategy is None:
            strategy = (await keyspaces.find(self._bus, self._chosen())).default_ddl_strategy
        held = {Variable.DDL_STRATEGY: strategy, Variable.MIGRATION_CONTEXT: self.context}
        row = tuple(held[variable] for variable, _ in statement.columns)
        return Done(result=Result(tuple(title for _, title in statement.columns), (row,)))

    async def _submit(self, statement: Ddl) -> Done:
        request = requests.build(
            statement.sql,
            keyspace=self._chosen(),
            strategy=self._strategy or "",
            context=self.context,
            uuids=(),
            request_id="",
        )
        accepted = await requests.ask(self._bus, request, self._settings)
        notes = [f"warning: {warning}" for warning in accepted.warnings]
        if not accepted.decided:
            notes.append("recorded, not decided yet: no scheduler has answered")
        uuids = [migration.migration_uuid for migration in accepted.migrations]
        return Done(
            result=Result(("uuid",), tuple((uuid,) for uuid in uuids)),
            notes=tuple(notes),
            expected=tuple((accepted.keyspace, shard, uuid) for uuid in uuids for shard in accepted.shards)
            if accepted.wait
            else (),
        )

    async def _order(self, order: Order) -> Done:
        keyspace = await keyspaces.find(self._bus, self._chosen())
        for shard in order.shards:
            if keyspace.shard(shard) is None:
                there = ", ".join(each.name for each in keyspace.shards)
                raise NotFound(f"keyspace {keyspace.name} has no shard {shard}", hint=f"it has {there}", shard=shard)
        given = await give(self._bus, self._control(order, order.uuid))
        notes = [told(effect, order.uuid) for effect in given.effects]
        if given.undecided:
            notes.append(given.silence)
        elif given.refused and not given.affected:
            raise RefusedByService(given.refused)
        return Done(affected=given.affected, notes=tuple(notes))

    async def say(self, command: Command, shards_of: Mapping[str, tuple[str, ...]]) -> Given:
        """Gives the command to each migration, on these of its shards. Raises `BusUnreachable`."""
        controls = [self._control(Order(command=command, shards=shards), uuid) for uuid, shards in shards_of.items()]
        return await give_each(self._bus, controls)

    def _control(self, order: Order, uuid: str) -> Control:
        return Control(
            command=order.command,
            keyspace=self._chosen(),
            migration_uuid=uuid,
            shards=order.shards,
            caller=caller(),
            cutover_threshold_seconds=order.threshold,
            expire_seconds=math.ceil(order.expire or 0),
            ratio=1.0 if order.ratio is None else order.ratio,
        )

    async def records(self, uuid: str = "", keyspace: str = "") -> list[Migration]:
        """As users see them, by submission."""
        return await read_records(self._bus, Selection(uuid=uuid, keyspace=keyspace or self._chosen()))

    async def select(self, query: Query, keyspace: str = "", status: Status | None = None) -> Result:
        """From the keyspace's records, or those in one state."""
        return await select_from(self._bus, Selection(keyspace=keyspace or self._chosen(), status=status), query)

    async def chosen(self, target: Target, statement: UpdateRecords) -> list[Chosen]:
        """The records of a whole keyspace on which the UPDATE has an effect; with a uuid all that meet its condition.

        Raises `UnknownKeyspace`, `UnknownMigration`, `InvalidInput`.
        """
        if target.uuid:
            found = await select(await self.vexec_records(target), statement.rows)
        else:
            await self.check(target)
            effective = EFFECTIVE[statement.command]
            ended = all(status.terminal for status in effective) if statement.alone else None
            selection = Selection(keyspace=target.keyspace, ended=ended)
            found = await select_from(self._bus, selection, vexec.only_in(statement.rows, effective))
        return [Chosen(*map(str, row)) for row in found.rows]

    async def check(self, target: Target) -> None:
        """Raises `UnknownKeyspace`."""
        await keyspaces.find(self._bus, target.keyspace)

    async def vexec_records(self, target: Target) -> list[Migration]:
        """Raises `UnknownKeyspace`, `UnknownMigration`."""
        await self.check(target)
        rows = await self.records(target.uuid, target.keyspace)
        if target.uuid and not rows:
            raise unknown(target.uuid, target.keyspace)
        return rows

    async def _show(self, statement: ShowMigrations) -> Done:
        keyspace = statement.keyspace
        if keyspace:
            await keyspaces.find(self._bus, keyspace)
        rows = await self.records(statement.uuid, keyspace) if statement.uuid else []
        if rows:
            return Done(result=await select(rows, statement.query))
        return Done(result=await self.select(statement.query, keyspace, statement.status))

    async def _logs(self, statement: ShowLogs) -> Done:
        if not await self.records(statement.uuid):
            raise unknown(statement.uuid, self.keyspace)
        lines = []
        tail = self._bus.tail(subjects.LOGS, subjects.log(self._chosen(), "*", statement.uuid))
        async with contextlib.aclosing(until_caught_up(tail)) as messages:
            async for message in messages:
                keyspace, shard = message.subject.split(".")[2:4]
                lines.append(log_line(keyspace, shard, _line.read(message.data)))
        if not lines:
            return Done(result=Result(("migration_log",), ()), notes=("its runs have written no log lines",))
        return Done(result=Result(("migration_log",), (("\n".join(lines),),)))

    async def _throttled_apps(self) -> Done:
        """What users throttle in this keyspace, on all shards or on some."""
        rules = await read_rules(self._bus, self._chosen())
        rows = tuple(
            (rule.app, moment(rule.expire_at), rule.ratio, "" if rule.shard == subjects.EVERYWHERE else rule.shard)
            for rule in rules
        )
        return Done(result=Result(("app", "expire_at", "ratio", "shard"), rows))

    async def _throttler(self) -> Done:
        """Of each shard whether it is measured, and what the throttler says of it now."""
        keyspace = await keyspaces.find(self._bus, self._chosen())
        verdicts = await asyncio.gather(*(ask_verdict(self._bus, keyspace.name, each.name) for each in keyspace.shards))
        rows = tuple(_judged(shard.name, verdict) for shard, verdict in zip(keyspace.shards, verdicts, strict=True))
        return Done(result=Result(("shard", "enabled", "threshold", "query", "go", "reason", "metrics"), rows))

    def _chosen(self) -> str:
        if not self.keyspace:
            raise InvalidInput("no keyspace is chosen", hint="`use NAME`, or --keyspace NAME")
        return self.keyspace


def _judged(shard: str, verdict: Verdict | str) -> tuple[Value, ...]:
    if isinstance(verdict, str):
        return shard, 0, None, "", None, verdict, ""
    metrics = ", ".join(f"{name} {value:g}" for name, value in sorted(verdict.metrics.items()))
    return shard, 1, verdict.thresholds.get(LAG), "heartbeat", int(verdict.go), verdict.reason, metrics


def told(effect: ShardEffect, uuid: str = "") -> str:
    """What a command did on one shard, for the person who gave it."""
    place = "everywhere" if effect.shard == subjects.EVERYWHERE else f"shard {effect.shard}"
    return " ".join(
        (*filter(None, [effect.migration_uuid or uuid, place + ":"]), effect.message or str(effect.migration_status))
    )
