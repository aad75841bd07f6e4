"""The demo's writers and its proof on a real MySQL: what they live through, and every damage that the proof finds."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import msgspec
import pytest

from alterd_cli.demo import Sabotage
from alterd_cli.demo.crew import ORPHANED
from alterd_cli.demo.errors import LoadFailed
from alterd_cli.demo.figures import Figures
from alterd_cli.demo.ledger import Kept
from alterd_cli.demo.load import Load
from alterd_cli.demo.messages import Hold, HoldState, LoadResult
from alterd_cli.demo.place import Place
from alterd_cli.demo.proof import Form, Proof, prove
from alterd_cli.demo.sabotage import sabotage
from alterd_cli.demo.table import ALTER, COLUMNS, make_table
from alterd_runtime.mysql.errors import UNKNOWN_THREAD, MySQLError
from alterd_runtime.provision.server import Server
from tests.support import eventually
from tests.support.servers import new_server
from tests.support.shop import Shop

ROWS, SEED, RATE = 2_000, 7, 600
SESSIONS = (
    "SELECT DISTINCT PROCESSLIST_ID AS id FROM performance_schema.session_connect_attrs"
    " WHERE ATTR_NAME = 'program_name' AND ATTR_VALUE LIKE 'alterd:demo:%:%' AND PROCESSLIST_ID <> CONNECTION_ID()"
)


def place_in(shop: Shop, table: str = "member") -> Place:
    return Place.of(shop.servers[0], shop.user, shop.password, shop.schema, table)


@asynccontextmanager
async def running(place: Place) -> AsyncIterator[Load]:
    await asyncio.to_thread(make_table, place, rows=ROWS, seed=SEED)
    async with Load(place, rows=ROWS, seed=SEED, rate=RATE) as load:
        yield load


async def written(load: Load, statements: int) -> None:
    """Waits until so many more have been sent."""
    assert load.status is not None
    goal = load.status.statements + statements
    await eventually(lambda: load.status is not None and load.status.statements >= goal, timeout=60)


async def proven(place: Place, result: LoadResult, form: Form = Form.BEFORE) -> Proof:
    proof = await asyncio.to_thread(prove, place, result, form=form)
    assert not proof.mismatches, f"{proof.mismatches}\n{result.figures}"
    assert proof.expected == proof.found > 0
    return proof


# What the writers live through.


async def test_rows_filled_in_by_the_server_are_the_same_as_in_python(shop: Shop) -> None:
    place = place_in(shop)
    await asyncio.to_thread(make_table, place, rows=ROWS, seed=SEED)
    nothing = LoadResult(ledger=Kept(seed=SEED, rows=ROWS, touched={}), figures=Figures())
    assert (await proven(place, nothing)).expected == ROWS


async def test_a_table_is_proven_before_and_after_its_change(shop: Shop) -> None:
    place = place_in(shop)
    async with running(place) as load:
        assert load.pid is not None
        command = await asyncio.to_thread(Path(f"/proc/{load.pid}/cmdline").read_text)
        assert shop.password not in command
        straddle = await load.begin(Hold.STRADDLE)
        await written(load, 600)
        with closing(place.open()) as session:
            await asyncio.to_thread(session.execute, ALTER.format(table=place.name))
        await written(load, 600)
        told = await load.end(Hold.STRADDLE)
        assert (told.state, told.keys) == (HoldState.COMMITTED, straddle.keys)
        result = await load.stop()
    proof = await proven(place, result, Form.AFTER)
    assert proof.form is Form.AFTER
    assert proof.touched > 300
    assert len(result.visits) == 1
    figures = result.figures
    assert len(figures.operations) == 15, figures.operations
    assert figures.statements >= 1_200
    assert 0 < figures.p50 <= figures.p99 <= figures.longest.seconds
    assert figures.longest.statement
    assert figures.longest.at is not None
    wrong = await asyncio.to_thread(prove, place, result, form=Form.BEFORE)
    assert "definition is not the one before the change" in str(wrong.mismatches)


async def test_a_transaction_that_touches_the_table_is_in_the_way_until_it_ends(shop: Shop) -> None:
    place = place_in(shop)
    async with running(place) as load:
        touch = await load.begin(Hold.TOUCH)
        with closing(place.open()) as session:
            holders = session.query(
                "SELECT LOCK_TYPE AS type FROM performance_schema.metadata_locks m JOIN performance_schema.threads t"
                " ON t.THREAD_ID = m.OWNER_THREAD_ID WHERE OBJECT_NAME = 'member' AND PROCESSLIST_ID = %s",
                (touch.connection_id,),
            )
        assert [each["type"] for each in holders] == ["SHARED_WRITE"]
        assert (await load.end(Hold.TOUCH)).state is HoldState.COMMITTED
        again = await load.begin(Hold.TOUCH)
        assert again.state is HoldState.OPEN
        result = await load.stop()  # what is still held is committed
    assert result.figures.operations["touch"] == 2
    await proven(place, result)


async def test_killed_sessions_leave_doubts_that_are_settled(shop: Shop) -> None:
    place = place_in(shop)
    async with running(place) as load:
        await load.begin(Hold.TOUCH)
        ending = threading.Event()
        killing = asyncio.create_task(asyncio.to_thread(kill_sessions, place, ending))
        try:
            await written(load, 1_500)
        finally:
            ending.set()
            killed = await killing
        assert killed > 20
        assert (await load.end(Hold.TOUCH)).state is HoldState.ROLLED_BACK
        await written(load, 100)
        result = await load.stop()
    figures = result.figures
    assert figures.interruptions["lost_session"] > 10
    assert figures.in_doubt == sum(figures.settled.values()) > 0
    assert figures.sessions > 15
    await proven(place, result)


def kill_sessions(place: Place, ending: threading.Event) -> int:
    """Kills the writers' connections now and then; how many."""
    killed = 0
    with closing(place.open()) as session:
        while not ending.wait(0.05):
            for each in session.query(SESSIONS):
                try:
                    session.execute(f"KILL CONNECTION {each['id']}")
                    killed += 1
                except MySQLError as error:
                    if error.errno != UNKNOWN_THREAD:  # it ended by itself
                        raise
    return killed


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """A server that may be killed."""
    server = new_server(tmp_path / "server")
    server.start()
    try:
        yield server
    finally:
        server.remove()


