"""What users throttle: rules that end by themselves."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import msgspec
import structlog

from alterd_contracts.errors import AlterdError, InvalidInput
from alterd_contracts.inputs import Control, RuleChanged
from alterd_contracts.names import check_uuid, new_request_id
from alterd_contracts.requests import ONLINE_DDL, Answered, Command, ShardEffect, ThrottleRule
from alterd_contracts.subjects import EVERYWHERE, THROTTLE_RULES, control, rule_key
from alterd_runtime.bus import Bus
from alterd_throttler.directory import Directory

log = structlog.get_logger(__name__)

DEFAULT_EXPIRY = 3600
"""Seconds."""
LONGEST = 100 * 365 * 86400
"""Seconds: a rule for ever."""
LOOK_AGAIN = 30.0
"""Seconds between two readings of all rules, while there are any: an end that was missed in an outage is seen then."""
MARKER_TTL = 60

_rule = msgspec.json.Decoder(ThrottleRule)


class Rules:
    """All rules in memory, kept up to date by `run`; an instance that is asked writes them."""

    def __init__(self, bus: Bus, directory: Directory) -> None:
        self._bus, self._directory = bus, directory
        self._bucket = bus.bucket(THROTTLE_RULES)
        self._rules: dict[str, ThrottleRule] = {}
        self.loaded = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._follow())
            tasks.create_task(self._read_again())

    def denied(self, keyspace: str, shard: str) -> dict[str, float]:
        """By app's name the highest ratio that holds on a shard."""
        found: dict[str, float] = {}
        for rule in self._rules.values():
            if rule.keyspace == keyspace and rule.shard in (EVERYWHERE, shard):
                found[rule.app] = max(rule.ratio, found.get(rule.app, 0.0))
        return found

    async def decide(self, asked: Control) -> Answered:
        """Sets or removes rules. Raises `InvalidInput`, `InvalidName`, `UnknownKeyspace`, `BusUnreachable`."""
        _check(asked)
        if asked.shards:
            for shard in asked.shards:
                await self._directory.find(asked.keyspace, shard)
        else:
            await self._directory.check(asked.keyspace)
        effects = await (self._set(asked) if asked.command is Command.THROTTLE else self._remove(asked))
        affected = sum(effect.affected for effect in effects)
        if affected:
            changed = RuleChanged(
                command=asked.command,
                keyspace=asked.keyspace,
                migration_uuid=asked.migration_uuid,
                shards=tuple(effect.shard for effect in effects if effect.affected and effect.shard != EVERYWHERE),
                ratio=asked.ratio,
                expire_seconds=_expiry(asked),
                caller=asked.caller,
                message=asked.message,
            )
            await self._bus.publish(
                control(asked.keyspace), changed, id=f"rule:{new_request_id()}", about=asked.migration_uuid
            )
        return Answered(migration_uuid=asked.migration_uuid, effects=tuple(effects), affected=affected)

    async def _set(self, asked: Control) -> list[ShardEffect]:
        expire_at = datetime.now(UTC) + timedelta(seconds=_expiry(asked))
        effects = []
        for shard in asked.shards or (EVERYWHERE,):
            rule = ThrottleRule(
                keyspace=asked.keyspace,
                shard=shard,
                app=_app(asked),
                ratio=asked.ratio,
                expire_at=expire_at,
                caller=asked.caller,
                message=asked.message,
            )
            key = rule_key(asked.keyspace, shard, rule.app)
            await self._bucket.put(key, msgspec.json.encode(rule), ttl=_expiry(asked))
            self._rules[key] = rule
            text = f"throttled, ratio {asked.ratio:g}, until {expire_at:%Y-%m-%d %H:%M:%S} UTC"
            effects.append(ShardEffect(shard=shard, affected=1, message=text))
        return effects

    async def _remove(self, asked: Control) -> list[ShardEffect]:
        """Without shards every rule of the app goes, wherever it holds."""
        entries = await self._bucket.list(rule_key(asked.keyspace, "*", _app(asked)))
        there = {entry.key.split(".")[1]: entry.key for entry in entries}
        effects = []
        for shard in asked.shards or tuple(sorted(there)) or (EVERYWHERE,):
            key = there.get(shard)
            if key is None:
                elsewhere = "; a rule holds for all shards" if EVERYWHERE in there else ""
                effects.append(ShardEffect(shard=shard, affected=0, message=f"is not throttled{elsewhere}"))
                continue
            await self._bucket.delete(key, marker_ttl=MARKER_TTL)
            self._rules.pop(key, None)
            effects.append(ShardEffect(shard=shard, affected=1, message="no longer throttled"))
        return effects

    async def _follow(self) -> None:
        async for entry in self._bucket.watch():
            if entry is None:
                self.loaded.set()
            else:
                self._learn(entry.key, entry.value)

    async def _read_again(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AGAIN)
            if not self._rules:
                continue
            try:
                there = {entry.key: entry.value for entry in await self._bucket.list(">")}
            except AlterdError as error:
                log.info("rules.read_again", why=error.message)
                continue
            for key in self._rules.keys() | there.keys():
                self._learn(key, there.get(key))

    def _learn(self, key: str, value: bytes | None) -> None:
        if value is None:
            if self._rules.pop(key, None):
                log.info("rule.ended", rule=key)
            return
        try:
            self._rules[key] = _rule.decode(value)
        except msgspec.DecodeError as error:
            log.error("rule.unreadable", rule=key, error=str(error))


def _app(asked: Control) -> str:
    return asked.migration_uuid or ONLINE_DDL


def _expiry(asked: Control) -> int:
    return asked.expire_seconds or DEFAULT_EXPIRY


def _check(asked: Control) -> None:
    """Raises `InvalidInput`, `InvalidName`."""
    if asked.command not in (Command.THROTTLE, Command.UNTHROTTLE):
        raise InvalidInput(f"{asked.command} is not for the throttler", hint="the scheduler takes it")
    if asked.migration_uuid:
        check_uuid(asked.migration_uuid)
    if not 0.0 < asked.ratio <= 1.0:
        raise InvalidInput(
            f"a ratio of {asked.ratio:g} is out of range", hint="above 0 and at most 1; `alterd unthrottle` ends it"
        )
    if not 0 <= asked.expire_seconds <= LONGEST:
        raise InvalidInput(
            f"an expiry of {asked.expire_seconds} s is out of range", hint="from 1s to a hundred years; 0 is an hour"
        )
