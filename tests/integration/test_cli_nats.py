"""The command line against a real NATS: records, facts and logs written here, read there."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alterd_cli.watching import follow
from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import SyntaxRefused, UnknownTable
from alterd_contracts.events import Fact, MigrationEvent
from alterd_contracts.inputs import Control
from alterd_contracts.migration import COLUMNS, Migration
from alterd_contracts.requests import (
    Accepted,
    Answered,
    DdlRequest,
    Refusal,
    ShardEffect,
    SubmittedMigration,
)
from alterd_contracts.states import Status
from alterd_contracts.subjects import REPLY_TO
from alterd_contracts.work import LogLine, Progress
from alterd_runtime.bus import Bus, NatsSettings
from alterd_runtime.provision.nats_server import NatsServer

UUID = "9e8a9249_3976_11ed_9442_0a43f95f28a3"
OTHER = "11111111_2222_3333_4444_555555555555"
NOW = datetime.now(UTC)
ENCODE = msgspec.json.Encoder().encode


class CommandLine:
    """``alterd`` as a user runs it, on a NATS of this module's own."""

    def __init__(self, url: str, home: Path) -> None:
        self.url = url
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("ALTERD_")}
        self.environ |= {"ALTERD_NATS__SERVERS": url, "ALTERD_HOME": str(home)}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "alterd_cli", *arguments],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, code: int = 0) -> tuple[str, str]:
        """stdout and stderr; fails on another exit code."""
        process = self.start(*arguments)
        out, err = process.communicate(timeout=30)
        assert process.returncode == code, (process.returncode, out, err)
        return out, err

    def json(self, *arguments: str, code: int = 0) -> Any:
        return json.loads(self.run(*arguments, "-o", "json", code=code)[0])

    def on_bus(self, work: Callable[[Bus], Awaitable[None]]) -> None:
        async def connected() -> None:
            async with Bus.open(NatsSettings(servers=(self.url,)), "test", "cli", patience=10) as bus:
                await work(bus)

        asyncio.run(connected())


@pytest.fixture(scope="module")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    server = NatsServer(tmp_path_factory.mktemp("nats"))
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def alterd(nats: NatsServer, tmp_path_factory: pytest.TempPathFactory) -> CommandLine:
    line = CommandLine(nats.url, tmp_path_factory.mktemp("home"))
    out, err = line.run("show", code=5)
    assert out == ""
    assert "alterd's streams are not there" in err
    line.on_bus(lambda bus: bus.ensure())
    return line


def record(**fields: Any) -> Migration:
    values: dict[str, Any] = {
        "id": 1,
        "migration_uuid": UUID,
        "keyspace": "shop",
        "shard": "0",
        "mysql_schema": "shop",
        "mysql_table": "orders",
        "migration_statement": "alter table orders add note text",
        "strategy": "mysql",
        "ddl_action": "alter",
        "requested_timestamp": NOW,
        "migration_context": "deploy-1",
    }
    return Migration(**{**values, **fields})


async def write(bus: Bus, row: Migration) -> None:
    """As the scheduler does: the new row first, then the old one goes."""
    store = bus.bucket(subjects.STATE)
    terminal = row.migration_status.terminal
    await store.put(row.done_key if terminal else row.open_key, ENCODE(row))
    await store.delete(row.open_key if terminal else row.done_key)


@pytest.fixture
def rows(alterd: CommandLine) -> None:
    """A running migration on two shards, one complete yesterday, one cancelled long ago."""

    async def fill(bus: Bus) -> None:
        running = Status.RUNNING
        await write(bus, record(migration_status=running, attempt=2, started_timestamp=NOW))
        await write(bus, record(shard="1", migration_status=Status.QUEUED))
        await write(
            bus,
            record(
                id=2,
                migration_uuid=OTHER,
                keyspace="other",
                migration_status=Status.COMPLETE,
                progress=100.0,
                migration_context="deploy-2",
                requested_timestamp=NOW - timedelta(days=1),
            ),
        )
        long_ago = {"id": 3, "keyspace": "old", "requested_timestamp": NOW - timedelta(days=30)}
        await write(bus, record(migration_uuid=OTHER[:-1] + "6", migration_status=Status.CANCELLED, **long_ago))
        progress = Progress(
            keyspace="shop",
            shard="0",
            migration_uuid=UUID,
            attempt=2,
            executor="e",
            liveness_timestamp=NOW,
            progress=42.5,
            rows_copied=17,
            eta_seconds=75,
            stage="copying",
        )
        await bus.bucket(subjects.PROGRESS).put("shop.0." + UUID, ENCODE(progress))

    alterd.on_bus(fill)


