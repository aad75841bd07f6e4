"""One request, from text to submission: accepted whole or refused whole."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import msgspec
import structlog

from alterd_contracts import names, subjects
from alterd_contracts.declaration import Declaration
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import AlterdError, ErrorInfo
from alterd_contracts.inputs import RefusedRequest, Submission, Submitted, Target
from alterd_contracts.migration import Migration
from alterd_contracts.requests import Accepted, DdlRequest, Outcome, Refusal
from alterd_contracts.statement import masked
from alterd_intake import resolve
from alterd_intake.checking import Script, check_script
from alterd_intake.statements import read_script
from alterd_intake.world import World
from alterd_runtime.bus import Bus
from alterd_runtime.ddl_strategy import check_options, parse_ddl_strategy
from alterd_runtime.failpoints import failpoint
from alterd_runtime.metrics import REQUESTS
from alterd_runtime.settings import IntakeSettings

log = structlog.get_logger(__name__)

_outcome: Reader[Outcome] = Reader(Outcome)
_migration = msgspec.json.Decoder(Migration)


class Refused(Exception):
    """Carries all that speaks against a request."""

    def __init__(self, errors: tuple[ErrorInfo, ...]) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = errors


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """A request that may be submitted."""

    submission: Submission
    declaration: Declaration
    warnings: tuple[str, ...]


class Recorded(Exception):
    """This very request was taken before: the answer is known and nothing changes."""

    def __init__(self, answer: Accepted) -> None:
        super().__init__(answer.request_id)
        self.answer = answer


class Intake:
    """Takes requests, by whichever way they come."""

    def __init__(self, bus: Bus, world: World, settings: IntakeSettings) -> None:
        self._bus, self._world, self._settings = bus, world, settings

    async def take(self, request: DdlRequest) -> Accepted | Refusal:
        """For a caller that waits: the scheduler's word, or "recorded, not decided yet"."""
        try:
            prepared = await self._prepare(request)
        except Refused as refused:
            await self._tell_refusal(request, refused.errors)
            return Refusal(errors=refused.errors)
        except Recorded as recorded:
            return recorded.answer
        async with self._bus.inbox(_outcome) as (inbox, wait):
            await self._publish(prepared, inbox)
            try:
                outcome = await wait(self._settings.decision_timeout)
            except TimeoutError:
                return _accepted(prepared, decided=False)
        if isinstance(outcome, Refusal):
            return outcome
        return _accepted(prepared, decided=True)

    async def take_queued(self, request: DdlRequest, reply_to: str) -> None:
        """For a message of the queue: a refusal is told to `reply_to`, the rest is the scheduler's to tell."""
        try:
            prepared = await self._prepare(request)
        except Refused as refused:
            await self._tell_refusal(request, refused.errors, reply_to)
            return
        except Recorded as recorded:
            if reply_to:
                await self._bus.tell(reply_to, recorded.answer)
            return
        await self._publish(prepared, reply_to)

    async def _prepare(self, request: DdlRequest) -> Prepared:
        try:
            prepared = await self._read(request)
        except AlterdError as error:
            raise Refused((error.info(),)) from error
        REQUESTS.labels(result="accepted").inc()
        failpoint("intake.checked")
        return prepared

    async def _read(self, request: DdlRequest) -> Prepared:
        if errors := resolve.check_names(request):
            raise Refused(tuple(errors))
        if self._world.keyspace(request.keyspace) is None:
            await self._world.look_again()
        keyspace = resolve.find_keyspace(
            request.keyspace, self._world.keyspace(request.keyspace), self._world.keyspaces
        )
        setting = parse_ddl_strategy(resolve.default_strategy(request.ddl_strategy, keyspace))
        if setting.strategy not in self._world.declarations():
            await self._world.look_again()
        declaration = resolve.find_strategy(setting.strategy, self._world.declarations())
        # a long script takes the tokenizer a second: others need not wait for it
        script = await asyncio.to_thread(read_script, request.sql, schemas=resolve.schemas_of(keyspace))
        errors = [*script.refusals, *resolve.check_kinds(script.statements, declaration)]
        options = check_options(setting, declaration, others=self._world.declarations().values())
        errors += resolve.check_promises(script.statements, declaration, options)
        if errors:
            raise Refused(tuple(errors))
        uuids = resolve.uuids_of(request, script.statements)
        targets = tuple(Target(shard=shard.name, mysql_schema=shard.schema) for shard in keyspace.shards)
        submission = Submission(
            request_id=request.request_id,
            keyspace=keyspace.name,
            strategy=declaration.strategy,
            options=setting.options_text,
            migration_context=resolve.context_of(request),
            submitted=tuple(
                Submitted(
                    migration_uuid=uuid,
                    statement=statement,
                    choices=resolve.choices_of(
                        check_options(setting, declaration, statement.kind),
                        declaration.kind(statement.kind),
                        resumable=declaration.resumable,
                        throttleable=declaration.throttleable,
                    ),
                )
                for uuid, statement in zip(uuids, script.statements, strict=True)
            ),
            targets=targets,
            requested_at=datetime.now(UTC),
            caller=request.caller,
            singletons=resolve.singletons_of(options),
        )
        if await self._is_recorded(submission):
            prepared = Prepared(submission=submission, declaration=declaration, warnings=())
            raise Recorded(_accepted(prepared, decided=True))
        checked = await check_script(
            self._bus,
            keyspace,
            Script(
                request_id=request.request_id,
                strategy=declaration.strategy,
                options=setting.options_text,
                statements=script.statements,
                uuids=uuids,
                migration_context=submission.migration_context,
            ),
            self._settings.check_timeout,
        )
        if checked.errors:
            raise Refused(checked.errors)
        return Prepared(
            submission=resolve.with_special_plans(submission, checked.special_plans),
            declaration=declaration,
            warnings=checked.warnings,
        )

    async def _is_recorded(self, submission: Submission) -> bool:
        """Whether a scheduler has recorded this request: its statements may have run since, so no check is fair."""
        first = submission.submitted[0].migration_uuid
        entries = await self._bus.bucket(subjects.STATE).list(
            subjects.open_key(submission.keyspace, "*", first), subjects.done_key(submission.keyspace, "*", first)
        )
        rows = [_migration.decode(entry.value) for entry in entries if entry.value is not None]
        return any(row.has_answered(submission.request_id) for row in rows)

    async def _publish(self, prepared: Prepared, reply_to: str) -> None:
        """The same request has the same id: a redelivered one is recognised here or by the scheduler."""
        submission = prepared.submission
        await self._bus.publish(
            subjects.submission(submission.keyspace),
            submission,
            id=f"submission:{submission.keyspace}:{submission.request_id}:{reply_to}",
            about=submission.request_id,
            reply_to=reply_to,
        )
        failpoint("intake.submitted")

    async def _tell_refusal(self, request: DdlRequest, errors: tuple[ErrorInfo, ...], reply_to: str = "") -> None:
        """Into the log of inputs, so that the audit has it; the scheduler answers `reply_to`."""
        REQUESTS.labels(result="refused").inc()
        log.info("request.refused", request_id=request.request_id, errors=[error.message for error in errors])
        safe = names.KEYSPACE.fullmatch(request.keyspace) and names.REQUEST.fullmatch(request.request_id)
        if not safe:  # a name that cannot stand in a subject reaches nobody but the caller
            if reply_to:
                await self._bus.tell(reply_to, Refusal(errors=errors))
            return
        refused = RefusedRequest(
            request_id=request.request_id,
            keyspace=request.keyspace,
            errors=errors,
            caller=request.caller,
            sql=masked(request.sql)[:4096],
        )
        await self._bus.publish(
            subjects.submission(request.keyspace),
            refused,
            id=f"refused:{request.keyspace}:{request.request_id}:{names.new_request_id()}",
            about=request.request_id,
            reply_to=reply_to,
        )


def _accepted(prepared: Prepared, *, decided: bool) -> Accepted:
    return prepared.submission.accepted(decided=decided, wait=prepared.declaration.waits, warnings=prepared.warnings)