@pytest.mark.slow
async def test_an_outage_and_a_read_only_moment_lose_nothing(server: Server) -> None:
    endpoint = server.endpoint
    with closing(server.endpoint.open()) as session:
        session.execute("CREATE SCHEMA demo")
    place = Place(address=endpoint.address, credentials=endpoint.credentials, schema="demo", table="member")
    async with running(place) as load:
        await written(load, 200)
        with closing(server.endpoint.open()) as session:
            session.execute("SET GLOBAL super_read_only = ON")
            await written(load, 50)
            session.execute("SET GLOBAL super_read_only = OFF, GLOBAL read_only = OFF")
        await written(load, 200)
        server.kill()
        await eventually(lambda: load.status is not None and load.status.connected == 0, timeout=30)
        assert load.status is not None
        assert load.status.trouble
        await asyncio.to_thread(server.start)
        await written(load, 300)
        server.kill()
        result = await load.stop()
    await asyncio.to_thread(server.start)
    assert result.figures.interruptions["read_only_server"] > 0
    assert result.figures.interruptions["lost_session"] > 1
    await proven(place, result)


async def test_a_transaction_in_doubt_to_the_end_is_settled_by_the_proof(shop: Shop) -> None:
    place = place_in(shop)
    async with running(place) as load:
        await written(load, 100)
        result = await load.stop()
    ledger = result.ledger.open()
    [(one, _), (other, second)] = list(ledger.expected())[:2]
    taken = msgspec.structs.replace(second, note="in doubt")
    doubt = msgspec.structs.replace(
        result, ledger=msgspec.structs.replace(result.ledger, doubts=[{one: None, other: taken}])
    )
    await proven(place, doubt)
    with closing(place.open()) as session:
        session.execute(f"UPDATE {place.name} SET note = 'in doubt' WHERE id = %s", (other,))
    torn = await asyncio.to_thread(prove, place, doubt)
    assert "in doubt" in str(torn.mismatches)
    with closing(place.open()) as session:
        session.execute(f"DELETE FROM {place.name} WHERE id = %s", (one,))
    await proven(place, doubt)


