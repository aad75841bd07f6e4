"""Commands to many migrations at once, against a scheduler of the test's own on a real NATS."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import time
from collections.abc import Awaitable, Callable, Iterator

import msgspec
import pytest

from alterd_cli import records
from alterd_cli.selection import Selection
from alterd_cli.sql import asking, queries, vexec
from alterd_cli.sql.script import split
from alterd_cli.sql.session import Session
from alterd_cli.sql.statements import Query, UpdateRecords
from alterd_cli.sql.table import RecordTable
from alterd_contracts import subjects
from alterd_contracts.envelope import Reader
from alterd_contracts.errors import UnknownMigration
from alterd_contracts.inputs import Control
from alterd_contracts.requests import Answered, Command, Outcome, Refusal, ShardEffect
from alterd_contracts.states import Status
from alterd_contracts.subjects import REPLY_TO
from alterd_contracts.topology import Keyspace, SecretRef, ServerAddress, Shard
from alterd_runtime.bus import Bus
from alterd_runtime.provision.nats_server import NatsServer
from alterd_runtime.settings import IntakeSettings
from tests.integration.cli_support import NOW, CommandLine, record, write

FAILED = tuple(f"{number}0000000_2222_3333_4444_555555555555" for number in range(3))
COMPLETE = "c0000000_2222_3333_4444_555555555555"
RUNNING = "d0000000_2222_3333_4444_555555555555"

Decide = Callable[[Control], Outcome | None]

_controls: Reader[Control] = Reader(Control)


@pytest.fixture(scope="module")
def alterd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CommandLine]:
    """A keyspace with three failed migrations, one complete and one that runs, on two shards."""
    nats = NatsServer(tmp_path_factory.mktemp("nats"))
    nats.start()

    async def fill(bus: Bus) -> None:
        await bus.ensure()
        server = (ServerAddress("127.0.0.1", 1),)
        password = SecretRef(env="NONE")
        shards = tuple(
            Shard(name=name, schema="shop", servers=server, user="u", password=password) for name in ("0", "1")
        )
        keyspace = Keyspace(name="shop", shards=shards)
        await bus.bucket(subjects.TOPOLOGY).put("shop", msgspec.json.encode(keyspace))
        for number, (uuid, status) in enumerate(
            [*((uuid, Status.FAILED) for uuid in FAILED), (COMPLETE, Status.COMPLETE), (RUNNING, Status.RUNNING)], 1
        ):
            for shard in ("0", "1"):
                there = status if shard == "0" or uuid != FAILED[2] else Status.COMPLETE
                await write(bus, record(id=number, migration_uuid=uuid, shard=shard, migration_status=there))

    try:
        line = CommandLine(nats.url, tmp_path_factory.mktemp("home"))
        line.on_bus(fill)
        yield line
    finally:
        nats.stop()


def deciding(alterd: CommandLine, decide: Decide, *arguments: str, code: int = 0) -> tuple[str, str, list[Control]]:
    """What the command prints while a scheduler decides so, and what it was given."""
    given: list[Control] = []

    async def follow(bus: Bus) -> None:
        last = await bus.last_sequence(subjects.INPUT)
        process = alterd.start(*arguments)

        async def answer() -> None:
            async for message in bus.tail(subjects.INPUT, subjects.control("shop"), start=last + 1):
                if message is None:
                    continue
                control = _controls.read(message.data)
                given.append(control)
                if (outcome := decide(control)) is not None:
                    await bus.tell(message.headers[REPLY_TO], outcome)

        task = asyncio.create_task(answer())
        try:
            printed.append(await asyncio.to_thread(process.communicate, timeout=60))
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        assert process.returncode == code, (process.returncode, printed)

    printed: list[tuple[str, str]] = []
    alterd.on_bus(follow)
    return *printed[0], given


def queued(control: Control) -> Answered:
    effect = ShardEffect(shard="0", affected=1, migration_status=Status.QUEUED, message="queued again")
    same = ShardEffect(shard="1", affected=0, migration_status=Status.COMPLETE, message="is complete")
    return Answered(migration_uuid=control.migration_uuid, effects=(effect, same), affected=1)


def refused(control: Control) -> Refusal:
    return Refusal(errors=(UnknownMigration("it is gone", hint="look again", uuid=control.migration_uuid).info(),))


def test_a_retry_of_all_is_given_to_each_that_can_be_retried(alterd: CommandLine) -> None:
    out, _, given = deciding(alterd, queued, "retry", "all", "-k", "shop", "-o", "json")
    assert [(control.command, control.migration_uuid) for control in given] == [
        (Command.RETRY, uuid) for uuid in FAILED
    ]
    answer = json.loads(out)
    assert (answer["decided"], answer["affected"], answer["undecided"]) == (True, 3, [])
    assert [(effect["migration_uuid"], effect["shard"]) for effect in answer["effects"]] == [
        (uuid, "0") for uuid in FAILED
    ]


def test_a_silent_scheduler_has_all_of_them_before_it_and_that_is_said(alterd: CommandLine) -> None:
    begun = time.monotonic()
    _, err, given = deciding(alterd, lambda _: None, "retry", "all", "-k", "shop")
    assert [control.migration_uuid for control in given] == list(FAILED)
    assert err.startswith("recorded, not decided yet for 3 of 3 migrations: no scheduler answered in 5 s")
    assert time.monotonic() - begun < 14, "the wait is one for all"


def test_a_scheduler_that_falls_silent_leaves_what_it_decided(alterd: CommandLine) -> None:
    first = lambda control: queued(control) if control.migration_uuid == FAILED[0] else None  # noqa: E731
    out, err, given = deciding(alterd, first, "retry", "all", "-k", "shop", "-o", "json")
    assert len(given) == 3
    answer = json.loads(out)
    assert (answer["decided"], answer["affected"], answer["undecided"]) == (False, 1, list(FAILED[1:]))
    assert "for 2 of 3 migrations" in err


def test_one_refusal_is_told_beside_what_was_done(alterd: CommandLine) -> None:
    decide = lambda control: refused(control) if control.migration_uuid == FAILED[1] else queued(control)  # noqa: E731
    out, _, given = deciding(alterd, decide, "retry", "all", "-k", "shop", "-o", "json")
    assert len(given) == 3
    effects = json.loads(out)["effects"]
    assert [(effect["affected"], effect["message"]) for effect in effects] == [
        (1, "queued again"),
        (0, "refused: it is gone"),
        (1, "queued again"),
    ]


def test_where_all_are_refused_the_command_is(alterd: CommandLine) -> None:
    _, err, _ = deciding(alterd, refused, "purge", "all", "-k", "shop", code=3)
    assert err.count("[unknown_migration] it is gone") == 4
    assert "hint: look again" in err


@pytest.mark.parametrize(
    ("command", "concerned"),
    [("cleanup", ()), ("purge", (*FAILED, COMPLETE))],
)
def test_what_has_ended_is_cleaned_up_or_purged_by_uuid(
    alterd: CommandLine, command: str, concerned: tuple[str, ...]
) -> None:
    code = 0 if concerned else 4
    _, err, given = deciding(alterd, queued, command, "all", "-k", "shop", code=code)
    assert [control.migration_uuid for control in given] == list(concerned)
    assert ("changed nothing" in err) is not bool(concerned)


def test_a_state_says_of_how_many_shards_it_tells(alterd: CommandLine) -> None:
    def shown(*arguments: str) -> list[tuple[str, str]]:
        lines = alterd.run("show", *arguments, "-k", "shop")[0].splitlines()[1:]
        return [(line.split()[0], re.split("  +", line)[2]) for line in lines]

    assert shown("failed") == [(FAILED[0], "2 shards"), (FAILED[1], "2 shards"), (FAILED[2], "1 of 2 shards")]
    assert shown("complete") == [(FAILED[2], "1 of 2 shards"), (COMPLETE, "2 shards")]
    assert shown("complete", "--shard", "1") == [(FAILED[2], "1"), (COMPLETE, "1")]
    assert shown("complete", "--by-shard") == [(FAILED[2], "1"), (COMPLETE, "0"), (COMPLETE, "1")]
    assert len(alterd.json("show", "failed", "-k", "shop")) == 5


UPDATE = "update _vt.schema_migrations set migration_status='{}' where {}"
NEWEST = "id = (select max(id) from _vt.schema_migrations)"
ALL = (*FAILED, COMPLETE, RUNNING)


@pytest.fixture(params=[False, True], ids=["few", "many"])
def many(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Records are a great many, or few."""
    if request.param:
        monkeypatch.setattr(asking, "MANY", 2)
        monkeypatch.setattr(records, "BATCH", 3)
        monkeypatch.delattr(asking, "read_records")


