"""A statement goes the whole way, on real servers."""

from __future__ import annotations

import asyncio

import pytest

from alterd_contracts.names import Artifact, ArtifactKind, new_request_id
from alterd_contracts.requests import Accepted, Command, Refusal
from alterd_contracts.states import Status
from tests.e2e.client import Client
from tests.e2e.fleet import Fleet
from tests.support import eventually
from tests.support.shop import Shop


async def test_create_alter_and_drop_go_the_whole_way(fleet: Fleet, client: Client, shop: Shop) -> None:
    fleet.start_all()
    uuids = await client.submit(
        "CREATE TABLE item (id int PRIMARY KEY); ALTER TABLE item ADD COLUMN price int; DROP TABLE customer"
    )
    for uuid in uuids:
        row = await client.until(uuid, Status.COMPLETE)
        assert row.attempt == 1
        await client.story(uuid)
    assert shop.columns("item") == ["id", "price"]
    [held] = [name for name in shop.tables() if name != "item"]
    artifact = Artifact.parse(held)
    assert artifact is not None
    assert (artifact.kind, artifact.migration_uuid) == (ArtifactKind.HELD, uuids[2])
    assert shop.run(f"SELECT count(*) FROM {held}") == [(3,)]
    dropped = await client.row(uuids[2])
    assert dropped is not None
    assert dropped.artifacts == f"{held},"


async def test_direct_really_drops(fleet: Fleet, client: Client, shop: Shop) -> None:
    fleet.start_all()
    [uuid] = await client.submit("DROP TABLE customer", strategy="direct")
    await client.until(uuid, Status.COMPLETE)
    assert shop.tables() == []


async def test_the_same_request_twice_makes_one_migration(fleet: Fleet, client: Client, shop: Shop) -> None:
    """Also when its statement has already run: the answer comes from the records."""
    fleet.start_all()
    await client.submit("CREATE TABLE warm (id int PRIMARY KEY)")
    request_id = new_request_id()
    answers = await asyncio.gather(
        *(client.ask("ALTER TABLE customer ADD INDEX (a)", request_id=request_id) for _ in range(3))
    )
    assert all(isinstance(answer, Accepted) for answer in answers), answers
    [uuid] = {answer.migrations[0].migration_uuid for answer in answers if isinstance(answer, Accepted)}
    await client.until(uuid, Status.COMPLETE)
    again = await client.ask("ALTER TABLE customer ADD INDEX (a)", request_id=request_id)
    assert isinstance(again, Accepted)
    assert shop.indexes() == ["PRIMARY", "a"]
    await client.story(uuid)


async def test_a_running_statement_is_cancelled_and_leaves_the_table_as_it_was(
    fleet: Fleet, client: Client, shop: Shop
) -> None:
    fleet.start_all(ALTERD_EXECUTOR__LOCK_WAIT_TIMEOUT="60")
    with shop.table_in_use():
        [uuid] = await client.submit("ALTER TABLE customer ADD INDEX (a)")
        await client.until(uuid, Status.RUNNING)
        await eventually(lambda: shop.waiting_alters() == 1)
        answer = await client.control(Command.CANCEL, uuid)
        assert answer.effects[0].affected == 1
        row = await client.until(uuid, Status.CANCELLED)
        assert row.message == "CANCEL issued by user"
        assert shop.waiting_alters() == 0
    assert shop.indexes() == ["PRIMARY"]
    await client.story(uuid)
    await client.control(Command.RETRY, uuid)
    await client.until(uuid, Status.COMPLETE)
    assert shop.indexes() == ["PRIMARY", "a"]