async def test_writers_end_with_who_started_them(shop: Shop) -> None:
    place = place_in(shop)
    async with running(place) as load:
        assert load.pid is not None
        await load.begin(Hold.TOUCH)
    with closing(place.open()) as session:
        await eventually(lambda: not session.query(SESSIONS))
    assert load.exit_code == ORPHANED


async def test_writers_that_die_are_missed(shop: Shop) -> None:
    async with running(place_in(shop)) as load:
        assert load.pid is not None
        os.kill(load.pid, signal.SIGKILL)
        with pytest.raises(LoadFailed, match="has ended"):
            await load.stop()


async def test_writers_without_a_server_say_so(shop: Shop) -> None:
    place = Place.of("127.0.0.1:1", shop.user, shop.password, shop.schema)
    with pytest.raises(LoadFailed, match=r"no MySQL answers at 127\.0\.0\.1:1"):
        async with Load(place, rows=ROWS, seed=SEED, start_timeout=3.0):
            pytest.fail("nobody is there")


# What the proof finds.


@pytest.fixture(scope="module")
def finished(mysql_primary: Shop) -> Iterator[tuple[Place, LoadResult]]:
    """A table after its change, and what it must hold."""

    async def play(place: Place) -> LoadResult:
        async with running(place) as load:
            await load.begin(Hold.STRADDLE)
            await written(load, 500)
            with closing(place.open()) as session:
                await asyncio.to_thread(session.execute, ALTER.format(table=place.name))
            await written(load, 100)
            return await load.stop()

    with mysql_primary.fresh() as shop:
        place = place_in(shop)
        yield place, asyncio.run(play(place))


@pytest.fixture
def copy(finished: tuple[Place, LoadResult]) -> Iterator[tuple[Place, LoadResult]]:
    """The same in a table of its own."""
    original, result = finished
    place = msgspec.structs.replace(original, table="copy")
    with closing(place.open()) as session:
        for name, model in ((place.name, original.name), (place.journal, original.journal)):
            session.execute(f"CREATE TABLE {name} LIKE {model}")
            session.execute(f"INSERT INTO {name} SELECT * FROM {model}")
        yield place, result
        session.execute(f"DROP TABLE {place.name}, {place.journal}")


def test_the_copy_is_proven(copy: tuple[Place, LoadResult]) -> None:
    place, result = copy
    proof = prove(place, result)
    assert not proof.mismatches, str(proof.mismatches)


VALUES = {
    "email": "IF(CAST(email AS BINARY) = CAST(UPPER(email) AS BINARY), LOWER(email), UPPER(email))",
    "badge": "badge + 1000000",
    "given_name": "CONCAT(given_name, ' ')",
    "family_name": "UPPER(CONCAT(family_name, 'x'))",
    "balance": "balance + 0.0001",
    "joined": "joined + INTERVAL 1 MICROSECOND",
    "seen": "seen + INTERVAL 1 SECOND",
    "tier": "'bronze'",
    "settings": "JSON_SET(settings, '$.n', -1)",
    "note": "IF(note IS NULL, '', NULL)",
    "token": "LEFT(token, LENGTH(token) - 1)",
    "points": "points + 1",
    "region": "'sud'",
}


@pytest.mark.parametrize("column", VALUES)
@pytest.mark.parametrize("touched", [True, False], ids=["touched", "untouched"])
def test_one_changed_value_is_found(copy: tuple[Place, LoadResult], column: str, touched: bool) -> None:
    place, result = copy
    key = some_key(result, touched=touched)
    with closing(place.open()) as session:
        changed = session.execute(f"UPDATE {place.name} SET {column} = {VALUES[column]} WHERE id = %s", (key,))
    assert changed == 1
    proof = prove(place, result)
    assert [each.key for each in proof.mismatches] == [key]
    assert f"row id={key}: {column} is " in str(proof.mismatches)


def some_key(result: LoadResult, *, touched: bool) -> int:
    ledger = result.ledger.open()
    return next(key for key, _ in ledger.expected() if (key in ledger.touched) is touched)


