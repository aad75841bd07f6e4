"""Shards: primary, replicas, settings, account. Works where the shard's secret can be read."""

from __future__ import annotations

import asyncio

from alterd_cli.doctor.findings import Finding, fail, ok, warn
from alterd_contracts.errors import AlterdError, InvalidSetting
from alterd_contracts.topology import Keyspace, Shard
from alterd_runtime.mysql import grants
from alterd_runtime.mysql.server import ServerFacts
from alterd_runtime.mysql.session import Session
from alterd_runtime.mysql.shard import Primary, find_primary


async def check_keyspace(keyspace: Keyspace) -> list[Finding]:
    """All shards, at the same time."""
    found = await asyncio.gather(*(_shard(keyspace.name, shard) for shard in keyspace.shards))
    return [finding for findings in found for finding in findings]


async def _shard(keyspace: str, shard: Shard) -> list[Finding]:
    part = f"{keyspace}/{shard.name}"
    try:
        primary = await find_primary(shard, keyspace=keyspace)
    except InvalidSetting as error:
        return [
            warn(part, f"cannot be checked from here: {error.message}", "run `alterd doctor` where the executors run")
        ]
    except AlterdError as error:
        denied = " denied " in error.message
        everything = " ".join(grants.statements(grants.needs(views=True), shard.schema, _name(shard)))
        mend = f"on each server: {everything}" if denied else error.hint
        return [fail(part, error.message, mend)]
    found = [ok(part, f"{primary.address} is the primary, MySQL {primary.facts.version_text}")]
    if primary.replicas:
        found.append(ok(part, f"replicas: {', '.join(map(str, primary.replicas))}"))
    found += [
        fail(part, f"{address} does not answer", "start it, or take it out of the keyspace")
        for address in primary.unreachable
    ]
    found += settings(part, primary.facts)
    try:
        found += await _account(part, shard, primary)
    except AlterdError as error:
        found.append(fail(part, error.message, error.hint))
    return found


def settings(part: str, facts: ServerFacts) -> list[Finding]:
    """What the server is set to; only online strategies need the binary log."""
    wrong: list[tuple[str, str]] = []
    if not facts.log_bin:
        wrong.append(("the binary log is off", "log_bin"))
    if facts.gtid_mode != "ON":
        wrong.append((f"gtid_mode is {facts.gtid_mode}", "gtid_mode=ON, enforce_gtid_consistency=ON"))
    if facts.binlog_format != "ROW":
        wrong.append((f"binlog_format is {facts.binlog_format}", "binlog_format=ROW"))
    if facts.binlog_row_image != "FULL":
        wrong.append((f"binlog_row_image is {facts.binlog_row_image}", "binlog_row_image=FULL"))
    found = [
        warn(part, f"{what}: strategies that follow the binary log cannot run", f"set {how}") for what, how in wrong
    ]
    if not facts.performance_schema:
        found.append(
            fail(part, "performance_schema is off: a dead run's sessions cannot be found", "set performance_schema=ON")
        )
    return found or [ok(part, "gtid_mode, row format and row image are as online changes need them")]


async def _account(part: str, shard: Shard, primary: Primary) -> list[Finding]:
    async with await Session.open(primary.address, primary.credentials, name="alterd:doctor") as session:
        held = await grants.read_grants(session)
        schemas = await session.query(
            "SELECT SCHEMA_NAME AS name FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = %s", (shard.schema,)
        )
    found = []
    if not schemas:
        found.append(fail(part, f"there is no schema {shard.schema}", "create it, or correct the shard's schema"))
    return [*found, *judge_account(part, shard, held)]


def judge_account(part: str, shard: Shard, held: grants.Grants) -> list[Finding]:
    """What the shard's account lacks. Pure."""
    account = held.account or _name(shard)
    lacking = held.lacking(grants.needs(views=True), shard.schema)
    found = [
        fail(
            part,
            f"{account} has no {', '.join(need.privilege for need in needs)} on {grants.shown(place, shard.schema)}"
            f" (for {', '.join(sorted({grants.whom(need) for need in needs}))})",
            " ".join(grants.statements(needs, shard.schema, account)),
        )
        for place in grants.Place
        if (needs := [need for need in lacking if need.place is place])
    ]
    if not found:
        found.append(ok(part, f"{account} has the privileges it needs"))
    seldom = held.lacking([need for need in grants.NEEDS if need.only not in ("", grants.VIEWS)], shard.schema)
    found += [ok(part, f"{account} has no {need.privilege}: no {need.only}") for need in seldom]
    return found


def _name(shard: Shard) -> str:
    """The account in a GRANT; its host is not known here."""
    return f"'{shard.user}'@'…'"