@pytest.mark.usefixtures("rows")
class TestShow:
    def test_as_json_all_columns_in_order_joined_with_progress(self, alterd: CommandLine) -> None:
        shown = alterd.json("show", UUID)
        assert [row["shard"] for row in shown] == ["0", "1"]
        assert all(tuple(row) == COLUMNS for row in shown)
        assert (shown[0]["progress"], shown[0]["rows_copied"], shown[0]["stage"]) == (42.5, 17, "copying")
        assert (shown[1]["migration_status"], shown[1]["progress"]) == ("queued", 0.0)

    def test_by_state_context_keyspace_shard_and_age(self, alterd: CommandLine) -> None:
        def uuids(*arguments: str) -> list[tuple[str, str]]:
            return [(row["keyspace"], row["shard"]) for row in alterd.json("show", *arguments)]

        assert uuids() == [("shop", "0"), ("shop", "1"), ("other", "0")]
        assert uuids("all") == [*uuids(), ("old", "0")]
        assert uuids("running") == [("shop", "0")]
        assert uuids("complete") == [("other", "0")]
        assert uuids("deploy-1", "-k", "shop") == [("shop", "0"), ("shop", "1")]
        assert uuids("all", "--shard", "1") == [("shop", "1")]
        assert uuids("failed") == []
        assert uuids("all", "--limit", "1") == [("shop", "0"), ("shop", "1")]
        assert uuids("all", "--skip", "1", "--limit", "1") == [("other", "0")]
        assert uuids("all", "--newest-first", "--limit", "2") == [("old", "0"), ("other", "0")]

    def test_as_table_one_line_over_all_shards(self, alterd: CommandLine) -> None:
        out, err = alterd.run("show", "-k", "shop")
        _, line = out.splitlines()
        assert err == ""
        assert line.split()[:4] == [UUID, "shop", "2", "shards"]
        assert "running 1, queued 1" in line
        assert "21%" in line

    def test_as_table_a_line_for_each_shard(self, alterd: CommandLine) -> None:
        out, err = alterd.run("show", "-k", "shop", "--by-shard")
        head, first, second = out.splitlines()
        assert err == ""
        assert head.split()[:4] == ["migration_uuid", "keyspace", "shard", "mysql_table"]
        assert first.split()[:9] == [UUID, "shop", "0", "orders", "alter", "mysql", "running", "42%", "1m15s"]
        assert second.split()[6:8] == ["queued", "0%"]

    def test_one_in_detail(self, alterd: CommandLine) -> None:
        out, _ = alterd.run("show", UUID)
        assert "migration_statement: alter table orders add note text" in out
        assert "reverted_uuid" not in out

    def test_unknown_and_malformed_uuids(self, alterd: CommandLine) -> None:
        absent = OTHER.replace("1", "9")
        _, err = alterd.run("show", absent, code=3)
        assert err.startswith(f"error: there is no migration {absent}\nhint: ")
        _, err = alterd.run("show", UUID.replace("_", "-"), code=2)
        assert "malformed" in err
        assert alterd.json("show", absent, code=3)["errors"][0]["code"] == "unknown_migration"


