"""What users throttle, as the throttler keeps it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec

from alterd_cli.link import READ_PATIENCE
from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import AlterdError, BusUnreachable
from alterd_contracts.migration import Migration
from alterd_contracts.requests import ONLINE_DDL, Refusal, ThrottleCheck, ThrottleRule, Verdict
from alterd_runtime.bus import Bus

LAG = "lag"
"""The metric that stands for the throttler where one number does."""
VERDICT_TIMEOUT = 5.0
"""Seconds; the first question of an idle shard waits for its measurement."""

_verdicts: Reader[Verdict | Refusal] = Reader(Verdict | Refusal)
_rule = msgspec.json.Decoder(ThrottleRule)


async def read_rules(bus: Bus, keyspace: str = "") -> list[ThrottleRule]:
    """All that hold now, by keyspace, app and shard. Raises `BusUnreachable`."""
    try:
        async with asyncio.timeout(READ_PATIENCE):
            entries = await bus.bucket(subjects.THROTTLE_RULES).list(subjects.rule_key(keyspace or "*", "*", "*"))
    except TimeoutError:
        raise BusUnreachable("NATS did not hand out the throttler's rules") from None
    rules = [_rule.decode(entry.value) for entry in entries if entry.value is not None]
    return sorted(rules, key=lambda rule: (rule.keyspace, rule.app, rule.shard))


async def ask_verdict(bus: Bus, keyspace: str, shard: str) -> Verdict | str:
    """What the throttler says of a shard, or why it says nothing."""
    question = ThrottleCheck(keyspace=keyspace, shard=shard, app=ONLINE_DDL)
    try:
        reply = await bus.ask(subjects.THROTTLE_CHECK, question, _verdicts, timeout=VERDICT_TIMEOUT)
    except AlterdError as error:
        return error.message
    return reply.errors[0].message if isinstance(reply, Refusal) else reply


def ratio_of(row: Migration, rules: Iterable[ThrottleRule]) -> float:
    """The highest ratio by which users throttle what is pending; 0 for none."""
    if row.migration_status.terminal:
        return 0.0
    return max(
        (
            rule.ratio
            for rule in rules
            if rule.keyspace == row.keyspace
            and rule.shard in (subjects.EVERYWHERE, row.shard)
            and rule.app in (ONLINE_DDL, row.migration_uuid)
        ),
        default=0.0,
    )
