"""Services: who is alive."""

from __future__ import annotations

import asyncio

from alterd_cli.doctor.findings import Finding, fail, ok, warn
from alterd_cli.services_seen import read_executors
from alterd_contracts import __version__, names, subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import AlterdError, ServiceUnreachable
from alterd_contracts.requests import Accepted, DdlRequest, Refusal, ThrottleCheck, Verdict
from alterd_contracts.topology import Keyspace
from alterd_runtime.bus import Bus

ANSWER_TIMEOUT = 5.0
"""Seconds for intake to refuse a request that names no keyspace."""

VERDICT_TIMEOUT = 8.0
"""Seconds for a throttler's first verdict on a shard."""

_replies: Reader[Verdict | Refusal] = Reader(Verdict | Refusal)
_reply: Reader[Accepted | Refusal] = Reader(Accepted | Refusal)


async def check_services(bus: Bus, keyspaces: list[Keyspace]) -> list[Finding]:
    """Raises `BusUnreachable`."""
    return [
        await _intake(bus),
        await _scheduler(bus),
        *await _executors(bus),
        *await _throttler(bus, keyspaces),
    ]


async def _intake(bus: Bus) -> Finding:
    nobody = DdlRequest(request_id=names.new_request_id(), keyspace="", sql="")
    try:
        reply = await bus.ask(subjects.SUBMIT, nobody, _reply, timeout=ANSWER_TIMEOUT)
    except ServiceUnreachable as error:
        return fail("intake", error.message, "start it: `alterd up`, or `alterd serve intake`")
    except AlterdError as error:
        return ok("intake", f"answers ({error.code})")
    if isinstance(reply, Refusal):
        return ok("intake", "answers")
    return fail("intake", "took a request that names no keyspace", "report this: it is a bug")


async def _scheduler(bus: Bus) -> Finding:
    lease = await bus.bucket(subjects.LEASES).get(subjects.SCHEDULER_LEASE)
    if lease is None or lease.value is None:
        return fail("scheduler", "nobody leads", "start one: `alterd up`, or `alterd serve scheduler`")
    return ok("scheduler", f"{lease.value.decode(errors='replace')} leads")


async def _executors(bus: Bus) -> list[Finding]:
    living = await read_executors(bus)
    if not living:
        return [fail("executor", "none is alive", "start one: `alterd up`, or `alterd serve executor`")]
    found: list[Finding] = []
    for each in living:
        offered = ", ".join(declared.strategy for declared in each.strategies if not declared.hidden)
        found.append(ok("executor", f"{each.executor}: {each.running} of {each.slots} slots busy; offers {offered}"))
        if each.version != __version__:
            found.append(
                warn(
                    "executor",
                    f"{each.executor} has version {each.version}, this is {__version__}",
                    "upgrade the older",
                )
            )
        found += [
            warn("executor", f"{each.executor} could not load plugin {name}: {why}", "mend or remove the plugin")
            for name, why in each.broken_plugins.items()
        ]
    return found


async def _throttler(bus: Bus, keyspaces: list[Keyspace]) -> list[Finding]:
    """By its verdict on each shard; where there is none, by its refusal of a shard without a name."""
    shards = [(keyspace.name, shard.name) for keyspace in keyspaces for shard in keyspace.shards] or [("", "")]
    return list(await asyncio.gather(*(_verdict(bus, *names) for names in shards)))


async def _verdict(bus: Bus, keyspace: str, shard: str) -> Finding:
    question = ThrottleCheck(keyspace=keyspace, shard=shard, app="doctor")
    try:
        reply = await bus.ask(subjects.THROTTLE_CHECK, question, _replies, timeout=VERDICT_TIMEOUT)
    except AlterdError as error:
        return fail("throttler", error.message, "start it: `alterd up`, or `alterd serve throttler`")
    if isinstance(reply, Refusal):
        refused = reply.errors[0]
        return (
            warn("throttler", f"{keyspace}/{shard}: {refused.message}", refused.hint)
            if shard
            else ok("throttler", "answers")
        )
    if reply.go:
        return ok("throttler", f"{reply.throttler} says go for {keyspace}/{shard}")
    return warn("throttler", f"{reply.throttler} says wait for {keyspace}/{shard}: {reply.reason}")
