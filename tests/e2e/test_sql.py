"""Each statement of the documents that alterd comes from, through the real command line, on four shards."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alterd_cli.services_seen import read_executors
from alterd_contracts import subjects
from alterd_contracts.migration import COLUMNS
from alterd_contracts.states import Status
from alterd_contracts.topology import Keyspace
from alterd_runtime.bus import Bus, NatsSettings
from alterd_runtime.provision.nats_server import NatsServer
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.support import eventually
from tests.support.servers import keyspace_of
from tests.support.shop import Shop

SHARDS = ("-40", "40-80", "80-c0", "c0-")
UUID = "9e8a9249_3976_11ed_9442_0a43f95f28a3"


@pytest.fixture
def shops(mysql_primary: Shop) -> Iterator[list[Shop]]:
    """A schema for each shard."""
    with contextlib.ExitStack() as stack:
        shops = [stack.enter_context(mysql_primary.fresh()) for _ in SHARDS]
        for shop in shops:
            shop.run("CREATE TABLE demo (id int NOT NULL, status varchar(32) DEFAULT NULL, PRIMARY KEY (id))")
            shop.run("CREATE TABLE another_table (id int PRIMARY KEY)")
        yield shops


@pytest.fixture
async def commerce(nats: NatsServer, shops: list[Shop], tmp_path: Path) -> AsyncIterator[Client]:
    shards = [
        msgspec.structs.replace(keyspace_of(shop, tmp_path).shards[0], name=name)
        for name, shop in zip(SHARDS, shops, strict=True)
    ]
    keyspace = Keyspace(name="commerce", default_ddl_strategy="vitess", shards=tuple(shards))
    async with Bus.open(NatsSettings(servers=(nats.url,)), "test", "sql", patience=10) as bus:
        await bus.ensure()
        client = Client(bus, keyspace)
        await client.apply()
        yield client


class Alterd:
    """``alterd`` in a process of its own."""

    def __init__(self, nats: NatsServer, home: Path) -> None:
        self.environ = {**os.environ, "ALTERD_NATS__SERVERS": nats.url, "ALTERD_HOME": str(home)}

    async def run(self, *arguments: str, code: int = 0, typed: str = "") -> tuple[str, str]:
        """stdout and stderr. It must end with `code`, and with no traceback."""
        done = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-m", "alterd_cli", *arguments],
            capture_output=True,
            text=True,
            env=self.environ,
            input=typed,
            check=False,
            timeout=60,
        )
        assert "Traceback" not in done.stderr
        assert done.returncode == code, (arguments, done.stdout, done.stderr)
        return done.stdout, done.stderr

    async def sql(self, text: str, *, code: int = 0) -> str:
        out, err = await self.run("sql", "-k", "commerce", text, code=code)
        return out if code == 0 else err

    async def rows(self, text: str) -> list[dict[str, Any]]:
        """Of the last statement."""
        out, _ = await self.run("sql", "-k", "commerce", text, "-o", "json")
        return list(json.loads(out)[-1].get("rows", []))

    async def affected(self, text: str) -> int:
        out, _ = await self.run("sql", "-k", "commerce", text, "-o", "json")
        return int(json.loads(out)[-1]["affected"])

    async def ddl(self, strategy: str, text: str) -> str:
        """The uuid that the statement is answered with, as a table."""
        out = await self.sql(f"set @@ddl_strategy='{strategy}'; {text}")
        border, title, _, row, last = out.splitlines()
        assert (title, border, last) == (f"| {'uuid':<36} |", f"+{'-' * 38}+", border)
        return row.strip("| ")

    async def vexec(self, where: str, text: str, *, code: int = 0) -> list[list[str]]:
        """The cells of what it printed, the head first."""
        out, _ = await self.run("vexec", where, text, code=code)
        return [[cell.strip() for cell in line.strip("|").split("|")] for line in out.splitlines() if line[0] == "|"]


@pytest.fixture
def alterd(nats: NatsServer, tmp_path: Path, fleet: Fleet, commerce: Client) -> Alterd:
    del commerce
    fleet.start_all(ALTERD_EXECUTOR__SLOTS="8")
    return Alterd(nats, tmp_path / "home")


async def all_until(commerce: Client, uuid: str, status: Status, shards: tuple[str, ...] = SHARDS) -> None:
    for shard in shards:
        await commerce.until(uuid, status, shard=shard)


async def ready(commerce: Client) -> None:
    """An executor has said what it offers, and somebody decides."""

    async def offered() -> bool:
        return bool(await read_executors(commerce.bus))

    async def decided() -> bool:
        return await commerce.bus.bucket(subjects.STATE).get(subjects.EPOCH_KEY) is not None

    await eventually(offered, timeout=40)
    await eventually(decided, timeout=40)


async def test_postponed_launch_and_completion(alterd: Alterd, commerce: Client, shops: list[Shop]) -> None:
    """postponed-migrations.txt, in its order."""
    await ready(commerce)
    launched = await alterd.ddl("vitess --postpone-launch", "alter table demo add column i int not null;")
    [upright] = [await alterd.sql(f"show vitess_migrations like '{launched}' \\G")]
    assert upright.splitlines()[0] == f"{'*' * 27} 1. row {'*' * 27}"
    assert [line.partition(":")[0].strip() for line in upright.splitlines()[1 : len(COLUMNS) + 1]] == list(COLUMNS)
    shown = [line.strip() for line in upright.splitlines()]
    for line in (
        f"migration_uuid: {launched}",
        "keyspace: commerce",
        "shard: -40",
        "mysql_table: demo",
        "migration_statement: alter table demo add column i int not null",
        "strategy: vitess",
        "options: --postpone-launch",
        "ready_timestamp: NULL",
        "migration_status: queued",
        "postpone_launch: 1",
    ):
        assert line in shown, line
    assert await alterd.affected(f"alter vitess_migration '{launched}' launch vitess_shards '-40,40-80';") == 2
    await all_until(commerce, launched, Status.COMPLETE, SHARDS[:2])
    found = await alterd.rows(f"show vitess_migrations like '{launched}'")
    assert [(row["shard"], row["postpone_launch"]) for row in found] == [
        ("-40", 0),
        ("40-80", 0),
        ("80-c0", 1),
        ("c0-", 1),
    ]
    assert await alterd.affected("alter vitess_migration launch all;") == 2
    await all_until(commerce, launched, Status.COMPLETE)
    assert all(shop.columns("demo") == ["id", "status", "i"] for shop in shops)

    created = await alterd.ddl("vitess --postpone-completion", "create table mytable(id int primary key);")
    altered = await alterd.ddl(
        "vitess --postpone-completion --allow-concurrent", "alter table another_table add column ts timestamp null;"
    )
    for shard in SHARDS:
        await commerce.until(altered, lambda row: row.ready_to_complete, shard=shard)
    [row, *_] = await alterd.rows(f"show vitess_migrations where migration_uuid='{created}'")
    assert (row["migration_status"], row["postpone_completion"]) == ("queued", 1)
    assert await alterd.affected(f"alter vitess_migration '{altered}' complete;") == 4
    await all_until(commerce, altered, Status.COMPLETE)
    assert await alterd.affected("alter vitess_migration complete all;") == 4
    await all_until(commerce, created, Status.COMPLETE)
    assert await alterd.affected(f"alter vitess_migration '{created}' complete") == 0

    both = await alterd.ddl(
        "vitess --postpone-launch --postpone-completion", "alter table demo add column j int not null;"
    )
    assert await alterd.affected(f"alter vitess_migration '{both}' launch vitess_shards '-40';") == 1
    await commerce.until(both, lambda row: row.ready_to_complete, shard="-40")
    assert await alterd.affected("alter vitess_migration launch all;") == 3
    for shard in SHARDS:
        await commerce.until(both, lambda row: row.ready_to_complete, shard=shard)
    assert await alterd.affected("alter vitess_migration complete all;") == 4
    await all_until(commerce, both, Status.COMPLETE)


async def test_cancel_retry_and_vexec(alterd: Alterd, commerce: Client) -> None:
    """managed-online-schema-changes.txt: cancelling, retrying and VExec; `cancelled` where it shows `failed`."""
    await ready(commerce)
    uuid = await alterd.ddl("vitess --postpone-completion", "ALTER TABLE demo MODIFY id bigint UNSIGNED")
    for shard in SHARDS:
        await commerce.until(uuid, lambda row: row.ready_to_complete, shard=shard)
    columns = "shard, mysql_table, migration_uuid, started_timestamp, completed_timestamp, migration_status"
    head, *rows = await alterd.vexec(f"commerce.{uuid}", f"select {columns} from _vt.schema_migrations")
    assert head == ["Tablet", *columns.split(", ")]
    assert [(row[1], row[2], row[3], row[5], row[6]) for row in rows] == [
        (shard, "demo", uuid, "", "running") for shard in SHARDS
    ]
    executor = rows[0][0]
    assert executor.startswith("executor")
    one_shard = f"where migration_uuid='{uuid}' and shard='40-80'"
    cancel = f"update _vt.schema_migrations set migration_status='cancel' {one_shard}"
    assert await alterd.vexec(f"commerce.{uuid}", cancel) == [["Tablet", "RowsAffected"], [executor, "1"]]
    await commerce.until(uuid, Status.CANCELLED, shard="40-80")
    out, err = await alterd.run("vexec", f"commerce.{uuid}", cancel)
    assert out == "<no result>\n"
    assert "is cancelled already" in err
    retry = f"update _vt.schema_migrations set migration_status='retry' {one_shard}"
    assert await alterd.vexec(f"commerce.{uuid}", retry) == [["Tablet", "RowsAffected"], [executor, "1"]]
    await commerce.until(uuid, lambda row: row.retries == 1 and row.ready_to_complete, shard="40-80")
    assert await alterd.vexec(f"commerce.{uuid}", "select count(*) n from _vt.schema_migrations") == [["n"], ["4"]]
    [head, *rows] = await alterd.vexec(f"commerce.{uuid}", "select shard, log_path from _vt.schema_migrations")
    assert (head, len(rows)) == (["Tablet", "shard", "log_path"], 4)
    assert await alterd.affected(f"alter vitess_migration '{uuid}' cancel") == 4
    await all_until(commerce, uuid, Status.CANCELLED)
    counted = "select migration_status, count(*) as n from _vt.schema_migrations group by migration_status"
    assert await alterd.rows(counted) == [{"migration_status": "cancelled", "n": 4}]
    assert await alterd.affected(f"alter vitess_migration '{uuid}' retry") == 4
    await all_until(commerce, uuid, Status.RUNNING)
    assert await alterd.affected("alter vitess_migration cancel all") == 4
    await all_until(commerce, uuid, Status.CANCELLED)
    assert len(await alterd.rows("show vitess_migrations like 'cancelled'")) == 4
    logs = await alterd.rows(f"show vitess_migration '{uuid}' logs")
    assert [list(row) for row in logs] in ([], [["migration_log"]])
    _, err = await alterd.run("vexec", "commerce", "update _vt.schema_migrations set migration_status='cancel'", code=2)
    assert "every migration of the keyspace" in err


async def test_strategies_concurrency_and_throttling(alterd: Alterd, commerce: Client, shops: list[Shop]) -> None:
    """concurrent-migrations.txt, ddl-strategy-flags.txt, and what is throttled."""
    await ready(commerce)
    assert await alterd.rows("select @@ddl_strategy") == [{"@@ddl_strategy": "vitess"}]
    assert await alterd.rows("set @@ddl_strategy=''; select @@ddl_strategy as s") == [{"s": "direct"}]
    uuid = await alterd.ddl("vitess --allow-concurrent", "create table sample_table(id int primary key);")
    await all_until(commerce, uuid, Status.COMPLETE)
    [row, *_] = await alterd.rows(f"show vitess_migrations like '{uuid}'")
    assert (row["allow_concurrent"], row["ddl_action"]) == (1, "create")
    contexts = await alterd.rows(
        "set @@migration_context='deploy-42', @@ddl_strategy='vitess --postpone-launch';"
        " alter table demo add index (status); show vitess_migrations like 'deploy-42'"
    )
    assert [row["migration_context"] for row in contexts] == ["deploy-42"] * 4
    queued = contexts[0]["migration_uuid"]
    await alterd.sql(f"alter vitess_migration '{queued}' throttle expire '10m' ratio 0.5")
    [rule] = await alterd.rows("show vitess_throttled_apps")
    assert list(rule) == ["app", "expire_at", "ratio", "shard"]
    assert (rule["app"], rule["ratio"]) == (queued, 0.5)
    await alterd.sql(f"alter vitess_migration '{queued}' unthrottle")
    assert await alterd.rows("show vitess_throttled_apps") == []
    assert await alterd.affected("alter vitess_migration cancel all") == 4
    assert await alterd.affected(f"alter vitess_migration '{uuid}' cleanup") in (0, 4)
    out, _ = await alterd.run("sql", "-k", "commerce", "set @@ddl_strategy='direct'; create table now_here(id int)")
    assert "| uuid " in out
    assert all("now_here" in shop.tables() for shop in shops)


async def test_bad_statements_have_a_code_a_place_and_no_traceback(alterd: Alterd, commerce: Client) -> None:
    await ready(commerce)
    for text, code, words in (
        ("set @@ddl_strategy='nobody'", 3, ("[unknown_strategy]", "1: set @@ddl_strategy")),
        ("set @@ddl_strategy='vitess --unheard-of'", 2, ("[invalid_strategy]", "unheard-of")),
        (f"use commerce; alter vitess_migration '{UUID}' cancel", 3, ("[unknown_migration]", "2: alter vitess_migr")),
        (f"alter vitess_migration '{UUID}' launch vitess_shards '-99'", 3, ("[not_found]", "no shard -99")),
        (f"revert vitess_migration '{UUID}'", 2, ("[unsupported_statement]", "cannot be done yet")),
        ("use nowhere", 3, ("[unknown_keyspace]", "1: use nowhere")),
        (
            "use commerce; alter table demo add column status int",
            4,
            ("[statement_refused]", "Duplicate", "2: alter table"),
        ),
        ("rename table a to b", 2, ("[unsupported_statement]", "1: rename table")),
        ("show vitess_migrations where nonsense = 1", 2, ("[invalid_input]", "no column nonsense")),
        (f"show vitess_migration '{UUID}' logs", 3, ("[unknown_migration]",)),
    ):
        err = await alterd.sql(text, code=code)
        assert all(word in err for word in words), err
    _, err = await alterd.run("vexec", f"commerce.{UUID}", "select * from _vt.schema_migrations", code=3)
    assert "[unknown_migration]" in err
    out, _ = await alterd.run("sql", "-k", "commerce", "use nowhere", "-o", "json", code=3)
    assert json.loads(out)["errors"][0]["where"]["statement"] == "1: use nowhere"


async def test_the_shell_takes_a_script_and_a_person(alterd: Alterd, commerce: Client) -> None:
    await ready(commerce)
    script = "use commerce;\nset @@ddl_strategy='vitess --postpone-launch';\nalter table demo\nadd column k int;\n"
    out, err = await alterd.run("shell", typed=script)
    assert out.splitlines()[1] == f"| {'uuid':<36} |"
    assert "Database changed" in err
    uuid = out.splitlines()[3].strip("| ")
    _, err = await alterd.run("shell", "-k", "commerce", typed="use nowhere; alter vitess_migration cancel all", code=3)
    assert "[unknown_keyspace]" in err
    await commerce.until(uuid, Status.QUEUED, shard="-40")

    terminal = Terminal([sys.executable, "-m", "alterd_cli", "shell", "-k", "commerce"], alterd.environ)
    try:
        await terminal.until("commerce>")
        terminal.type("select migration_uuid,\r")
        await terminal.until("->")
        terminal.type("shard from _vt.schema_migrations where shard = '-40'\\G\r")
        await terminal.until(f"migration_uuid: {uuid}")
        terminal.type("nonsense;\r")
        await terminal.until("[unsupported_statement]")
        terminal.type("exit\r")
        assert await asyncio.to_thread(terminal.process.wait, 20) == 0
    finally:
        terminal.close()


class Terminal:
    """A program on a terminal of its own."""

    def __init__(self, argv: list[str], environ: dict[str, str]) -> None:
        self._mine, theirs = pty.openpty()
        environ = {**environ, "TERM": "xterm", "PROMPT_TOOLKIT_NO_CPR": "1"}
        self.process = subprocess.Popen(argv, stdin=theirs, stdout=theirs, stderr=theirs, env=environ)
        os.close(theirs)
        os.set_blocking(self._mine, False)
        self._seen = ""

    def type(self, text: str) -> None:
        self._seen = ""
        os.write(self._mine, text.encode())

    async def until(self, text: str) -> None:
        await eventually(lambda: self._shows(text), timeout=30)

    def _shows(self, text: str) -> bool:
        with contextlib.suppress(BlockingIOError, OSError):
            self._seen += os.read(self._mine, 65536).decode(errors="replace")
        return text in self._seen

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        os.close(self._mine)
