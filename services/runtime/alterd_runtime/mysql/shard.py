"""Which server of a shard is its primary."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec

from alterd_contracts.errors import AlterdError, ShardUnreachable, UnsafeShard
from alterd_contracts.topology import ServerAddress, Shard
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.connect import Credentials
from alterd_runtime.mysql.server import ServerFacts, read_facts
from alterd_runtime.secrets import resolve_secret

_HINT_NONE = "start the primary, promote a replica, or correct the shard's servers"
_HINT_DENIED = r"GRANT SELECT ON `performance\_schema`.* TO the shard's account, on each of its servers"
ASK_TIMEOUT = 3.0
"""Seconds for the network, and for each answer."""

# Works on all versions, and tells of all channels; SHOW REPLICA STATUS has another name before 8.0.22.
_SOURCES = "SELECT SOURCE_UUID AS source FROM performance_schema.replication_connection_status"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What one server said: `facts`, or `error` in their place."""

    address: ServerAddress
    facts: ServerFacts | None = None
    sources: tuple[str, ...] = ()
    """Uuids of the servers it replicates from."""
    error: str = ""

    def __str__(self) -> str:
        if self.facts is None:
            return f"{self.address}: {self.error}"
        return f"{self.address}: {'writable' if self.facts.writable else 'read only'}"


class Chosen(msgspec.Struct, frozen=True, kw_only=True):
    """Exactly one server is writable."""

    primary: Answer
    replicas: tuple[Answer, ...] = ()
    """The others that replicate from it, also by way of another."""
    strangers: tuple[Answer, ...] = ()
    """The others that do not."""
    unreachable: tuple[Answer, ...] = ()


class SeveralWritable(msgspec.Struct, frozen=True):
    """More than one is: whichever is written to, rows may be lost."""

    writable: tuple[Answer, ...]


class NoneWritable(msgspec.Struct, frozen=True):
    """None is, or none answers."""

    answers: tuple[Answer, ...]


class Primary(msgspec.Struct, frozen=True, kw_only=True):
    """A shard's primary as it was found."""

    address: ServerAddress
    facts: ServerFacts
    replicas: tuple[ServerAddress, ...]
    unreachable: tuple[ServerAddress, ...]
    credentials: Credentials


def choose_primary(answers: Sequence[Answer]) -> Chosen | SeveralWritable | NoneWritable:
    """The decision; two addresses of one server count once."""
    unreachable = tuple(answer for answer in answers if answer.facts is None)
    servers: dict[tuple[str, str, int], Answer] = {}
    for answer in answers:
        if answer.facts is not None:
            servers.setdefault(answer.facts.identity, answer)
    writable = tuple(answer for answer in servers.values() if answer.facts is not None and answer.facts.writable)
    if len(writable) > 1:
        return SeveralWritable(writable)
    if not writable:
        return NoneWritable(tuple(answers))
    (primary,) = writable
    others = [answer for answer in servers.values() if answer is not primary]
    replicas = _downstream(primary, others)
    return Chosen(
        primary=primary,
        replicas=replicas,
        strangers=tuple(answer for answer in others if answer not in replicas),
        unreachable=unreachable,
    )


def _downstream(primary: Answer, others: Sequence[Answer]) -> tuple[Answer, ...]:
    known = {primary.facts.server_uuid} if primary.facts else set()
    found: list[Answer] = []
    grown = True
    while grown:
        grown = False
        for answer in others:
            if answer.facts and answer not in found and known.intersection(answer.sources):
                found.append(answer)
                known.add(answer.facts.server_uuid)
                grown = True
    return tuple(answer for answer in others if answer in found)


async def find_primary(shard: Shard, *, keyspace: str = "", timeout: float = ASK_TIMEOUT) -> Primary:
    """Asks all servers of `shard` at once.

    Raises `UnsafeShard` (several writable, or not MySQL), `ShardUnreachable` (no primary; says what each server
    answered), `InvalidSetting` (no password).
    """
    credentials = Credentials(shard.user, resolve_secret(shard.password, f"shard {shard.name}: password"))
    loop = asyncio.get_running_loop()
    # threads of their own: silent servers must not hold up what else waits for a thread
    threads = ThreadPoolExecutor(max_workers=len(shard.servers), thread_name_prefix="find-primary")
    try:
        answers = await asyncio.gather(
            *(loop.run_in_executor(threads, partial(_ask, address, credentials, timeout)) for address in shard.servers)
        )
    finally:
        threads.shutdown(wait=False)
    where = {"shard": shard.name} | ({"keyspace": keyspace} if keyspace else {})
    match choose_primary(answers):
        case Chosen(primary=Answer(address=address, facts=ServerFacts() as facts)) as chosen:
            return Primary(
                address=address,
                facts=facts,
                replicas=tuple(answer.address for answer in chosen.replicas),
                unreachable=tuple(answer.address for answer in chosen.unreachable),
                credentials=credentials,
            )
        case SeveralWritable(writable):
            names = " and ".join(str(answer.address) for answer in writable)
            raise UnsafeShard(
                f"shard {shard.name} has {len(writable)} writable servers: {names}",
                hint="set super_read_only on all but the primary",
                **where,
            )
        case _:
            said = "; ".join(str(answer) for answer in answers)
            raise ShardUnreachable(
                f"shard {shard.name} has no writable server: {said}",
                hint=_HINT_DENIED if " command denied " in said else _HINT_NONE,
                **where,
            )


def _ask(address: ServerAddress, credentials: Credentials, timeout: float) -> Answer:
    try:
        session = BlockingSession.open(
            address, credentials, connect_timeout=timeout, read_timeout=timeout, name="alterd:topology"
        )
        try:
            facts = read_facts(session)
            rows = session.query(_SOURCES)
        finally:
            session.close()
    except UnsafeShard:
        raise  # another flavour: nothing may be decided here
    except AlterdError as error:
        return Answer(address=address, error=error.message)
    return Answer(address=address, facts=facts, sources=tuple(row["source"] for row in rows if row["source"]))


class PrimaryFinder:
    """Remembers primaries until told to forget them. What it remembers may be old: writes check the fence."""

    def __init__(self, *, timeout: float = ASK_TIMEOUT) -> None:
        self._timeout = timeout
        self._known: dict[Shard, Primary] = {}
        self._turns: dict[Shard, asyncio.Lock] = {}

    async def find(self, shard: Shard, *, keyspace: str = "") -> Primary:
        """As `find_primary`; callers that ask at the same time share one search."""
        async with self._turns.setdefault(shard, asyncio.Lock()):
            found = self._known.get(shard)
            if found is None:
                found = await find_primary(shard, keyspace=keyspace, timeout=self._timeout)
                self._known[shard] = found
            return found

    def forget(self, shard: Shard) -> None:
        """After a `ShardUnreachable`, `LostSession` or `ReadOnlyServer`: the next `find` asks again."""
        self._known.pop(shard, None)
