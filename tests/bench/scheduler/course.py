"""One sitting: what is measured, one after the other, beside so many done records."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.inputs import Choices, Control, Submission, Submitted, Target
from alterd_contracts.names import migration_uuid
from alterd_contracts.requests import Accepted, Answered, Command, Outcome, Refusal
from alterd_contracts.statement import Statement, StatementKind
from alterd_contracts.topology import Keyspace, SecretRef, ServerAddress, Shard
from alterd_runtime.bus import Bus, NatsSettings
from alterd_runtime.provision.nats_server import NatsServer
from tests.bench.scheduler.executors import STRATEGY, Crew
from tests.bench.scheduler.history import fill
from tests.bench.scheduler.leader import Leader
from tests.bench.scheduler.reading import read
from tests.bench.scheduler.report import Sitting, spread
from tests.support import eventually

KEYSPACE = "commerce"
GATED = "gated"
"""Another keyspace with as many shards: nothing else is pending there."""
ANSWER = 120.0
"""Seconds to wait for the scheduler's word."""

Say = Callable[[str], None]
_outcomes: Reader[Outcome] = Reader(Outcome)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How large it is."""

    shards: int
    pending: int
    rate: float
    """Runs that end in a second, all shards together."""
    seconds: float
    """For which steps are measured."""
    reads: bool


async def sit(plan: Plan, done: int, folder: Path, say: Say) -> Sitting:
    """Fills, starts, measures, and stops all of it again."""
    sitting = Sitting(done=done, shards=plan.shards, pending=plan.pending)
    names = shard_names(plan.shards)
    store = folder / "nats"
    if done:
        begun = time.monotonic()
        await fill(store, KEYSPACE, names, done, say)
        sitting.filled_s = time.monotonic() - begun
    with NatsServer(store) as nats:
        async with Bus.open(NatsSettings(servers=(nats.url,)), "bench", "course", patience=10) as bus:
            await bus.ensure()
            for keyspace in (KEYSPACE, GATED):
                await bus.bucket(subjects.TOPOLOGY).put(keyspace, msgspec.json.encode(_topology(keyspace, names)))
            leader = Leader(folder, nats.url, "leader")
            try:
                await leader.leads()
                await _measure(sitting, plan, names, bus, nats, leader, say)
                leader.kill()
                leader = await _succeed(sitting, bus, folder, nats, say)
                if plan.reads:
                    await _read(sitting, nats.url, say)
            finally:
                leader.stop()
            assert nats.pid is not None
            sitting.nats_memory_mib = _resident_mib(nats.pid)
    return sitting


def shard_names(count: int) -> tuple[str, ...]:
    """Ranges of keys, as Vitess names them."""
    borders = [f"{65536 * number // count:04x}" for number in range(1, count)]
    return tuple(f"{low}-{high}" for low, high in zip(["", *borders], [*borders, ""], strict=True))


async def _measure(
    sitting: Sitting, plan: Plan, names: tuple[str, ...], bus: Bus, nats: NatsServer, leader: Leader, say: Say
) -> None:
    crew = Crew(nats.url, runs_at_once=2 * plan.shards, seconds=plan.shards / plan.rate)
    async with crew.working(), _starts(bus, crew) as starts:
        await _gate(sitting, plan, names, bus, crew, say)
        crew.granted, crew.spread = 0, plan.shards
        for number in range(plan.pending):
            sitting.submission_s.append(await _submit(bus, KEYSPACE, names, f"work-{number}"))
        say(f"{plan.pending} submissions to {plan.shards:,} shards took {_list(sitting.submission_s)} s")
        await eventually(lambda: crew.granted >= plan.shards, timeout=120)
        say(f"all {plan.shards:,} shards run one; measuring for {plan.seconds:g} s")
        starts.clear()
        first, cpu, begun = await bus.last_sequence(subjects.INPUT), leader.cpu_seconds(), time.monotonic()
        await asyncio.sleep(plan.seconds)
        last, took = await bus.last_sequence(subjects.INPUT), time.monotonic() - begun
        sitting.scheduler_cpu = (leader.cpu_seconds() - cpu) / took
        measured = list(starts)
        await asyncio.sleep(0.5)  # what was under way when the window ended is decided
        steps = leader.steps(first + 1, last)
        sitting.memory_mib, sitting.memory_most_mib = leader.memory_mib()
        sitting.steps = spread(step["seconds"] for step in steps)
        by_type: dict[str, list[float]] = defaultdict(list)
        for step in steps:
            by_type[step["type"]].append(step["seconds"])
        sitting.steps_by_type = {name: spread(taken) for name, taken in sorted(by_type.items())}
        sitting.steps_per_second = len(steps) / took
        sitting.start = spread(measured)
        say(f"step p50 {sitting.steps.p50_ms} ms, p99 {sitting.steps.p99_ms} ms, {sitting.steps.n} of them")
        say(f"report to next start p50 {sitting.start.p50_ms} ms, p99 {sitting.start.p99_ms} ms")


@contextlib.asynccontextmanager
async def _starts(bus: Bus, crew: Crew) -> AsyncIterator[list[float]]:
    """Seconds from each report that freed a shard to the event that the next one has started there."""
    found: list[float] = []

    async def listen() -> None:
        async for message in bus.tail(subjects.EVENTS, subjects.events(fact="started"), new_only=True):
            if message is None:
                continue
            _, _, keyspace, shard, _, _ = message.subject.split(".")
            freed = crew.ended.pop((keyspace, shard), None)
            if freed is not None:
                found.append(time.monotonic() - freed)

    listening = asyncio.create_task(listen())
    try:
        yield found
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def _gate(sitting: Sitting, plan: Plan, names: tuple[str, ...], bus: Bus, crew: Crew, say: Say) -> None:
    """A postponed migration on all shards of a keyspace, completed through a gate: the last shard opens it."""
    seconds, crew.seconds = crew.seconds, 2.0
    await _hold(bus, Command.HOLD, names[-1])
    took = await _submit(bus, GATED, names, "gated", postponed=True)
    await eventually(lambda: crew.ready >= plan.shards - 1, timeout=120)
    uuid = migration_uuid("gated", 0)
    command = Control(command=Command.COMPLETE, keyspace=GATED, migration_uuid=uuid, gate=True, caller="bench")
    sitting.gate_command_s, answer = await _ask(bus, subjects.control(GATED), command, "gate")
    if not isinstance(answer, Answered) or answer.affected != plan.shards:
        raise RuntimeError(f"the gate was not asked for on all shards: {answer}")
    opened: list[tuple[float, datetime]] = []
    last_ready = 0.0

    async def listen() -> None:
        nonlocal last_ready
        wanted = (
            subjects.events(keyspace=GATED, fact="gate_opened"),
            subjects.events(keyspace=GATED, fact="ready_to_complete"),
        )
        async for message in bus.tail(subjects.EVENTS, *wanted, new_only=True):
            if message is not None and message.subject.endswith(".gate_opened"):
                opened.append((time.monotonic(), message.time))
            elif message is not None:
                last_ready = time.monotonic()

    listening = asyncio.create_task(listen())
    try:
        await _hold(bus, Command.RELEASE, names[-1])
        await eventually(lambda: len(opened) == plan.shards, timeout=120)
        sitting.gate_ready_s = opened[-1][0] - last_ready
        sitting.gate_spread_ms = 1000 * (opened[-1][1] - opened[0][1]).total_seconds()
        await eventually(lambda: crew.completed >= plan.shards, timeout=300)
    finally:
        listening.cancel()
    say(
        f"a postponed migration was submitted to {plan.shards:,} shards in {took:.2f} s; its gate opened"
        f" {sitting.gate_ready_s:.2f} s after the last shard was ready, {sitting.gate_spread_ms:.0f} ms from first to"
        " last"
    )
    crew.seconds = seconds
    crew.ended.clear()


async def _hold(bus: Bus, command: Command, shard: str) -> None:
    """Puts the last shard of the gated keyspace on hold, or lets it go."""
    control = Control(command=command, keyspace=GATED, shards=(shard,), caller="bench")
    _, answer = await _ask(bus, subjects.control(GATED), control, command)
    if not isinstance(answer, Answered) or answer.affected != 1:
        raise RuntimeError(f"{command} had no effect: {answer}")


async def _submit(
    bus: Bus,
    keyspace: str,
    names: tuple[str, ...],
    request: str,
    *,
    postponed: bool = False,
) -> float:
    """Seconds from the input to the answer."""
    statement = Statement(
        kind=StatementKind.ALTER_TABLE,
        ddl_action="alter",
        is_view=False,
        table=f"t_{request.replace('-', '_')}",
        sql=f"ALTER TABLE t_{request.replace('-', '_')} ADD COLUMN c int",
        original="",
    )
    choices = Choices(postpone_completion=postponed, exclusive_phases=("copy", "checksum"), tail_phases=("cutover",))
    submission = Submission(
        request_id=request,
        keyspace=keyspace,
        strategy=STRATEGY,
        options="",
        migration_context=f"bench:{request}",
        submitted=(Submitted(migration_uuid=migration_uuid(request, 0), statement=statement, choices=choices),),
        targets=tuple(Target(shard=name, mysql_schema=keyspace) for name in names),
        requested_at=datetime.now(UTC),
        caller="bench",
    )
    took, answer = await _ask(bus, subjects.submission(keyspace), submission, request)
    if not isinstance(answer, Accepted):
        raise RuntimeError(f"{request} was refused: {answer}")
    return took


async def _ask(bus: Bus, subject: str, data: msgspec.Struct, id: str) -> tuple[float, Outcome]:
    """Seconds from the input to the scheduler's answer, and the answer."""
    async with bus.inbox(_outcomes) as (reply_to, wait):
        begun = time.monotonic()
        await bus.publish(subject, data, id=f"bench:{id}", reply_to=reply_to)
        answer = await wait(ANSWER)
        return time.monotonic() - begun, answer