@pytest.mark.usefixtures("rows")
class TestWatch:
    def test_to_the_end(self, alterd: CommandLine) -> None:
        process = alterd.start("watch", UUID)
        assert process.stdout is not None
        seen = [process.stdout.readline(), process.stdout.readline()]
        assert "running 42% copying, 17 rows, eta 1m15s" in seen[0]
        assert f"{UUID} shop/1 alter orders queued" in seen[1]

        async def finish(bus: Bus) -> None:
            await write(bus, record(migration_status=Status.COMPLETE))
            await write(bus, record(shard="1", migration_status=Status.FAILED, message="no\x1b[31m space"))

        alterd.on_bus(finish)
        out, _ = process.communicate(timeout=20)
        assert process.returncode == 1
        assert "shop/0 alter orders complete" in out
        assert "shop/1 alter orders failed no [31m space" in out

    @pytest.mark.parametrize(("uuid", "code"), [(OTHER, 0), (OTHER[:-1] + "6", 6)])
    def test_what_has_ended(self, alterd: CommandLine, uuid: str, code: int) -> None:
        alterd.run("watch", uuid, code=code)

    def test_a_retry_begins_again(self, alterd: CommandLine) -> None:
        both = [record(shard=shard, migration_status=Status.FAILED) for shard in ("0", "1")]

        async def fail_and_retry(bus: Bus) -> None:
            await write(bus, both[0])
            await write(bus, record(migration_status=Status.QUEUED))
            await write(bus, both[1])

        alterd.on_bus(fail_and_retry)
        process = alterd.start("watch", UUID)
        assert process.stdout is not None
        assert {"failed", "queued"} == {process.stdout.readline().split()[-1] for _ in range(2)}

        async def complete(bus: Bus) -> None:
            for shard in ("1", "0"):
                await write(bus, record(shard=shard, migration_status=Status.COMPLETE))

        alterd.on_bus(complete)
        process.communicate(timeout=20)
        assert process.returncode == 0

    def test_a_uuid_that_is_given_twice(self, alterd: CommandLine) -> None:
        alterd.run("watch", OTHER, OTHER, code=0)

        async def twice(bus: Bus) -> None:
            async with asyncio.timeout(20):
                assert await follow(bus, [OTHER, OTHER]) == 0

        alterd.on_bus(twice)

    def test_unknown(self, alterd: CommandLine) -> None:
        alterd.run("watch", OTHER.replace("1", "9"), code=3)
        alterd.run("watch", "nonsense", code=2)


def answering(alterd: CommandLine, effects: tuple[ShardEffect, ...], *arguments: str, code: int) -> tuple[str, str]:
    """Runs a command while a scheduler of one answer listens."""
    process = alterd.start(*arguments)

    async def answer(bus: Bus) -> None:
        reader: Reader[Control] = Reader(Control)
        async with asyncio.timeout(20):
            async for message in bus.tail(subjects.INPUT, subjects.control("shop")):
                if message is not None:
                    control = reader.read(message.data)
                    if message.headers[REPLY_TO].startswith("_INBOX") and control.migration_uuid == UUID:
                        reply = Answered(migration_uuid=UUID, effects=effects)
                        await bus.tell(message.headers[REPLY_TO], reply)
                if process.poll() is not None or (message is not None and message.pending == 0):
                    break

    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        alterd.on_bus(answer)
    out, err = process.communicate(timeout=20)
    assert process.returncode == code, (out, err)
    return out, err


@pytest.mark.usefixtures("rows")
class TestControl:
    def test_its_effect_on_each_shard(self, alterd: CommandLine) -> None:
        effects = (
            ShardEffect(shard="0", affected=1, migration_status=Status.RUNNING, message="cancel requested"),
            ShardEffect(shard="1", affected=0, migration_status=Status.COMPLETE, message="is complete already"),
        )
        out, _ = answering(alterd, effects, "cancel", UUID, code=0)
        assert [line.split()[:3] for line in out.splitlines()[1:]] == [["0", "1", "running"], ["1", "0", "complete"]]

    def test_without_effect(self, alterd: CommandLine) -> None:
        effects = (ShardEffect(shard="0", affected=0, migration_status=Status.RUNNING, message="is running"),)
        _, err = answering(alterd, effects, "retry", UUID, code=4)
        assert err == "error: retry changed nothing: shard 0 is running\n"

    def test_nobody_decides(self, alterd: CommandLine) -> None:
        _, err = alterd.run("retry", UUID)
        assert err.startswith("recorded, not decided yet")

    def test_unknown_and_malformed(self, alterd: CommandLine) -> None:
        alterd.run("cancel", "nonsense", code=2)
        alterd.run("cancel", OTHER.replace("1", "9"), code=3)
        _, err = alterd.run("cancel", UUID, "--shard", "-80", code=3)
        assert err == "error: the migration has no shard -80\nhint: it has 0, 1\n"


