"""A script of schema changes, sent to intake."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from alterd_cli.failures import RefusedByService
from alterd_cli.link import caller, open_bus
from alterd_cli.options import SubmitOutput
from alterd_cli.output import echo, echo_json, echo_table, note
from alterd_cli.watching import follow
from alterd_contracts import names, subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import ServiceUnreachable
from alterd_contracts.requests import Accepted, DdlRequest, Refusal
from alterd_runtime.bus import Bus
from alterd_runtime.settings import IntakeSettings

_reply: Reader[Accepted | Refusal] = Reader(Accepted | Refusal)


def build(sql: str, *, keyspace: str, strategy: str, context: str, uuids: Sequence[str], request_id: str) -> DdlRequest:
    """The request. Raises `InvalidName` before anything is sent."""
    return DdlRequest(
        request_id=names.check_request(request_id) if request_id else names.new_request_id(),
        keyspace=names.check_keyspace(keyspace),
        sql=sql,
        ddl_strategy=strategy,
        migration_context=names.check_context(context),
        uuids=tuple(names.check_uuid(uuid) for uuid in uuids),
        caller=caller(),
    )


async def submit(request: DdlRequest, *, wait: bool | None, output: SubmitOutput, settings: IntakeSettings) -> int:
    """Sends `request`, prints what became of it, and follows it to its end if asked; the exit code.

    Raises `RefusedByService`, `ServiceUnreachable`, `BusUnreachable`.
    """
    async with open_bus() as bus:
        accepted = await ask(bus, request, settings)
        _print(accepted, output)
        for warning in accepted.warnings:
            note(f"warning: {warning}")
        if not accepted.decided:
            note(
                "recorded, not decided yet: no scheduler has answered; "
                f"`alterd show {accepted.migration_context}` tells when one has"
            )
        if not (accepted.wait if wait is None else wait):
            return 0
        expected = {
            (accepted.keyspace, shard, migration.migration_uuid)
            for migration in accepted.migrations
            for shard in accepted.shards
        }
        uuids = [migration.migration_uuid for migration in accepted.migrations]
        return await follow(bus, uuids, expected=expected, stderr=True)


async def ask(bus: Bus, request: DdlRequest, settings: IntakeSettings) -> Accepted:
    """Intake's word. Raises `RefusedByService`, `ServiceUnreachable`, `BusUnreachable`."""
    patience = settings.check_timeout + settings.decision_timeout + 5.0
    try:
        reply = await bus.ask(subjects.SUBMIT, request, _reply, timeout=patience)
    except ServiceUnreachable as error:
        if "nobody" in error.message:
            raise ServiceUnreachable(
                "no intake service is running", hint="start one: `alterd up`, or `alterd serve intake`"
            ) from None
        raise ServiceUnreachable(
            f"intake has not answered in {patience:g} s; the request may have been taken",
            hint=f"send it again with --request-id {request.request_id}: one request is never taken twice",
        ) from None
    if isinstance(reply, Refusal):
        raise RefusedByService(reply.errors)
    return reply


def _print(accepted: Accepted, output: SubmitOutput) -> None:
    if output is SubmitOutput.JSON:
        document: dict[str, Any] = msgspec.to_builtins(accepted)
        document.pop("type", None)
        echo_json(document)
        return
    if output is SubmitOutput.NAME:
        for migration in accepted.migrations:
            echo(migration.migration_uuid)
        return
    echo_table(
        ("migration_uuid", "mysql_table", "ddl_action", "migration_statement"),
        [
            (each.migration_uuid, each.mysql_table, each.ddl_action, each.migration_statement)
            for each in accepted.migrations
        ],
    )
    shards = ", ".join(accepted.shards)
    note(f"accepted by {accepted.keyspace}: shards {shards} · strategy {accepted.strategy}")