def in_session(alterd: CommandLine, work: Callable[[Bus, Session], Awaitable[None]]) -> None:
    alterd.on_bus(lambda bus: work(bus, Session(bus, "shop", IntakeSettings())))


@pytest.mark.usefixtures("many")
@pytest.mark.parametrize(
    ("status", "condition", "chosen"),
    [
        ("retry", "shard = '0'", [(uuid, "0") for uuid in FAILED]),
        ("retry", NEWEST, []),
        ("cancel", NEWEST, [(RUNNING, "0"), (RUNNING, "1")]),
        ("cancel", "shard = '1'", [(RUNNING, "1")]),
        ("cancel", "migration_status = 'complete'", []),
    ],
)
def test_an_update_is_about_records_on_which_it_has_an_effect(
    alterd: CommandLine, status: str, condition: str, chosen: list[tuple[str, str]]
) -> None:
    [piece] = split(UPDATE.format(status, condition))
    statement = vexec.read(piece)
    assert isinstance(statement, UpdateRecords)

    async def look(_: Bus, session: Session) -> None:
        found = await session.chosen(vexec.Target("shop"), statement)
        assert [(record.uuid, record.shard) for record in found] == chosen

    in_session(alterd, look)


@pytest.mark.usefixtures("many")
def test_a_select_is_the_same_of_few_records_and_of_a_great_many(alterd: CommandLine) -> None:
    [piece] = split(
        "select migration_uuid, group_concat(distinct migration_status) as s, count(*) as n"
        " from _vt.schema_migrations where message not regexp 'x+y+' group by migration_uuid order by min(id)"
    )

    async def look(_: Bus, session: Session) -> None:
        found = await session.select(queries.select(piece).query)
        assert [(row[0], row[2]) for row in found.rows] == [(uuid, 2) for uuid in ALL]
        assert found.rows[2][1] == "failed,complete"
        of_state = await session.select(Query(queries.ALL), status=Status.FAILED)
        assert len(of_state.rows) == 5

    in_session(alterd, look)


