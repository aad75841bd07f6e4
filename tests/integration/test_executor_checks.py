"""Scripts tried on empty copies: what would fail is told at once, and nothing is left behind."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pymysql
import pytest

from alterd_contracts import subjects
from alterd_contracts.errors import AlterdError, Refused, ShardUnreachable
from alterd_contracts.migration import Migration
from alterd_contracts.names import SCRATCH_PREFIX
from alterd_contracts.requests import CheckReply, CheckRequest
from alterd_contracts.statement import Statement, StatementKind
from alterd_contracts.states import Status
from alterd_contracts.strategy import ShardView
from alterd_executor.checking import Checker
from alterd_runtime.bus import Bus, NatsSettings
from alterd_runtime.mysql.scratch import sweep
from alterd_runtime.plugins import Plugins
from alterd_runtime.provision.nats_server import NatsServer
from tests.integration.executor_support import alter, new_uuid, record_of, session
from tests.support.servers import keyspace_of
from tests.support.shop import Shop

CREATE, ALTER, DROP = StatementKind.CREATE_TABLE, StatementKind.ALTER_TABLE, StatementKind.DROP_TABLE


class Desk:
    """A checker beside a shop."""

    def __init__(self, shop: Shop, bus: Bus, checker: Checker) -> None:
        self.shop, self.bus, self.checker = shop, bus, checker

    def request(self, *statements: tuple[StatementKind, str, str], strategy: str = "mysql") -> CheckRequest:
        return CheckRequest(
            request_id="r1",
            keyspace="commerce",
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
                    if_exists="IF EXISTS" in sql,
                    if_not_exists="IF NOT EXISTS" in sql,
                    number=number,
                )
                for number, (kind, table, sql) in enumerate(statements, 1)
            ),
            migration_uuids=tuple(new_uuid() for _ in statements),
        )

    async def check(self, *statements: tuple[StatementKind, str, str], strategy: str = "mysql") -> CheckReply:
        before = self.shop.tables()
        reply = await self.checker.check(self.request(*statements, strategy=strategy))
        assert self.shop.tables() == before
        assert self.scratches() == []
        return reply

    def scratches(self) -> list[str]:
        return [name for (name,) in self.shop.run("SHOW SCHEMAS") if str(name).startswith(SCRATCH_PREFIX)]


@pytest.fixture
async def desk(nats: NatsServer, shop: Shop, tmp_path: Path) -> AsyncIterator[Desk]:
    async with Bus.open(NatsSettings(servers=(nats.url,)), "test", "desk") as bus:
        await bus.ensure()
        keyspace = keyspace_of(shop, tmp_path / "keyspace")
        topology = bus.bucket(subjects.TOPOLOGY)
        await topology.put(keyspace.name, msgspec.json.encode(keyspace))
        plugins = Plugins().load()
        checker = Checker(
            records=bus.bucket(subjects.STATE), topology=topology, strategies=plugins.strategies(), checks=[]
        )
        yield Desk(shop, bus, checker)


async def test_a_script_is_tried_in_order(desk: Desk) -> None:
    reply = await desk.check(
        (CREATE, "item", "CREATE TABLE item (id int PRIMARY KEY)"),
        (ALTER, "item", "ALTER TABLE item ADD COLUMN price int"),
        (ALTER, "customer", "ALTER TABLE customer ADD INDEX (name)"),
        (DROP, "item", "DROP TABLE item"),
        (CREATE, "item", "CREATE TABLE item LIKE customer"),
    )
    assert reply == CheckReply()


async def test_every_refusal_of_a_script_is_told_with_its_statement(desk: Desk) -> None:
    reply = await desk.check(
        (ALTER, "customer", "ALTER TABLE customer ADD COLUMN a int"),
        (ALTER, "customer", "ALTER TABLE customer ADD COLUMN b int"),
        (ALTER, "nowhere", "ALTER TABLE nowhere ADD COLUMN b int"),
        (DROP, "nowhere", "DROP TABLE nowhere"),
        (CREATE, "customer", "CREATE TABLE customer (id int)"),
        (ALTER, "customer", "ALTER TABLE customer ADD COLUM c int"),
    )
    assert [(error.where["statement"].partition(":")[0], error.code) for error in reply.errors] == [
        ("1", "statement_refused"),
        ("3", "unknown_table"),
        ("4", "unknown_table"),
        ("5", "statement_refused"),
        ("6", "statement_refused"),
    ]
    assert "1060" in reply.errors[0].message
    assert reply.errors[1].message == "table nowhere does not exist in commerce/0"
    assert SCRATCH_PREFIX not in "".join(error.message for error in reply.errors)


async def test_what_is_pending_counts_but_not_what_this_request_left_before(desk: Desk, shop: Shop) -> None:
    pending = alter(shop, "ADD COLUMN b int", id=7)
    broken = alter(shop, "ADD COLUMN a int", id=6)
    store = desk.bus.bucket(subjects.STATE)
    for record in (pending, broken):
        await store.put(record.open_key, msgspec.json.encode(record))
    statement = (ALTER, "customer", "ALTER TABLE customer ADD COLUMN b int")
    [error] = (await desk.check(statement)).errors
    assert "1060" in error.message
    again = msgspec.structs.replace(desk.request(statement), migration_uuids=(pending.migration_uuid,))
    assert (await desk.checker.check(again)).errors == ()


async def test_what_its_uuid_or_its_twin_has_done_or_will_do_is_not_tried_again(desk: Desk, shop: Shop) -> None:
    """As the scheduler will not run it: the same uuid again, or the same statement in the same context."""
    store = desk.bus.bucket(subjects.STATE)
    shop.run("CREATE TABLE item (id int PRIMARY KEY)")
    shop.run("ALTER TABLE item ADD COLUMN price int")
    script = (
        (CREATE, "item", "CREATE TABLE item (id int PRIMARY KEY)"),
        (ALTER, "item", "ALTER TABLE item ADD COLUMN price int"),
        (ALTER, "item", "ALTER TABLE item ADD COLUMN weight int"),
    )
    [create, price, weight] = [record_of(shop, *each, id=n, migration_context="c") for n, each in enumerate(script, 6)]

    async def told(request: CheckRequest) -> tuple[list[str], tuple[int, ...]]:
        reply = await desk.checker.check(request)
        return [error.where["statement"].partition(":")[0] for error in reply.errors], reply.left_out

    own = tuple(row.migration_uuid for row in (create, price, weight))
    request = msgspec.structs.replace(desk.request(*script), migration_context="c")
    again = msgspec.structs.replace(request, migration_uuids=own)
    elsewhere = msgspec.structs.replace(request, migration_context="d")
    assert await told(request) == (["1", "2"], ())
    for row in (create, price):
        done = row.evolve(migration_status=Status.COMPLETE)
        await store.put(row.done_key, msgspec.json.encode(done))
    await store.put(weight.done_key, msgspec.json.encode(weight.evolve(migration_status=Status.FAILED)))
    assert await told(again) == ([], (0, 1))
    # the scheduler refuses the uuids: what they would do is not asked
    assert await told(msgspec.structs.replace(again, migration_context="d")) == ([], (0, 1, 2))
    assert await told(request) == (["1", "2"], ())
    for row in (create, price):
        key = subjects.twin_key("commerce", "0", "c", row.migration_statement)
        await store.put(key, row.migration_uuid.encode())
    assert await told(request) == ([], (0, 1))
    assert await told(elsewhere) == (["1", "2"], ())
    # pending ones: the table is then as they will leave it
    await store.put(weight.open_key, msgspec.json.encode(weight.evolve(migration_status=Status.QUEUED)))
    assert await told(request) == ([], (0, 1, 2))
    assert await told(again) == ([], (0, 1, 2))
    assert await told(elsewhere) == (["1", "2", "3"], ())
    more = (ALTER, "item", "ALTER TABLE item DROP COLUMN weight")
    assert (await desk.check(more)).errors == ()


async def test_a_parent_is_dropped_only_after_its_children(desk: Desk, shop: Shop) -> None:
    shop.run("CREATE TABLE orders (c int unsigned, CONSTRAINT of_customer FOREIGN KEY (c) REFERENCES customer (id))")
    [error] = (await desk.check((DROP, "customer", "DROP TABLE customer"))).errors
    assert "3730" in error.message
    assert "of_customer" in error.message
    assert not (
        await desk.check((DROP, "orders", "DROP TABLE orders"), (DROP, "customer", "DROP TABLE customer"))
    ).errors
    assert not (
        await desk.check(
            (ALTER, "orders", "ALTER TABLE orders DROP FOREIGN KEY of_customer"),
            (DROP, "customer", "DROP TABLE customer"),
        )
    ).errors


async def test_old_definitions_can_be_copied_and_new_ones_obey_the_server(desk: Desk, shop: Shop) -> None:
    with shop.session() as connection, connection.cursor() as cursor:
        cursor.execute("SET sql_mode = ''")
        cursor.execute("CREATE TABLE old (id int AUTO_INCREMENT PRIMARY KEY, d date NOT NULL DEFAULT '0000-00-00')")
    assert not (await desk.check((ALTER, "old", "ALTER TABLE old ALTER COLUMN d SET DEFAULT '2020-01-01'"))).errors
    with pytest.raises(pymysql.MySQLError, match="1067"):
        shop.run("ALTER TABLE old ADD INDEX (d)")  # so says the table itself, and so does its copy
    [refused] = (await desk.check((ALTER, "old", "ALTER TABLE old ADD INDEX (d)"))).errors
    assert "1067" in refused.message


@pytest.mark.parametrize("strategy", ["vitess", "mysql", "direct"])
async def test_views_are_tried(desk: Desk, shop: Shop, strategy: str) -> None:
    shop.run("CREATE VIEW w AS SELECT id FROM customer")
    reply = await desk.check(
        (
            StatementKind.CREATE_VIEW,
            "v",
            "CREATE VIEW v AS SELECT w.id, name FROM customer JOIN w ON w.id = customer.id",
        ),
        (StatementKind.ALTER_VIEW, "w", "ALTER VIEW w AS SELECT name FROM customer"),
        (StatementKind.DROP_VIEW, "v", "DROP VIEW v"),
        (StatementKind.DROP_VIEW, "customer", "DROP VIEW customer"),
        (StatementKind.CREATE_VIEW, "x", "CREATE VIEW x AS SELECT no FROM customer"),
        strategy=strategy,
    )
    assert [error.where["statement"].partition(":")[0] for error in reply.errors] == ["4", "5"]


async def test_a_foreign_check_speaks_and_a_broken_one_is_named(desk: Desk) -> None:
    async def never_on_fridays(change: Migration, shard: ShardView) -> list[AlterdError]:
        assert await shard.definition(change.mysql_table)
        assert await shard.scratch.value("SELECT COUNT(*) FROM customer") == 0
        return [Refused("not on a friday")]

    async def breaks(_change: Migration, _shard: ShardView) -> list[AlterdError]:
        raise ZeroDivisionError("hunter2")

    desk.checker._checks = [("fridays", never_on_fridays), ("zero", breaks)]
    reply = await desk.check((ALTER, "customer", "ALTER TABLE customer FORCE"))
    assert [error.message for error in reply.errors] == ["not on a friday", "the check zero raised ZeroDivisionError"]
    assert all(error.where["statement"].startswith("1: ") for error in reply.errors)


async def test_a_plan_names_the_statements(desk: Desk) -> None:
    reply = await desk.checker.plan(
        desk.request(
            (ALTER, "customer", "ALTER TABLE customer ADD COLUMN b int"),
            (DROP, "customer", "DROP TABLE customer"),
        )
    )
    assert [(step.statement, step.action) for step in reply.steps] == [(1, "run"), (2, "hold")]
    assert reply.errors == ()


async def test_a_plan_of_a_view_shows_the_exchange(desk: Desk, shop: Shop) -> None:
    shop.run("CREATE SQL SECURITY INVOKER VIEW w AS SELECT id FROM customer")
    reply = await desk.checker.plan(
        desk.request(
            (StatementKind.ALTER_VIEW, "w", "ALTER VIEW w AS SELECT name FROM customer"),
            (StatementKind.CREATE_VIEW, "v", "CREATE OR REPLACE VIEW v AS SELECT name FROM customer"),
            (StatementKind.DROP_VIEW, "w", "DROP VIEW w"),
        )
    )
    steps = [(step.statement, step.action) for step in reply.steps]
    assert steps == [(1, "make"), (1, "swap"), (2, "run"), (3, "hold")]
    assert "SQL SECURITY INVOKER VIEW `_alterd_hld_" in reply.steps[0].sql
    assert reply.errors == ()


async def test_a_shard_that_does_not_answer_says_so(desk: Desk, tmp_path: Path) -> None:
    nobody = keyspace_of(Shop(("127.0.0.1:1",), "u", "p", "s"), tmp_path / "nobody")
    await desk.bus.bucket(subjects.TOPOLOGY).put(nobody.name, msgspec.json.encode(nobody))
    with pytest.raises(ShardUnreachable):
        await desk.checker.check(desk.request((ALTER, "customer", "ALTER TABLE customer FORCE")))


async def test_what_a_dead_checker_left_is_swept_once_it_is_old(desk: Desk, shop: Shop) -> None:
    name = SCRATCH_PREFIX + "0123456789abcdef"
    lookalike = SCRATCH_PREFIX + "of_somebody"
    shop.run(f"CREATE SCHEMA {name}")
    shop.run(f"CREATE SCHEMA {lookalike}")
    try:
        async with session(shop) as opened:
            assert await sweep(opened) == 0
            assert name in desk.scratches()  # too young: it may be in use
            await opened.execute("SET SESSION timestamp = UNIX_TIMESTAMP() + 4000")
            assert await sweep(opened) == 1
        assert desk.scratches() == [lookalike]
    finally:
        shop.run(f"DROP SCHEMA IF EXISTS {name}")
        shop.run(f"DROP SCHEMA {lookalike}")
