"""Readers of facts as real processes on a real NATS server."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from alterd_consumers.alert import CommandFailed, command_of, run_command, text
from alterd_consumers.audit import Appender
from alterd_consumers.observer import TRIES, Observer
from alterd_contracts import hookimpl
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import InvalidSetting, StatementFailed
from alterd_contracts.events import Event, Fact, MigrationEvent, RequestRefused
from alterd_contracts.states import Status
from alterd_contracts.subjects import DEAD, EVENTS
from alterd_contracts.work import DeadLetter, Work
from alterd_runtime.bus import Bus, Delivery, NatsSettings
from alterd_runtime.bus.worker import Unreadable
from alterd_runtime.plugins import Plugins
from alterd_runtime.provision.nats_server import NatsServer
from tests.support import eventually

UUID = "9e8a9249_3976_11ed_9442_0a43f95f28a3"
TIME = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def fact(number: int, what: Fact = Fact.QUEUED, **changes: object) -> MigrationEvent:
    event = MigrationEvent(
        id=f"fact-{number}",
        time=TIME,
        fact=what,
        keyspace="shop",
        shard="0",
        migration_uuid=UUID,
        migration_status=Status.QUEUED,
        strategy="direct",
        ddl_action="alter",
        mysql_table="customer",
        attempt=number,
    )
    return msgspec.structs.replace(event, **changes)


@pytest.fixture
async def bus(nats: NatsServer) -> AsyncIterator[Bus]:
    async with Bus.open(NatsSettings(servers=(nats.url,)), "test", secrets.token_hex(4), patience=10) as bus:
        await bus.ensure()
        yield bus


Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def start(nats: NatsServer, tmp_path: Path) -> Iterator[Start]:
    """Starts a consumer whose standard output goes to ``<consumer>.out``."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(consumer: str, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("ALTERD_")}
        env |= {"ALTERD_NATS__SERVERS": nats.url, **environment}
        with (tmp_path / f"{consumer}.out").open("ab") as out, (tmp_path / f"{consumer}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "alterd_consumers", consumer, *arguments],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
            )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.terminate()
    for process in started:
        process.wait(20)
    for path in tmp_path.glob("*.log"):
        print(path.name, path.read_text(errors="replace")[-4000:])


async def publish(bus: Bus, *events: Event) -> None:
    for event in events:
        await bus.publish(event.subject, event, id=event.id)


def ids(path: Path) -> list[str]:
    """Of the whole lines."""
    if not path.exists():
        return []
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


async def test_audit_writes_every_fact_in_order(bus: Bus, start: Start, tmp_path: Path) -> None:
    refused = RequestRefused(
        id="refused-1", time=TIME, keyspace="shop", request_id="r", errors=(StatementFailed("no").info(),)
    )
    await publish(bus, fact(1), fact(2, Fact.COMPLETED), refused)
    start("audit")
    await eventually(lambda: len(lines(tmp_path / "audit.out")) == 3)
    await publish(bus, fact(4))
    await eventually(lambda: ids(tmp_path / "audit.out") == ["fact-1", "fact-2", "refused-1", "fact-4"])
    first, _, third, _ = (json.loads(line) for line in lines(tmp_path / "audit.out"))
    assert (first["fact"], first["time"], first["type"]) == (
        "queued",
        "2026-01-02T03:04:05Z",
        "alterd.event.migration.v1",
    )
    assert third["errors"][0]["code"] == "statement_failed"


async def test_audit_loses_nothing_over_kills_and_outages(
    nats: NatsServer, bus: Bus, start: Start, tmp_path: Path
) -> None:
    file = tmp_path / "audit.jsonl"
    wanted = {f"fact-{number}" for number in range(120)}
    process = start("audit", "--file", str(file))
    await publish(bus, *(fact(number) for number in range(40)))
    await eventually(lambda: len(ids(file)) > 10)
    process.kill()
    process.wait(10)
    await publish(bus, *(fact(number) for number in range(40, 80)))
    process = start("audit", "--file", str(file))
    await eventually(lambda: len(ids(file)) > 50)
    nats.kill()
    nats.start()
    await publish(bus, *(fact(number) for number in range(80, 120)))
    # what was in hand at the kill comes again after a while
    await eventually(lambda: wanted <= set(ids(file)), 60)
    process.terminate()
    assert process.wait(20) == 0


