"""An account with exactly the documented privileges runs everything; with one fewer, the check names it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from alterd_contracts import subjects
from alterd_contracts.errors import ShardUnreachable
from alterd_contracts.requests import CheckReply, CheckRequest
from alterd_contracts.statement import Statement, StatementKind
from alterd_executor.checking import Checker
from alterd_executor.protocol import RunCancelled, RunCompleted
from alterd_runtime.bus import Bus, NatsSettings
from alterd_runtime.mysql import artifacts
from alterd_runtime.mysql.grants import Part, Place, missing, needs, statements
from alterd_runtime.plugins import Plugins
from tests.integration.executor_support import Attempt, alter, new_uuid, next_attempt, record_of, run, session
from tests.integration.grants_support import account
from tests.integration.vitess_support import ALTER, Running, altering
from tests.support import eventually
from tests.support.servers import keyspace_of
from tests.support.shop import Shop
from tests.support.writers import SHAPES, Writers

EXECUTOR = needs(part=Part.EXECUTOR, views=True)
REQUIRED = [*needs(strategy="vitess", part=Part.EXECUTOR, views=True)]
STATEMENTS = (
    (StatementKind.CREATE_TABLE, "item", "CREATE TABLE item (id int PRIMARY KEY)"),
    (StatementKind.ALTER_TABLE, "customer", "ALTER TABLE customer ADD COLUMN b int, ADD INDEX (a)"),
    (StatementKind.CREATE_VIEW, "v", "CREATE OR REPLACE VIEW v AS SELECT name FROM customer"),
    (StatementKind.DROP_TABLE, "item", "DROP TABLE item"),
)


@pytest.fixture
def least(shop: Shop) -> Iterator[Shop]:
    """Signed in with what executors need, on a server where alterd has never been."""
    shop.run("DROP SCHEMA IF EXISTS _alterd")
    with account(shop, EXECUTOR) as least:
        yield least


@pytest.mark.parametrize("strategy", ["mysql", "direct"])
async def test_statements_by_the_least_account(shop: Shop, least: Shop, tmp_path: Path, strategy: str) -> None:
    shop.run("CREATE TABLE parent (id int PRIMARY KEY)")
    script = (
        *STATEMENTS[:3],
        (StatementKind.CREATE_TABLE, "child", "CREATE TABLE child (p int, FOREIGN KEY (p) REFERENCES parent (id))"),
        (StatementKind.ALTER_VIEW, "v", "ALTER VIEW v AS SELECT a FROM customer"),
        (StatementKind.DROP_VIEW, "v", "DROP VIEW v"),
        (StatementKind.DROP_TABLE, "child", "DROP TABLE child"),
        STATEMENTS[3],
    )
    for kind, table, sql in script:
        ending = await run(least, record_of(least, kind, table, sql, strategy=strategy), tmp_path)
        assert isinstance(ending, RunCompleted), (sql, ending)
    assert {name for name in shop.tables() if not name.startswith("_alterd_")} == {"customer", "parent"}


async def test_an_online_change_by_the_least_account(shop: Shop, least: Shop, tmp_path: Path) -> None:
    """With writers, an attempt that vanishes, and one that takes over from it."""
    writers = Writers(shop, SHAPES["int"], seed=4)
    writers.create(400)
    record = altering(least)
    with writers.writing():
        running = await Running.start(least, record, tmp_path, postponed=True)
        await running.until_copied(50)
        await running.vanish()
        ending = await run(least, next_attempt(record), tmp_path)
    assert isinstance(ending, RunCompleted), ending
    writers.check("c = 7")


async def test_a_cancel_and_the_collector_by_the_least_account(shop: Shop, least: Shop, tmp_path: Path) -> None:
    attempt = await Attempt.claim(least, alter(least, "ADD COLUMN b int"), tmp_path)
    with shop.table_in_use():
        running = asyncio.create_task(attempt.run())
        await eventually(lambda: shop.waiting_alters() == 1)
        await attempt.cancel()
        assert await running == RunCancelled()
    drop = record_of(least, StatementKind.DROP_TABLE, "customer", "DROP TABLE customer")
    assert isinstance(await run(least, drop, tmp_path), RunCompleted)
    [held] = shop.tables()
    async with session(least) as opened:
        assert await artifacts.drop(opened, shop.schema, held)
    assert shop.tables() == []


class Desk:
    """A checker that signs in as an account of the test."""

    def __init__(self, bus: Bus, folder: Path) -> None:
        self._bus, self._folder = bus, folder

    async def check(self, shop: Shop, strategy: str) -> CheckReply:
        keyspace = keyspace_of(shop, self._folder / shop.user)
        topology = self._bus.bucket(subjects.TOPOLOGY)
        await topology.put(keyspace.name, msgspec.json.encode(keyspace))
        checker = Checker(
            records=self._bus.bucket(subjects.STATE),
            topology=topology,
            strategies=Plugins().load().strategies(),
            checks=[],
        )
        return await checker.check(
            CheckRequest(
                request_id="r1",
                keyspace=keyspace.name,
                shard="0",
                strategy=strategy,
                options="",
                statements=tuple(
                    Statement(
                        kind=kind,
                        ddl_action=kind.ddl_action,
                        is_view=kind.is_view,
                        table=table,
                        sql=sql,
                        number=number,
                    )
                    for number, (kind, table, sql) in enumerate(STATEMENTS, 1)
                ),
                migration_uuids=tuple(new_uuid() for _ in STATEMENTS),
            )
        )


@pytest.fixture
async def desk(nats_url: str, tmp_path: Path) -> AsyncIterator[Desk]:
    async with Bus.open(NatsSettings(servers=(nats_url,)), "test", "grants") as bus:
        await bus.ensure()
        yield Desk(bus, tmp_path)


async def test_the_check_passes_with_the_least_account(desk: Desk, least: Shop) -> None:
    for strategy in ("vitess", "mysql", "direct"):
        assert await desk.check(least, strategy) == CheckReply()


async def test_each_privilege_that_lacks_is_named(shop: Shop) -> None:
    """The hint is a statement as it stands: with it nothing lacks any more."""
    with account(shop, REQUIRED) as poorer, shop.session() as root, root.cursor() as cursor:
        async with session(poorer) as opened:
            for lacking in REQUIRED:
                [grant] = statements([lacking], shop.schema, f"'{poorer.user}'@'%'")
                cursor.execute(grant.replace("GRANT", "REVOKE", 1).replace(" TO ", " FROM "))
                [error] = await missing(opened, shop.schema, "vitess", views=True)
                assert f"'{poorer.user}'@'%' has no {lacking.privilege} on " in error.message
                assert error.where["privilege"] == lacking.privilege
                assert error.hint == grant
                cursor.execute(error.hint)
            assert await missing(opened, shop.schema, "vitess", views=True) == []


@pytest.mark.parametrize(
    ("place", "privilege"),
    [
        (Place.SCHEMA, "TRIGGER"),
        (Place.SCHEMA, "SHOW VIEW"),
        (Place.SIDECAR, "CREATE"),
        (Place.SCRATCH, "CREATE"),
        (Place.SERVER, "XA_RECOVER_ADMIN"),
    ],
)
async def test_the_check_refuses_without_a_privilege(desk: Desk, shop: Shop, place: Place, privilege: str) -> None:
    rest = [need for need in REQUIRED if (need.place, need.privilege) != (place, privilege)]
    with account(shop, rest) as poorer:
        reply = await desk.check(poorer, "vitess")
    assert [(error.code, error.where["privilege"]) for error in reply.errors] == [("missing_privilege", privilege)]
    assert shop.tables() == ["customer"]


async def test_without_performance_schema_no_primary_is_found_and_the_grant_is_named(desk: Desk, shop: Shop) -> None:
    rest = [need for need in REQUIRED if need.place is not Place.PERFORMANCE]
    with account(shop, rest) as poorer, pytest.raises(ShardUnreachable) as raised:
        await desk.check(poorer, "mysql")
    assert "SELECT command denied" in raised.value.message
    assert "GRANT SELECT ON `performance\\_schema`.*" in raised.value.hint


async def test_a_run_begins_with_the_same_look(shop: Shop, tmp_path: Path) -> None:
    """A privilege that was taken away after the check: nothing is made, the privilege is named."""
    lacking = next(need for need in REQUIRED if need.privilege == "TRIGGER")
    shop.run("CREATE TABLE item (id int PRIMARY KEY, a int NOT NULL)")
    with account(shop, [need for need in REQUIRED if need != lacking]) as poorer:
        ending = await run(poorer, altering(poorer, ALTER), tmp_path)
    assert not isinstance(ending, RunCompleted)
    assert "TRIGGER" in str(ending)
    assert shop.tables() == ["customer", "item"]