def serving(alterd: CommandLine, reply: Accepted | Refusal, *arguments: str, code: int) -> tuple[str, str, DdlRequest]:
    """Runs ``submit`` while an intake of one answer listens."""
    asked: list[DdlRequest] = []

    async def handle(request: DdlRequest) -> Accepted | Refusal:
        asked.append(request)
        return reply

    result: list[tuple[str, str]] = []

    async def serve(bus: Bus) -> None:
        stop = await bus.serve(subjects.SUBMIT, Reader(DdlRequest), handle)
        await bus.ping()
        result.append(await asyncio.to_thread(alterd.run, *arguments, code=code))
        await stop()

    alterd.on_bus(serve)
    return *result[0], asked[0]


ACCEPTED = Accepted(
    request_id="r",
    keyspace="other",
    strategy="mysql",
    migration_context="deploy-2",
    migrations=(
        SubmittedMigration(
            migration_uuid=OTHER, mysql_table="t", ddl_action="drop", migration_statement="drop table t"
        ),
    ),
    shards=("0",),
    warnings=("a warning",),
)


@pytest.mark.usefixtures("rows")
class TestSubmit:
    SQL = ("submit", "-k", "shop", "drop table t")

    def test_names_alone_on_stdout(self, alterd: CommandLine) -> None:
        out, err, request = serving(alterd, ACCEPTED, *self.SQL, "-o", "name", "-c", "deploy-2", code=0)
        assert (out, err) == (OTHER + "\n", "warning: a warning\n")
        assert (request.keyspace, request.sql, request.migration_context) == ("shop", "drop table t", "deploy-2")
        assert "@" in request.caller

    def test_json_and_not_decided(self, alterd: CommandLine) -> None:
        undecided = msgspec.structs.replace(ACCEPTED, decided=False)
        out, err, _ = serving(alterd, undecided, *self.SQL, "-o", "json", code=0)
        assert json.loads(out)["migrations"][0]["migration_uuid"] == OTHER
        assert "recorded, not decided yet" in err

    def test_waits_as_the_strategy_does(self, alterd: CommandLine) -> None:
        waiting = msgspec.structs.replace(ACCEPTED, wait=True)
        _, err, _ = serving(alterd, waiting, *self.SQL, code=0)
        assert f"{OTHER} other/0 alter orders complete" in err

    def test_refused_with_every_reason(self, alterd: CommandLine) -> None:
        refusal = Refusal(
            errors=(
                SyntaxRefused("cannot read it", hint="write SQL", statement="2: selec 1").info(),
                UnknownTable("no table t", statement="3: DROP TABLE t").info(),
            )
        )
        out, err, _ = serving(alterd, refusal, *self.SQL, "-o", "json", code=3)
        assert err.splitlines() == [
            "error: [syntax_error] cannot read it",
            "  in statement 2: selec 1",
            "hint: write SQL",
            "error: [unknown_table] no table t",
            "  in statement 3: DROP TABLE t",
        ]
        assert [error["code"] for error in json.loads(out)["errors"]] == ["syntax_error", "unknown_table"]

    def test_nobody_serves(self, alterd: CommandLine) -> None:
        _, err = alterd.run(*self.SQL, code=5)
        assert err.startswith("error: no intake service is running\nhint: ")

    def test_bad_input_is_never_sent(self, alterd: CommandLine) -> None:
        alterd.run("submit", "-k", "Shop!", "drop table t", code=2)
        alterd.run("submit", "-k", "shop", code=2)
        alterd.run(*self.SQL, "--uuid", "nonsense", code=2)