async def _succeed(sitting: Sitting, bus: Bus, folder: Path, nats: NatsServer, say: Say) -> Leader:
    """A new leader where the old one was killed: its lease has just ended."""
    await bus.bucket(subjects.LEASES).delete(subjects.SCHEDULER_LEASE)
    leader = Leader(folder, nats.url, "successor")
    try:
        # asked at once: it is the first input that the new leader decides
        no_such = Control(command=Command.LAUNCH, keyspace=KEYSPACE, migration_uuid=migration_uuid("none", 0))
        _, answer = await _ask(bus, subjects.control(KEYSPACE), no_such, "successor")
        sitting.lead_s = time.monotonic() - leader.spawned
        if not isinstance(answer, Refusal):
            raise RuntimeError(f"an answer to what was not asked: {answer}")
        sitting.load_s = (await leader.leads())["seconds"]
    except BaseException:
        leader.stop()
        raise
    say(f"a new leader answers {sitting.lead_s:.2f} s after its start, {sitting.load_s:.2f} s of it loading")
    return leader


async def _read(sitting: Sitting, url: str, say: Say) -> None:
    uuid = migration_uuid("history-0", 0) if sitting.done else migration_uuid("work-0", 0)
    for arguments in (
        ("show", "recent"),
        ("show", "running"),
        ("show", uuid),
        ("history", migration_uuid("work-0", 0)),
        ("sql", "-k", KEYSPACE, "show vitess_migrations like 'running'"),
        ("sql", "-k", KEYSPACE, f"show vitess_migrations like '{uuid}'"),
        (
            "sql",
            "-k",
            KEYSPACE,
            "show vitess_migrations where mysql_table = 'orders_1' and migration_status = 'failed'",
        ),
    ):
        found = await asyncio.to_thread(read, url, arguments)
        sitting.reads.append(found)
        say(f"{found.command}: {found.seconds:.2f} s, {found.memory_mib:.0f} MiB, {found.lines:,} lines")


def _topology(keyspace: str, names: tuple[str, ...]) -> Keyspace:
    """Its servers do not exist; nobody asks them."""
    server, password = ServerAddress("127.0.0.1", 1), SecretRef(env="NOT_SET")
    shards = tuple(
        Shard(name=name, schema=keyspace, servers=(server,), user="nobody", password=password) for name in names
    )
    return Keyspace(name=keyspace, shards=shards)


def _resident_mib(pid: int) -> float:
    [line] = [line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024


def _list(seconds: list[float]) -> str:
    return ", ".join(f"{each:.2f}" for each in seconds)
