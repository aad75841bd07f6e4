"""Commands and submissions: what is sent, and what the answer is shown as."""

from __future__ import annotations

import asyncio
import json
import time

import msgspec
import pytest

from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import SyntaxRefused, UnknownTable
from alterd_contracts.inputs import Control
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
from alterd_runtime.bus import Bus
from tests.integration.cli_support import OTHER, UUID, CommandLine


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