class TestHistory:
    def test_events_and_logs(self, alterd: CommandLine) -> None:
        async def fill(bus: Bus) -> None:
            await write(bus, record(migration_status=Status.RUNNING))
            for fact in (Fact.QUEUED, Fact.STARTED):
                event = MigrationEvent(
                    id=f"e:{fact}",
                    time=NOW,
                    fact=fact,
                    keyspace="shop",
                    shard="0",
                    migration_uuid=UUID,
                    migration_status=Status.RUNNING,
                    strategy="mysql",
                    ddl_action="alter",
                    mysql_table="orders",
                    attempt=1,
                )
                await bus.publish(event.subject, event, id=event.id)
            line = LogLine(time=NOW, level="info", text="two  blanks", attempt=1, executor="e")
            await bus.publish(subjects.log("shop", "0", UUID), line, id="line")

        alterd.on_bus(fill)
        assert [event["fact"] for event in alterd.json("events", "--uuid", UUID)] == ["queued", "started"]
        assert alterd.json("events", "-k", "nowhere") == []
        out, _ = alterd.run("events")
        assert [line.split()[2] for line in out.splitlines()] == ["queued", "started"]
        out, _ = alterd.run("logs", UUID)
        assert out.endswith(f"{NOW:%H:%M:%S}  shop/0 #1 info    two  blanks\n")
        assert alterd.json("logs", UUID)[0]["text"] == "two  blanks"
        alterd.run("logs", OTHER.replace("1", "9"), code=3)

        following = alterd.start("events", "--follow", "-o", "json")
        assert following.stdout is not None
        assert [json.loads(following.stdout.readline())["fact"] for _ in range(2)] == ["queued", "started"]
        following.send_signal(2)
        following.communicate(timeout=20)
        assert following.returncode == 130


class TestKeyspaces:
    TOML = """
        [keyspace]
        name = "shop"
        default_ddl_strategy = "mysql"
        [[keyspace.shards]]
        name = "0"
        schema = "shop"
        servers = ["127.0.0.1:1"]
        user = "alterd"
        password = { env = "ALTERD_TEST_NO_SUCH_SECRET" }
    """

    def test_applied_shown_and_doctored(self, alterd: CommandLine, tmp_path: Path) -> None:
        file = tmp_path / "shop.toml"
        file.write_text(self.TOML)
        alterd.run("keyspace", "apply", str(file))
        assert [each["name"] for each in alterd.json("keyspace", "list")] == ["shop"]
        assert alterd.json("keyspace", "show", "shop")["shards"][0]["servers"] == [{"host": "127.0.0.1", "port": 1}]
        out, _ = alterd.run("keyspace", "show", "shop")
        assert "from environment variable ALTERD_TEST_NO_SUCH_SECRET" in out
        alterd.run("keyspace", "show", "none", code=3)
        found = {(each["part"], each["level"]) for each in alterd.json("doctor", code=1)}
        assert {
            ("nats", "ok"),
            ("nats", "warn"),
            ("intake", "fail"),
            ("scheduler", "fail"),
            ("executor", "fail"),
        } <= found
        assert ("shop/0", "warn") in found
        alterd.run("doctor", "-k", "none", code=3)

    def test_a_bad_file(self, alterd: CommandLine, tmp_path: Path) -> None:
        file = tmp_path / "bad.toml"
        file.write_text(self.TOML.replace('{ env = "ALTERD_TEST_NO_SUCH_SECRET" }', '"hunter2"'))
        _, err = alterd.run("keyspace", "apply", str(file), code=2)
        assert "hunter2" not in err
        assert err.startswith("error: keyspace.shards[0].password ")
        alterd.run("keyspace", "apply", str(tmp_path / "absent.toml"), code=2)


def test_nats_is_down(tmp_path: Path) -> None:
    line = CommandLine("nats://127.0.0.1:1", tmp_path)
    began = time.monotonic()
    _, err = line.run("show", code=5)
    assert time.monotonic() - began < 5
    assert err.startswith("error: NATS does not answer at nats://127.0.0.1:1\nhint: ")


def test_the_nats_of_up_is_found(nats: NatsServer, alterd: CommandLine, tmp_path: Path) -> None:
    line = CommandLine(nats.url, tmp_path)
    del line.environ["ALTERD_NATS__SERVERS"]
    (tmp_path / "nats.url").write_text(nats.url + "\n")
    line.run("keyspace", "list")
    _, err = line.run("show", "--nats", "nats://127.0.0.1:1", code=5)
    assert "this address is from --nats" in err
    assert alterd.url == nats.url