async def test_a_queued_migration_is_cancelled_at_once(fleet: Fleet, client: Client, shop: Shop) -> None:
    fleet.start_all(ALTERD_EXECUTOR__LOCK_WAIT_TIMEOUT="60")
    with shop.table_in_use():
        [first] = await client.submit("ALTER TABLE customer ADD INDEX (a)")
        [second] = await client.submit("ALTER TABLE customer ADD COLUMN b int")
        await client.until(first, Status.RUNNING)
        await client.control(Command.CANCEL, second)
        await client.until(second, Status.CANCELLED)
    await client.until(first, Status.COMPLETE)
    assert shop.columns() == ["id", "a", "name"]


async def test_a_statement_that_fails_while_it_runs_says_so(fleet: Fleet, client: Client, shop: Shop) -> None:
    """The empty copy has no duplicates; the table has."""
    fleet.start_all()
    shop.run("INSERT INTO customer (a) VALUES (1)")
    [uuid] = await client.submit("ALTER TABLE customer ADD UNIQUE KEY (a)")
    row = await client.until(uuid, Status.FAILED)
    assert "1062" in row.message
    assert row.error_code == "statement_failed"
    assert shop.indexes() == ["PRIMARY"]


REFUSED = [
    ("ALTER TABLE customer ADD COLUMN a int", "statement_refused", "1060"),
    ("ALTER TABLE nowhere ADD COLUMN a int", "unknown_table", "nowhere"),
    ("ALTER TABLE customer ADD COLUM a int", "statement_refused", "1064"),
    ("ALTER TABLE customer ADD COLUMN 'x", "syntax_error", ""),
    ("SELECT 1", "unsupported_statement", "SELECT"),
    ("RENAME TABLE customer TO c", "unsupported_statement", "RENAME"),
    ("", "syntax_error", "statement"),
]


async def test_bad_statements_are_refused_at_once_and_nothing_is_queued(
    fleet: Fleet, client: Client, shop: Shop
) -> None:
    fleet.start_all()
    await client.submit("CREATE TABLE warm (id int PRIMARY KEY)")
    before = shop.tables()
    for sql, code, words in REFUSED:
        answer = await client.ask(sql)
        assert isinstance(answer, Refusal), sql
        [error] = answer.errors
        assert (error.code, words in error.message + str(error.where)) == (code, True), (sql, error)
    several = await client.ask("ALTER TABLE customer ADD COLUMN ok int; SELECT 1; TRUNCATE customer")
    assert isinstance(several, Refusal)
    assert len(several.errors) == 2
    assert {event.mysql_table for event in await client.events()} == {"warm"}
    assert shop.tables() == [*before] if "warm" in before else True
    assert shop.columns() == ["id", "a", "name"]
    assert not [row for row in shop.run("SHOW SCHEMAS") if str(row[0]).startswith("_alterd_scratch")]


@pytest.mark.parametrize(("strategy", "code"), [("nonsense", "unknown_strategy"), ("mysql --foo", "invalid_strategy")])
async def test_bad_strategies_and_flags_are_refused(fleet: Fleet, client: Client, strategy: str, code: str) -> None:
    fleet.start_all()
    await client.submit("CREATE TABLE warm (id int PRIMARY KEY)")
    answer = await client.ask("ALTER TABLE customer ADD COLUMN b int", strategy=strategy)
    assert isinstance(answer, Refusal)
    assert answer.errors[0].code == code


async def test_a_script_is_tried_on_top_of_what_is_pending(fleet: Fleet, client: Client, shop: Shop) -> None:
    fleet.start_all(ALTERD_EXECUTOR__LOCK_WAIT_TIMEOUT="60")
    with shop.table_in_use():
        [first] = await client.submit("ALTER TABLE customer ADD COLUMN b int")
        again = await client.ask("ALTER TABLE customer ADD COLUMN b int")
        assert isinstance(again, Refusal)
        assert "1060" in again.errors[0].message
        [second] = await client.submit("ALTER TABLE customer ADD INDEX (b)")
    for uuid in (first, second):
        await client.until(uuid, Status.COMPLETE)
    assert shop.indexes() == ["PRIMARY", "b"]
