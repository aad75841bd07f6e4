"""Has executors try a script on empty copies, on every shard at once."""

from __future__ import annotations

import asyncio

import msgspec

from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import AlterdError, ErrorInfo, ServiceUnreachable, ShardUnreachable
from alterd_contracts.requests import CheckReply, CheckRequest, Refusal
from alterd_contracts.statement import Statement
from alterd_contracts.topology import Keyspace
from alterd_runtime.bus import Bus

AT_ONCE = 16
"""Shards tried at the same time."""

_reader: Reader[CheckReply | Refusal] = Reader(CheckReply | Refusal)


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What all shards said."""

    errors: tuple[ErrorInfo, ...] = ()
    warnings: tuple[str, ...] = ()
    special_plans: tuple[str, ...] = ()
    """Of each statement the special plan on which all shards that answered agree; empty: none."""


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be tried."""

    request_id: str
    strategy: str
    options: str
    statements: tuple[Statement, ...]
    uuids: tuple[str, ...]
    migration_context: str


async def check_script(bus: Bus, keyspace: Keyspace, script: Script, timeout: float) -> Checked:
    """Tries the script on every shard. `timeout` in seconds, for each.

    A shard that does not answer gets its work when it is back, as long as some shard could try the script.
    """
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(shard: str) -> CheckReply | AlterdError:
        request = CheckRequest(
            request_id=script.request_id,
            keyspace=keyspace.name,
            shard=shard,
            strategy=script.strategy,
            options=script.options,
            statements=script.statements,
            migration_uuids=script.uuids,
            migration_context=script.migration_context,
        )
        async with slots:
            try:
                reply = await bus.ask(subjects.check(script.strategy), request, _reader, timeout=timeout)
            except AlterdError as error:
                return error
        return AlterdError.of(reply.errors[0]) if isinstance(reply, Refusal) else reply

    names = [shard.name for shard in keyspace.shards]
    return judge(dict(zip(names, await asyncio.gather(*map(one, names)), strict=True)))


def judge(answers: dict[str, CheckReply | AlterdError]) -> Checked:
    """Sums up the shards' answers; the same error on several shards is told once. Pure."""
    errors: dict[tuple[str, str, str], ErrorInfo] = {}
    warnings: list[str] = []
    away: dict[str, AlterdError] = {}
    for shard, answer in answers.items():
        if isinstance(answer, ShardUnreachable):
            away[shard] = answer
        elif isinstance(answer, AlterdError):
            _add(errors, answer.info(), shard)
        else:
            for info in answer.errors:
                _add(errors, info, shard)
            warnings += [f"shard {shard}: {text}" for text in answer.warnings]
    if away and len(away) == len(answers):
        for shard, error in away.items():
            _add(errors, error.info(), shard)
    else:
        warnings += [
            f"shard {shard} does not answer and gets its work when it is back: {e.message}" for shard, e in away.items()
        ]
    replies = [answer for answer in answers.values() if isinstance(answer, CheckReply)]
    return Checked(errors=tuple(errors.values()), warnings=tuple(warnings), special_plans=_agreed(replies))


def _agreed(replies: list[CheckReply]) -> tuple[str, ...]:
    """Who has not tried a statement has no say about it."""
    count = max((len(reply.special_plans) for reply in replies), default=0)
    said: list[set[str]] = [set() for _ in range(count)]
    for reply in replies:
        for place, plans in enumerate(said):
            if place not in reply.left_out:
                plans.add(reply.special_plans[place] if reply.special_plans else "")
    agreed = tuple(next(iter(plans)) if len(plans) == 1 else "" for plans in said)
    return agreed if any(agreed) else ()


def _add(errors: dict[tuple[str, str, str], ErrorInfo], info: ErrorInfo, shard: str) -> None:
    key = (info.code, info.message, info.where.get("statement", ""))
    if key in errors:
        there = errors[key]
        shard = f"{there.where['shard']}, {shard}"
    errors[key] = msgspec.structs.replace(info, where={**info.where, "shard": shard})


def nobody_checks(strategy: str, error: ServiceUnreachable) -> ServiceUnreachable:
    return ServiceUnreachable(
        f"no executor answered to try the statements with {strategy}: {error.message}",
        hint="see `alterd doctor`",
        strategy=strategy,
    )