def test_a_record_that_changes_while_they_are_read_is_there_once(
    alterd: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "BATCH", 1)

    async def look(bus: Bus, _: Session) -> None:
        moved = record(id=1, migration_uuid=FAILED[0], migration_status=Status.QUEUED)
        with RecordTable.empty(NOW) as table:
            async with contextlib.aclosing(records.stream_records(bus, Selection(keyspace="shop"))) as batches:
                async for batch in batches:
                    asking.fill(table, batch)
                    if not batch.corrects:
                        await write(bus, moved)
            rows = table.select(
                Query("SELECT migration_uuid, shard FROM _vt.schema_migrations ORDER BY id, shard")
            ).rows
        assert list(rows) == [(uuid, shard) for uuid in ALL for shard in ("0", "1")]
        await write(bus, record(id=1, migration_uuid=FAILED[0], migration_status=Status.FAILED))

    in_session(alterd, look)


def test_an_update_by_condition_is_recorded_for_all_before_an_answer_is_waited_for(alterd: CommandLine) -> None:
    text = UPDATE.format("retry", "shard = '0'")
    out, err, given = deciding(alterd, lambda _: None, "vexec", "shop", text)
    assert [(control.migration_uuid, control.shards) for control in given] == [(uuid, ("0",)) for uuid in FAILED]
    assert "recorded, not decided yet for 3 of 3 migrations" in err
    assert out == "<no result>\n"


def test_an_update_says_what_became_of_each(alterd: CommandLine) -> None:
    decide = lambda control: refused(control) if control.migration_uuid == FAILED[1] else queued(control)  # noqa: E731
    out, err, _ = deciding(alterd, decide, "vexec", "shop", UPDATE.format("retry", "shard = '0'"))
    assert out.count("shop/0") == 2
    assert f"{FAILED[1]} everywhere: refused: it is gone" in err
    _, err, given = deciding(alterd, decide, "vexec", "shop", UPDATE.format("cancel", "migration_status = 'failed'"))
    assert given == []
    assert "no record that it is about is queued or ready or running" in err