async def test_audit_waits_for_its_file(bus: Bus, start: Start, tmp_path: Path) -> None:
    folder = tmp_path / "not there yet"
    start("audit", "--file", str(folder / "audit.jsonl"))
    await publish(bus, fact(1), fact(2), fact(3))
    await eventually(lambda: "audit.not_written" in (tmp_path / "audit.log").read_text())
    folder.mkdir()
    await eventually(lambda: ids(folder / "audit.jsonl") == ["fact-1", "fact-2", "fact-3"])


def test_a_torn_line_is_ended_before_the_next(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    file.write_bytes(b'{"id": "whole"}\n{"id": "to')
    append = Appender(file)
    append(b'{"id": "next"}\n')
    append(b'{"id": "last"}\n')
    assert file.read_bytes() == b'{"id": "whole"}\n{"id": "to\n{"id": "next"}\n{"id": "last"}\n'


async def test_what_cannot_be_read_goes_to_the_dead_letters(bus: Bus, start: Start, tmp_path: Path) -> None:
    stranger = Work(keyspace="shop", shard="0", migration_uuid=UUID, attempt=1, strategy="direct")
    await bus.publish(fact(1).subject, stranger, id="stranger")
    await publish(bus, fact(2))
    start("audit")
    await eventually(lambda: ids(tmp_path / "audit.out") == ["fact-2"])
    letter = await bus.last(DEAD, f"alterd.dead.{EVENTS.name}")
    assert letter is not None
    assert Reader[DeadLetter](DeadLetter).read(letter.data).reason.startswith("no event: ")


async def test_alert_tells_what_needs_a_person(bus: Bus, start: Start, tmp_path: Path) -> None:
    given = tmp_path / "given"
    given.mkdir()
    failed = fact(2, Fact.FAILED, error=StatementFailed("MySQL error 1146: no such table\nat all").info())
    await publish(bus, fact(1), failed, fact(3, Fact.STALE), fact(4, Fact.BLOCKED, message="nobody"), fact(5))
    # several run at once: a file for each
    start("alert", ALTERD_ALERT_COMMAND=f'sh -c \'cat > "$0/$$.part"; mv "$0/$$.part" "$0/$$.json"\' {given}')
    await eventually(lambda: len(list(given.glob("*.json"))) == 3)
    told = sorted(json.loads(path.read_text())["id"] for path in given.glob("*.json"))
    assert told == ["fact-2", "fact-3", "fact-4"]
    said = sorted(lines(tmp_path / "alert.out"))
    assert said == [
        f"2026-01-02T03:04:05Z blocked shop/0 {UUID} alter customer (direct): nobody",
        f"2026-01-02T03:04:05Z failed shop/0 {UUID} alter customer (direct): MySQL error 1146: no such table at all",
        f"2026-01-02T03:04:05Z stale shop/0 {UUID} alter customer (direct)",
    ]


async def test_alert_comes_again_until_its_command_succeeds(bus: Bus, start: Start, tmp_path: Path) -> None:
    given = tmp_path / "given"
    command = tmp_path / "command"
    command.write_text(f"#!/bin/sh\ncat > {given}.part; test -e {tmp_path}/healthy && mv {given}.part {given}\n")
    command.chmod(0o755)
    start("alert", ALTERD_ALERT_COMMAND=str(command))
    await publish(bus, fact(1, Fact.FAILED))
    await eventually(lambda: "alert.failed" in (tmp_path / "alert.log").read_text())
    (tmp_path / "healthy").touch()
    await eventually(lambda: ids(given) == ["fact-1"])
    assert len(lines(tmp_path / "alert.out")) == 1


async def test_a_command_that_hangs_is_ended_with_its_children(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    with pytest.raises(CommandFailed, match=r"still running after 0\.5 s"):
        await run_command(["sh", "-c", f"sleep 60 & echo $! > {pid}; wait"], b"{}", limit=0.5)
    child = int(pid.read_text())

    def gone() -> bool:
        try:
            state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        return state == "Z"

    await eventually(gone)


async def test_a_command_that_fails_says_why() -> None:
    with pytest.raises(CommandFailed, match="sh ended with 3: no pager"):
        await run_command(["sh", "-c", "echo no pager >&2; exit 3"], b"{}")
    with pytest.raises(CommandFailed, match="cannot be started"):
        await run_command(["/nowhere/pager"], b"{}")
    await run_command(["true"], b"x" * 1_000_000)  # it need not read


def test_the_command_is_split_like_a_shell_would() -> None:
    assert command_of({}) == ()
    assert command_of({"ALTERD_ALERT_COMMAND": "page 'on call' --now"}) == ("page", "on call", "--now")
    with pytest.raises(InvalidSetting):
        command_of({"ALTERD_ALERT_COMMAND": "page 'on call"})


def test_an_alert_is_one_line_whatever_was_said() -> None:
    said = text(fact(1, Fact.FAILED, message="a\nb\x1b[2Jc\r\u2028d"))
    assert said.endswith(": a b [2Jc  d")
    assert said.isprintable()


class Seeing:
    """A plugin that sees facts, and refuses some."""

    def __init__(self, refuses: str = "") -> None:
        self.seen: list[str] = []
        self._refuses = refuses

    @hookimpl
    def alterd_observe_event(self, event: Event) -> None:
        self.seen.append(event.id)
        if event.id == self._refuses:
            raise ValueError("not this one")


async def test_observers_see_every_fact(bus: Bus, start: Start, tmp_path: Path) -> None:
    plugin = tmp_path / "plugin"
    (plugin / "seeing-1.0.dist-info").mkdir(parents=True)
    (plugin / "seeing-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: seeing\nVersion: 1.0\n")
    (plugin / "seeing-1.0.dist-info" / "entry_points.txt").write_text("[alterd.plugins]\nseeing = seeing\n")
    (plugin / "seeing.py").write_text(
        "from alterd_contracts import hookimpl\n\n\n@hookimpl\ndef alterd_observe_event(event):\n"
        f"    with open({str(tmp_path / 'seen')!r}, 'a') as file:\n        file.write(event.id + '\\n')\n"
    )
    await publish(bus, fact(1), fact(2))
    process = start("observer", PYTHONPATH=str(plugin))
    await eventually(lambda: lines(tmp_path / "seen") == ["fact-1", "fact-2"])
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 20) == 0
    await publish(bus, fact(3))
    start("observer", PYTHONPATH=str(plugin))
    await eventually(lambda: lines(tmp_path / "seen")[-1] == "fact-3")
    assert lines(tmp_path / "seen") == ["fact-1", "fact-2", "fact-3"]


async def test_a_fact_that_a_plugin_refuses_is_given_up_after_some_tries(bus: Bus) -> None:
    plugins = Plugins()
    seeing = Seeing(refuses="fact-1")
    plugins.register(seeing, "seeing")
    observer = Observer(plugins, pause=0.0)
    await publish(bus, fact(1), fact(2))
    handled: list[str] = []

    async def handle(delivery: Delivery) -> None:
        event = Reader[Event](Event).read(delivery.data)
        try:
            await observer.take(event, delivery)
        except Unreadable:
            handled.append(f"given up {event.id}")
            raise

    working = asyncio.create_task(bus.worker(EVENTS, "observer", "alterd.event.>", handle).run())
    await eventually(lambda: handled == ["given up fact-1"] and "fact-2" in seeing.seen)
    working.cancel()
    assert await asyncio.wait({working}, timeout=20) == ({working}, set())
    assert sorted(seeing.seen) == ["fact-1"] * TRIES + ["fact-2"]
    letter = await bus.last(DEAD, f"alterd.dead.{EVENTS.name}")
    assert letter is not None
    assert (
        f"refused it {TRIES} times: ValueError: not this one" in Reader[DeadLetter](DeadLetter).read(letter.data).reason
    )
