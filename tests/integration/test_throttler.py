"""Throttlers as real processes, on a real NATS server and a real MySQL primary with its replica."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import signal
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import nats
import nats.errors
import pytest

from alterd_contracts.envelope import Reader, wrap
from alterd_contracts.errors import ServiceUnreachable
from alterd_contracts.requests import Refusal, ThrottleCheck, Verdict
from alterd_contracts.subjects import LEASES, THROTTLE_CHECK, TOPOLOGY, throttle, throttler_lease
from alterd_contracts.topology import Keyspace, SecretRef, ServerAddress, Shard
from alterd_runtime.bus import Bus, NatsSettings
from alterd_runtime.mysql.grants import Part, needs, statements
from alterd_runtime.provision.mysql_server import MySQLServer
from alterd_runtime.provision.ports import free_port
from tests.e2e.fleet import TTL, Fleet, Service
from tests.support import eventually

MAX_LAG = 1.0
IDLE_AFTER = 1.5
QUICK = {
    "ALTERD_THROTTLER__INTERVAL": "0.1",
    "ALTERD_THROTTLER__MAX_LAG": str(MAX_LAG),
    "ALTERD_THROTTLER__IDLE_AFTER": str(IDLE_AFTER),
}
PASSWORD = "geheim"

_replies: Reader[Verdict | Refusal] = Reader(Verdict | Refusal)


def run(server: MySQLServer, *statements: str) -> list[dict[str, Any]]:
    """The rows of the last one."""
    with closing(server.endpoint.open()) as session:
        return [session.query(statement) for statement in statements][-1]


@pytest.fixture(scope="module")
def primary(mysql_pair: tuple[MySQLServer, MySQLServer]) -> MySQLServer:
    run(
        mysql_pair[0],
        f"CREATE USER alterd IDENTIFIED BY '{PASSWORD}'",
        *statements(needs(part=Part.THROTTLER), "", "alterd"),  # exactly what is documented
    )
    return mysql_pair[0]


@pytest.fixture(scope="module")
def replica(mysql_pair: tuple[MySQLServer, MySQLServer]) -> MySQLServer:
    return mysql_pair[1]


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    async with Bus.open(NatsSettings(servers=(nats_url,)), "test", secrets.token_hex(4), patience=10) as bus:
        await bus.ensure()
        yield bus


@pytest.fixture
def fleet(tmp_path: Path, nats_url: str) -> Iterator[Fleet]:
    fleet = Fleet(tmp_path / "fleet", nats_url)
    try:
        yield fleet
    finally:
        fleet.stop()
        print(fleet.logs())


class Asking:
    """One keyspace with two shards: ``0`` is the primary with its replica, ``1`` the primary alone."""

    def __init__(self, bus: Bus, name: str) -> None:
        self.bus, self.name = bus, name

    async def reply(self, shard: str = "0", *, keyspace: str = "", timeout: float = 5) -> Verdict | Refusal:
        question = ThrottleCheck(keyspace=keyspace or self.name, shard=shard, app="test")
        return await self.bus.ask(THROTTLE_CHECK, question, _replies, timeout=timeout)

    async def verdict(self, shard: str = "0", *, timeout: float = 5) -> Verdict:
        reply = await self.reply(shard, timeout=timeout)
        assert isinstance(reply, Verdict), reply
        return reply

    async def until(self, go: bool, reason: str = "", *, shard: str = "0", timeout: float = 15) -> Verdict:
        """The first verdict like this, which must come in time."""
        last: list[Verdict] = []

        async def like_this() -> bool:
            try:
                last.append(await self.verdict(shard))
            except ServiceUnreachable:
                return False  # nobody is up yet
            return last[-1].go == go and re.search(reason, last[-1].reason) is not None

        try:
            await eventually(like_this, timeout)
        except AssertionError as error:
            raise AssertionError(f"last: {last[-1:]}") from error
        return last[-1]


@pytest.fixture
async def asking(bus: Bus, primary: MySQLServer, replica: MySQLServer, tmp_path: Path) -> Asking:
    secret = tmp_path / "password"
    secret.touch(mode=0o600)
    secret.write_text(PASSWORD)
    name = f"shop_{secrets.token_hex(4)}"

    def shard(shard_name: str, *servers: ServerAddress) -> Shard:
        schema, password = f"{name}_{shard_name}", SecretRef(file=str(secret))
        return Shard(name=shard_name, schema=schema, servers=servers, user="alterd", password=password)

    keyspace = Keyspace(
        name=name,
        shards=(shard("0", replica.endpoint.address, primary.endpoint.address), shard("1", primary.endpoint.address)),
    )
    await bus.bucket(TOPOLOGY).put(name, msgspec.json.encode(keyspace))
    return Asking(bus, name)


@contextmanager
def paused(server: MySQLServer) -> Iterator[None]:
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def throttler(fleet: Fleet, name: str = "", **extra: str) -> Service:
    return fleet.start("throttler", name, **QUICK, **extra)


def get(url: str) -> tuple[int, dict[str, Any]]:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


async def test_it_says_go_with_the_measures(fleet: Fleet, asking: Asking) -> None:
    one = throttler(fleet)
    verdict = await asking.until(True)
    assert (verdict.keyspace, verdict.shard, verdict.throttler) == (asking.name, "0", one.name)
    assert verdict.reason == ""
    assert verdict.metrics.keys() == {"lag", "threads_running"}
    assert 0 <= verdict.metrics["lag"] < MAX_LAG
    assert 0 < verdict.valid_seconds <= 1.0
    alone = await asking.until(True, shard="1")
    assert alone.metrics.keys() == {"threads_running"}


async def test_what_is_not_there_is_refused(fleet: Fleet, asking: Asking) -> None:
    throttler(fleet)
    await asking.until(True)
    for refused in (await asking.reply(keyspace="nowhere"), await asking.reply("17")):
        assert isinstance(refused, Refusal)
        assert refused.errors[0].code == "unknown_keyspace"
    malformed = await asking.reply(keyspace="no*where")
    assert isinstance(malformed, Refusal)
    assert malformed.errors[0].code == "invalid_name"


async def test_the_lag_of_a_stopped_replica(fleet: Fleet, asking: Asking, replica: MySQLServer) -> None:
    throttler(fleet)
    await asking.until(True)
    run(replica, "STOP REPLICA SQL_THREAD")
    try:
        stopped = time.monotonic()
        verdict = await asking.until(False, rf"^lag \d+\.\d\d > 1 on {re.escape(str(replica.endpoint.address))}$")
        assert time.monotonic() - stopped < MAX_LAG + 2
        assert verdict.metrics["lag"] > MAX_LAG
        assert (await asking.verdict("1")).go
    finally:
        run(replica, "START REPLICA SQL_THREAD")
    await asking.until(True, timeout=5)


async def test_a_replica_that_does_not_answer_means_wait_and_holds_up_nobody(
    fleet: Fleet, asking: Asking, replica: MySQLServer
) -> None:
    throttler(fleet)
    await asking.until(True)
    await asking.until(True, shard="1")
    with paused(replica):
        await asking.until(False, rf"lag on {re.escape(str(replica.endpoint.address))} is not known: no answer")
        for _ in range(20):
            begun = time.monotonic()
            assert not (await asking.verdict()).go
            assert (await asking.verdict("1")).go
            assert time.monotonic() - begun < 0.8
        # the session is given up, and the next one finds nobody either
        await asking.until(False, "no MySQL answers|refused|ended|no answer for [2-9]")
    await asking.until(True)


async def test_a_replica_that_is_gone_means_wait(fleet: Fleet, bus: Bus, asking: Asking, primary: MySQLServer) -> None:
    throttler(fleet)
    entry = await bus.bucket(TOPOLOGY).get(asking.name)
    assert entry is not None
    keyspace = msgspec.json.decode(entry.value or b"", type=Keyspace)
    await asking.until(True, shard="1")
    gone = msgspec.structs.replace(
        keyspace.shards[1], servers=(primary.endpoint.address, ServerAddress("127.0.0.1", 1))
    )
    changed = msgspec.structs.replace(keyspace, shards=(keyspace.shards[0], gone))
    await bus.bucket(TOPOLOGY).put(asking.name, msgspec.json.encode(changed))
    await asking.until(False, "lag on 127.0.0.1:1 is not known: no MySQL answers", shard="1")
    await bus.bucket(TOPOLOGY).put(asking.name, msgspec.json.encode(keyspace))
    await asking.until(True, shard="1")


async def test_two_writable_servers_mean_wait(fleet: Fleet, asking: Asking, replica: MySQLServer) -> None:
    throttler(fleet)
    await asking.until(True)
    run(replica, "SET GLOBAL read_only = OFF")
    try:
        await asking.until(False, "^2 writable servers: ")
    finally:
        run(replica, "SET GLOBAL super_read_only = ON")
    await asking.until(True)


async def test_no_primary_means_wait(fleet: Fleet, asking: Asking, primary: MySQLServer) -> None:
    throttler(fleet)
    await asking.until(True)
    run(primary, "SET GLOBAL super_read_only = ON")
    try:
        await asking.until(False, "^no writable server: ")
    finally:
        run(primary, "SET GLOBAL read_only = OFF")
    await asking.until(True)


async def test_an_idle_shard_is_left_alone(fleet: Fleet, bus: Bus, asking: Asking, primary: MySQLServer) -> None:
    throttler(fleet)
    await asking.until(True)
    query = f"SELECT written_ns FROM _alterd.heartbeat WHERE keyspace = '{asking.name}' AND shard = '0'"
    before = run(primary, query)
    await eventually(lambda: run(primary, query) != before)
    sessions = "SELECT * FROM performance_schema.session_connect_attrs WHERE attr_value = 'alterd:throttler'"
    await eventually(lambda: not run(primary, sessions), IDLE_AFTER + 3)
    assert await bus.bucket(LEASES).get(throttler_lease(asking.name, "0")) is None
    rested = run(primary, query)
    heard: list[str] = []

    async def hear(subject: str, _: bytes) -> None:
        heard.append(subject)

    stop = await bus.listen(throttle(asking.name, "0"), hear)
    with pytest.raises(AssertionError):  # several intervals long nothing happens
        await eventually(lambda: bool(heard) or run(primary, query) != rested, 0.5)
    await asking.until(True)
    await eventually(lambda: len(heard) > 3)
    assert run(primary, query) != rested
    await stop()


async def test_one_of_two_answers(fleet: Fleet, nats_url: str, asking: Asking) -> None:
    throttler(fleet)
    throttler(fleet)
    first = await asking.until(True)
    question = ThrottleCheck(keyspace=asking.name, shard="0", app="test")
    connection = await nats.connect(nats_url)
    try:
        inbox = connection.new_inbox()
        answers = await connection.subscribe(inbox)
        for number in range(10):
            await connection.publish(THROTTLE_CHECK, wrap(question, id=str(number), source="/test"), reply=inbox)
        told = [_replies.read((await answers.next_msg(timeout=5)).data) for _ in range(10)]
        with pytest.raises(nats.errors.TimeoutError):
            await answers.next_msg(timeout=0.5)
    finally:
        await connection.close()
    assert {verdict.throttler for verdict in told if isinstance(verdict, Verdict)} == {first.throttler}


async def test_when_its_holder_is_killed_another_one_takes_the_shard(fleet: Fleet, asking: Asking) -> None:
    both = {service.name: service for service in (throttler(fleet), throttler(fleet))}
    holder = both.pop((await asking.until(True)).throttler)
    [other] = both
    holder.kill()
    killed = time.monotonic()

    async def other_answers() -> bool:
        try:
            verdict = await asking.verdict(timeout=0.5)
        except ServiceUnreachable:
            return False
        return verdict.throttler == other and verdict.go

    await eventually(other_answers, TTL + 6)
    assert time.monotonic() - killed < TTL + 5


async def test_a_stopped_one_gives_its_shards_up_at_once(fleet: Fleet, bus: Bus, asking: Asking) -> None:
    one = throttler(fleet, ALTERD_THROTTLER__LEASE_TTL="60")
    assert (await asking.until(True)).throttler == one.name
    assert one.stop() == 0
    assert await bus.bucket(LEASES).get(throttler_lease(asking.name, "0")) is None
    two = throttler(fleet, ALTERD_THROTTLER__LEASE_TTL="60")
    assert (await asking.until(True)).throttler == two.name


async def test_http_answers_at_every_instance(fleet: Fleet, asking: Asking, replica: MySQLServer) -> None:
    ports = [free_port(), free_port()]
    for port in ports:
        throttler(fleet, ALTERD_HTTP__PORT=str(port))
    await asking.until(True)
    where = urllib.parse.urlencode({"keyspace": asking.name, "shard": "0", "app": "gh-ost"})

    async def ask(port: int, query: str) -> tuple[int, dict[str, Any]]:
        return await asyncio.to_thread(get, f"http://127.0.0.1:{port}/throttle?{query}")

    async def all_ready() -> bool:
        try:
            answers = [await asyncio.to_thread(get, f"http://127.0.0.1:{port}/readyz") for port in ports]
        except OSError:
            return False
        return all(status == 200 for status, _ in answers)

    await eventually(all_ready)
    for port in ports:
        status, body = await ask(port, where)
        assert (status, body["go"], body["keyspace"]) == (200, True, asking.name)
        assert (await ask(port, "keyspace=nowhere&shard=0&app=x"))[0] == 404
        assert (await ask(port, f"keyspace={asking.name}&shard=9&app=x"))[0] == 404
        assert (await ask(port, f"keyspace={asking.name}&shard=0"))[0] == 400
        assert (await ask(port, "keyspace=*&shard=0&app=x"))[0] == 400
    run(replica, "STOP REPLICA SQL_THREAD")
    try:
        # nobody but HTTP asks now: that keeps the shard measured
        for port in ports:

            async def waits(port: int = port) -> bool:
                status, body = await ask(port, where)
                return status == 429 and body["reason"].startswith("lag ")

            await eventually(waits, MAX_LAG + 3)
        metrics = [await asyncio.to_thread(read, f"http://127.0.0.1:{port}/metrics") for port in ports]
    finally:
        run(replica, "START REPLICA SQL_THREAD")
    label = f'keyspace="{asking.name}"'
    shown = [text for text in metrics if f"alterd_throttled{{{label}" in text]
    assert len(shown) == 1
    lag = re.search(rf"^alterd_replication_lag_seconds{{{label}.*}} (\S+)$", shown[0], re.MULTILINE)
    assert lag is not None
    assert float(lag.group(1)) > MAX_LAG


async def test_it_waits_out_a_failing_decision(fleet: Fleet, asking: Asking) -> None:
    throttler(fleet, ALTERD_FAILPOINT="throttler.measured:error")
    await asking.until(True)
    assert fleet.marker("throttler.measured").exists()