def test_every_column_is_changed_by_these_tests() -> None:
    assert set(VALUES) >= set(COLUMNS)


@pytest.mark.parametrize("kind", Sabotage)
def test_sabotage_is_found_and_named(copy: tuple[Place, LoadResult], kind: Sabotage) -> None:
    place, result = copy
    done = sabotage(place, kind, result.ledger.open())
    proof = prove(place, result)
    assert [each.key for each in proof.mismatches] == [done.key]
    assert f"row id={done.key}" in str(proof.mismatches)
    assert f"id={done.key}" in done.text


def test_exchanged_unique_values_are_found(copy: tuple[Place, LoadResult]) -> None:
    place, result = copy
    [(one, first), (other, second)] = list(result.ledger.open().expected())[:2]
    with closing(place.open()) as session, session.transaction():
        for key, badge in ((one, 1), (other, first.badge), (one, second.badge)):
            session.execute(f"UPDATE {place.name} SET badge = %s WHERE id = %s", (badge, key))
    assert [each.key for each in prove(place, result).mismatches] == [one, other]


def test_deleted_rows_that_came_back_are_found(copy: tuple[Place, LoadResult]) -> None:
    place, result = copy
    key = min(key for key, held in result.ledger.touched.items() if held is None)
    with closing(place.open()) as session:
        names = ", ".join(("id", *COLUMNS))
        values = ", ".join(
            {"email": "'ghost@example.com'", "badge": "4000000001"}.get(column, column) for column in COLUMNS
        )
        session.execute(f"INSERT INTO {place.name} ({names}) SELECT %s, {values} FROM {place.name} LIMIT 1", (key,))
    assert [each.key for each in prove(place, result).mismatches] == [key]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (
            "ALTER TABLE {table} MODIFY badge int unsigned NOT NULL AFTER family_name",
            "badge bigint unsigned is missing",
        ),
        ("ALTER TABLE {table} MODIFY note text FIRST", "the columns have another order"),
        ("ALTER TABLE {table} DROP COLUMN region", "region varchar(16) is missing"),
        ("ALTER TABLE {table} DROP INDEX by_name", "the indexes are"),
        ("ALTER TABLE {table} DROP COLUMN note", "the table cannot be read"),
        ("DELETE FROM {journal}", "the journal's row"),
        ("INSERT INTO {journal} VALUES (99999, 'nobody')", "the journal's row 99999 is there"),
    ],
)
def test_other_damage_is_found(copy: tuple[Place, LoadResult], damage: str, told: str) -> None:
    place, result = copy
    with closing(place.open()) as session:
        session.execute(damage.format(table=place.name, journal=place.journal))
    assert told in str(prove(place, result, form=Form.AFTER).mismatches)


def test_unique_values_are_counted_without_their_index(copy: tuple[Place, LoadResult]) -> None:
    place, result = copy
    [(one, first), (other, _)] = list(result.ledger.open().expected())[:2]
    with closing(place.open()) as session:
        session.execute(f"ALTER TABLE {place.name} DROP INDEX email, ADD INDEX email (email)")
        session.execute(f"UPDATE {place.name} SET email = %s WHERE id = %s", (first.email.swapcase(), other))
    assert f"rows id={one} and id={other} have the same email" in str(prove(place, result).mismatches)


def test_what_a_writer_saw_is_a_mismatch(copy: tuple[Place, LoadResult]) -> None:
    place, result = copy
    seen = msgspec.structs.replace(result, surprises=("delete of 5: DELETE FROM … id 5 changed 0 rows, not 1",))
    assert "a writer saw: delete of 5" in str(prove(place, seen).mismatches)


async def test_writers_see_a_lost_row_themselves(shop: Shop) -> None:
    place = place_in(shop)
    async with running(place) as load:
        with closing(place.open()) as session:
            # so many that a writer soon comes upon one
            session.execute(f"DELETE FROM {place.name} WHERE id % 2 = 0")
        await eventually(lambda: load.status is not None and load.status.surprises > 0, timeout=30)
        result = await load.stop()
    assert any("changed 0 rows, not 1" in text for text in result.surprises)
    proof = await asyncio.to_thread(prove, place, result)
    assert proof.mismatches.total > ROWS / 3
