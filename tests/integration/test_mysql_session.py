"""Sessions on a real MySQL: errors, cancellation, loss."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alterd_contracts.errors import InvalidName, InvalidSetting, LostSession, ShardUnreachable
from alterd_contracts.topology import ServerAddress
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.connect import Credentials, connect
from alterd_runtime.mysql.errors import QUERY_INTERRUPTED, MySQLError, ReadOnlyServer
from alterd_runtime.mysql.quoting import check_identifier, identifier, qualified
from alterd_runtime.mysql.server import read_facts
from alterd_runtime.mysql.session import Session
from tests.support import eventually
from tests.support.shop import Shop


def place(shop: Shop) -> tuple[ServerAddress, Credentials]:
    return ServerAddress.parse(shop.servers[0]), Credentials(shop.user, shop.password)


@pytest.fixture
async def session(shop: Shop) -> AsyncIterator[Session]:
    async with await Session.open(*place(shop), database=shop.schema, name="test") as session:
        yield session


@pytest.fixture
async def other(shop: Shop) -> AsyncIterator[Session]:
    async with await Session.open(*place(shop), database=shop.schema, name="other") as session:
        yield session


async def running(other: Session, session: Session) -> str:
    """What `session` executes at the moment."""
    return str(
        await other.value(
            "SELECT PROCESSLIST_INFO FROM performance_schema.threads WHERE PROCESSLIST_ID = %s",
            (session.connection_id,),
        )
        or ""
    )


async def test_values_and_rows(session: Session) -> None:
    await session.execute("CREATE TABLE `t%s` (id INT PRIMARY KEY, b VARBINARY(9), s VARCHAR(9))")
    assert await session.execute("INSERT INTO `t%s` VALUES %s, %s", ((1, b"\0\xff", "x%'\\"), (2, None, "%s"))) == 2
    assert await session.query("SELECT * FROM `t%s` WHERE id IN %s ORDER BY id", ([1, 2, 3],)) == [
        {"id": 1, "b": b"\0\xff", "s": "x%'\\"},
        {"id": 2, "b": None, "s": "%s"},
    ]
    assert await session.value("SELECT s FROM `t%s` WHERE id = 7") is None
    assert await session.value("SELECT '5%' LIKE '%\\%'") == 1


async def test_session_variables_and_name(shop: Shop, other: Session) -> None:
    init: dict[str, str | int | None] = {"sql_mode": "STRICT_ALL_TABLES", "lock_wait_timeout": 3, "time_zone": None}
    async with await Session.open(*place(shop), name="alterd:n", init=init) as session:
        row = (await session.query("SELECT @@sql_mode m, @@lock_wait_timeout l, @@time_zone z, @@autocommit a"))[0]
        assert row == {"m": "STRICT_ALL_TABLES", "l": 3, "z": "SYSTEM", "a": 1}
        assert await session.value("SELECT @@sql_quote_show_create") == 1
        name = await other.value(
            "SELECT ATTR_VALUE FROM performance_schema.session_connect_attrs"
            " WHERE PROCESSLIST_ID = %s AND ATTR_NAME = 'program_name'",
            (session.connection_id,),
        )
        assert name == "alterd:n"
    assert await other.value("SELECT @@time_zone") == "+00:00"
    with pytest.raises(MySQLError):
        await Session.open(*place(shop), init={"no_such_variable": 1})


async def test_a_refused_statement_tells_its_number(session: Session) -> None:
    await session.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    with pytest.raises(MySQLError, match=r"MySQL error 1060 \(42S21\): Duplicate column name 'id'") as caught:
        await session.execute("ALTER TABLE t ADD COLUMN id INT")
    assert (caught.value.errno, caught.value.code) == (1060, "statement_failed")
    assert await session.value("SELECT 1") == 1


async def _insert_and_raise(session: Session) -> None:
    async with session.transaction():
        await session.execute("INSERT INTO t VALUES (2)")
        raise KeyError


async def test_a_transaction_commits_or_rolls_back(session: Session, other: Session) -> None:
    await session.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    async with session.transaction():
        await session.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(RuntimeError, match="in a transaction already"):
            await _insert_and_raise(session)
        assert await other.value("SELECT COUNT(*) FROM t") == 0
    with pytest.raises(KeyError):
        await _insert_and_raise(session)
    assert await other.query("SELECT id FROM t") == [{"id": 1}]
    assert not session.blocking.in_transaction


async def test_cancelling_kills_the_statement_and_keeps_the_session(session: Session, other: Session) -> None:
    number = session.connection_id
    for _ in range(3):
        waiting = asyncio.create_task(session.value("SELECT SLEEP(600)"))
        await eventually(lambda: _contains(other, session, "SLEEP"))
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert "SLEEP" not in await running(other, session)
        assert await session.value("SELECT CONNECTION_ID()") == number


async def _contains(other: Session, session: Session, text: str) -> bool:
    return text in await running(other, session)


async def test_cancelling_at_any_moment_keeps_the_session(session: Session) -> None:
    for turn in range(12):
        waiting = asyncio.create_task(session.value("SELECT SLEEP(600)"))
        for _ in range(turn):
            await asyncio.sleep(0)
        waiting.cancel()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await session.value("SELECT 1 + SLEEP(0.001)") == 1


async def test_a_timeout_within_a_transaction_rolls_it_back(session: Session, other: Session) -> None:
    await session.execute("CREATE TABLE t (id INT PRIMARY KEY)")

    async def stuck() -> None:
        async with session.transaction():
            await session.execute("INSERT INTO t VALUES (1)")
            await session.value("SELECT SLEEP(600)")

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(stuck(), 0.2)
    assert await session.value("SELECT COUNT(*) FROM t") == 0
    await other.execute("INSERT INTO t VALUES (1)")


async def test_kill_query_from_outside(session: Session, other: Session, blocking: BlockingSession) -> None:
    await session.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    blocking.execute("LOCK TABLES t READ")
    waiting = asyncio.create_task(session.execute("INSERT INTO t VALUES (1)"))
    await eventually(lambda: _contains(other, session, "INSERT"))
    await session.kill_query()
    with pytest.raises(MySQLError) as caught:
        await waiting
    assert caught.value.errno == QUERY_INTERRUPTED
    assert await session.value("SELECT COUNT(*) FROM t") == 0


async def _named(other: Session, name: str) -> int:
    count = await other.value(
        "SELECT COUNT(*) FROM performance_schema.session_connect_attrs WHERE ATTR_VALUE = %s", (name,)
    )
    return int(count)


async def test_a_lost_session_stays_lost(session: Session, other: Session) -> None:
    waiting = asyncio.create_task(session.value("SELECT SLEEP(600)"))
    await eventually(lambda: _contains(other, session, "SLEEP"))
    await session.kill()
    with pytest.raises(LostSession):
        await waiting
    for _ in range(2):
        with pytest.raises(LostSession):
            await session.value("SELECT 1")
    assert not session.is_open

    async def gone() -> bool:  # the server takes a moment to end what it has killed
        return await _named(other, "test") == 0

    await eventually(gone)


async def test_a_session_killed_while_idle_is_lost_in_a_transaction(session: Session) -> None:
    async def killed() -> None:
        async with session.transaction():
            await session.kill()
            await session.execute("DO 1")

    with pytest.raises(LostSession):
        await killed()


async def test_cancelling_may_end_the_session(shop: Shop, other: Session) -> None:
    session = await Session.open(*place(shop), on_cancel="connection")
    waiting = asyncio.create_task(session.value("SELECT SLEEP(600)"))
    await eventually(lambda: _contains(other, session, "SLEEP"))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(LostSession):
        await session.value("SELECT 1")
    await session.close()
    await session.close()
    with pytest.raises(LostSession):
        await session.value("SELECT 1")


async def test_closing_ends_what_runs(session: Session, other: Session) -> None:
    waiting = asyncio.create_task(session.value("SELECT SLEEP(600)"))
    await eventually(lambda: _contains(other, session, "SLEEP"))
    await session.close()
    with pytest.raises(LostSession):
        await waiting


async def test_a_session_that_cannot_be_killed_is_given_up(
    session: Session, other: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alterd_runtime.mysql.session.KILL_PATIENCE", 0.1)
    monkeypatch.setattr(session, "_credentials", Credentials("nobody", "x"))
    waiting = asyncio.create_task(session.value("SELECT SLEEP(600)"))
    await eventually(lambda: _contains(other, session, "SLEEP"))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    with pytest.raises(LostSession):
        await session.value("SELECT 1")
    await other.execute(f"KILL {session.connection_id}")


async def test_a_cancelled_opening_leaves_nothing(shop: Shop, other: Session) -> None:
    opening = asyncio.create_task(Session.open(*place(shop), name="opened-late"))
    await asyncio.sleep(0)
    opening.cancel()
    with pytest.raises(asyncio.CancelledError):
        await opening

    async def gone() -> bool:
        return await _named(other, "opened-late") == 0

    await eventually(gone)


@pytest.mark.parametrize("password", ["geheim", "gehe€im", "\udcffgeheim"])
def test_a_wrong_password_is_not_shown(shop: Shop, password: str) -> None:
    address, _ = place(shop)
    with pytest.raises(ShardUnreachable) as caught:
        connect(address.host, address.port, "nobody", password)
    chain: list[BaseException] = [caught.value]
    while following := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(following)
    shown = " ".join(repr(error) + repr(vars(error)) for error in chain)
    assert "geh" not in shown
    assert f"{address} refused user 'nobody': MySQL error 1045: Access denied" in caught.value.message


def test_what_goes_over_the_network_is_encrypted_where_the_server_can(blocking: BlockingSession) -> None:
    if blocking.value("SELECT COUNT(*) FROM performance_schema.tls_channel_status WHERE VALUE = 'Yes'"):
        assert blocking.query("SHOW SESSION STATUS LIKE 'Ssl_version'")[0]["Value"].startswith("TLSv1.")
    else:
        assert blocking.query("SHOW SESSION STATUS LIKE 'Ssl_version'")[0]["Value"] == ""


def test_nobody_there_and_no_such_schema(shop: Shop) -> None:
    with pytest.raises(ShardUnreachable, match=r"no MySQL answers at 127\.0\.0\.1:1: "):
        connect("127.0.0.1", 1, "root", "")
    with pytest.raises(InvalidSetting, match="no_such_schema"):
        BlockingSession.open(*place(shop), database="no_such_schema")


async def test_a_silent_server_does_not_hold_up_the_caller() -> None:
    async def silent(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await done.wait()
        writer.close()

    done = asyncio.Event()
    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    address = ServerAddress("127.0.0.1", server.sockets[0].getsockname()[1])
    with pytest.raises(ShardUnreachable, match="timed out"):
        await Session.open(address, Credentials("root", ""), connect_timeout=0.2)
    done.set()
    server.close()
    await server.wait_closed()


async def test_facts(session: Session) -> None:
    facts = await asyncio.to_thread(read_facts, session.blocking)
    assert facts.version >= (8, 0, 19)
    assert (facts.gtid_mode, facts.binlog_format, facts.binlog_row_image) == ("ON", "ROW", "FULL")
    assert facts.writable
    assert abs(facts.utc_now - datetime.now(UTC)) < timedelta(minutes=5)


async def test_a_demoted_server_interrupts(session: Session, other: Session) -> None:
    user = f"plain_{session.connection_id}"
    await other.execute(f"CREATE USER {user} IDENTIFIED BY 'x'")
    await other.execute(f"GRANT ALL ON {identifier(str(await other.value('SELECT DATABASE()')))}.* TO {user}")
    await other.execute("SET GLOBAL read_only = ON")
    try:
        plain = await Session.open(session.address, Credentials(user, "x"))
        with pytest.raises(ReadOnlyServer):
            await plain.execute(f"CREATE TABLE {qualified(str(await other.value('SELECT DATABASE()')), 't')} (a INT)")
        await plain.close()
    finally:
        await other.execute("SET GLOBAL read_only = OFF")
        await other.execute(f"DROP USER {user}")


NAMES = st.text(min_size=1, max_size=66) | st.text("`'\"\\%s .\0é\n", min_size=1, max_size=8)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(name=NAMES)
def test_any_identifier_goes_through_whole(blocking: BlockingSession, name: str) -> None:
    try:
        check_identifier(name)
    except InvalidName:
        return
    sql = f"CREATE TEMPORARY TABLE {identifier(name)} ({identifier(name)} INT)"
    blocking.execute(sql)
    assert blocking.execute(f"INSERT INTO {identifier(name)} VALUES (%s)", (7,)) == 1
    rows: list[dict[str, Any]] = blocking.query(f"SELECT * FROM {identifier(name)} WHERE {identifier(name)} = %s", (7,))
    assert rows == [{name: 7}]
    blocking.execute(f"DROP TEMPORARY TABLE {identifier(name)}")


@pytest.fixture
def blocking(shop: Shop) -> Any:
    session = BlockingSession.open(*place(shop), database=shop.schema)
    yield session
    session.close()
