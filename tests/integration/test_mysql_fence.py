"""The fence, the sidecar and artifacts on a real MySQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime

import pytest

from alterd_contracts.errors import Ambiguous, Fenced, LostSession, Refused
from alterd_contracts.names import Artifact, ArtifactKind, migration_uuid, new_request_id
from alterd_contracts.topology import ServerAddress
from alterd_runtime.mysql import artifacts, sidecar
from alterd_runtime.mysql.connect import Credentials
from alterd_runtime.mysql.errors import LOCK_WAIT_TIMEOUT, MySQLError, ReadOnlyServer
from alterd_runtime.mysql.fence import Fence
from alterd_runtime.mysql.quoting import qualified
from alterd_runtime.mysql.session import Session
from tests.support import eventually
from tests.support.shop import Shop

Open = Callable[..., Awaitable[Session]]


@pytest.fixture
async def opened(shop: Shop) -> AsyncIterator[Open]:
    address, credentials = ServerAddress.parse(shop.servers[0]), Credentials(shop.user, shop.password)
    async with AsyncExitStack() as stack:

        async def opened(name: str = "test") -> Session:
            session = await Session.open(address, credentials, database=shop.schema, name=name)
            return await stack.enter_async_context(session)

        await sidecar.ensure(await opened())
        yield opened


@pytest.fixture
def uuid() -> str:
    return migration_uuid(new_request_id(), 0)


def fence(uuid: str, attempt: int, *, executor: str = "e1", shard: str = "0") -> Fence:
    return Fence(keyspace="commerce", shard=shard, migration_uuid=uuid, attempt=attempt, executor=executor)


async def test_of_many_claimers_of_one_attempt_one_wins(opened: Open, uuid: str) -> None:
    sessions = [await opened() for _ in range(20)]
    for attempt in (1, 2):
        claims = [fence(uuid, attempt, executor=f"e{number}").claim(session) for number, session in enumerate(sessions)]
        won = await asyncio.gather(*claims)
        assert sum(won) == 1
        holder = fence(uuid, attempt, executor=f"e{won.index(True)}")
        async with holder.transaction(sessions[0]):
            pass


async def test_an_earlier_or_equal_attempt_cannot_claim(opened: Open, uuid: str) -> None:
    session = await opened()
    assert await fence(uuid, 3).claim(session)
    for attempt in (1, 2, 3):
        assert not await fence(uuid, attempt).claim(session)
    with pytest.raises(Fenced, match="attempt 2 by e1 may not write: attempt 3 by e1 holds"):
        await fence(uuid, 2).take_over(session)
    assert await fence(uuid, 1, shard="1").claim(session)
    assert await fence(uuid, 4, executor="e2").claim(session)
    assert await session.query(
        f"SELECT attempt, executor FROM {sidecar.FENCE} WHERE shard = '0' AND migration_uuid = %s", (uuid,)
    ) == [{"attempt": 4, "executor": "e2"}]


async def test_a_claim_waits_for_a_fenced_transaction_and_ends_the_next(opened: Open, uuid: str) -> None:
    older, newer, look = await opened(), await opened(), await opened()
    first, second = fence(uuid, 1), fence(uuid, 2)
    assert await first.claim(older)
    await older.execute("CREATE TABLE t (id INT PRIMARY KEY)")

    async def waits() -> bool:
        count = await look.value(
            "SELECT COUNT(*) FROM performance_schema.data_locks l JOIN performance_schema.threads t USING (THREAD_ID)"
            " WHERE l.LOCK_STATUS = 'WAITING' AND t.PROCESSLIST_ID = %s",
            (newer.connection_id,),
        )
        return bool(count)

    async with first.transaction(older):
        claiming = asyncio.create_task(second.claim(newer))
        await eventually(waits)
        await older.execute("INSERT INTO t VALUES (1)")
        assert not claiming.done()
    assert await claiming
    assert await look.value("SELECT COUNT(*) FROM t") == 1
    with pytest.raises(Fenced):
        await _write(first, older)
    assert await look.value("SELECT COUNT(*) FROM t") == 1
    await _write(second, newer)
    assert await look.value("SELECT COUNT(*) FROM t") == 2


async def _write(owner: Fence, session: Session) -> None:
    async with owner.transaction(session):
        await session.execute("INSERT INTO t SELECT MAX(id) + 1 FROM t")


async def test_without_a_claim_nothing_may_be_written(opened: Open, uuid: str) -> None:
    session = await opened()
    with pytest.raises(Fenced, match="nobody holds"):
        await _write(fence(uuid, 1), session)
    await fence(uuid, 1, executor="e1").claim(session)
    with pytest.raises(Fenced):
        await _write(fence(uuid, 1, executor="e2"), session)


async def test_nothing_is_written_on_a_read_only_server(opened: Open, uuid: str) -> None:
    session = await opened()
    owner = fence(uuid, 1)
    await owner.claim(session)
    await session.execute("CREATE TABLE t (id INT PRIMARY KEY)")
    await session.execute("SET GLOBAL read_only = ON")  # which would not stop this privileged session
    try:
        with pytest.raises(ReadOnlyServer):
            await _write(owner, session)
    finally:
        await session.execute("SET GLOBAL read_only = OFF")


async def test_older_attempts_are_killed_in_the_middle_of_a_statement(opened: Open, uuid: str) -> None:
    control = await opened(fence(uuid, 3).session_name)
    sleeping = await opened(fence(uuid, 1).session_name)
    idle = await opened(fence(uuid, 2).session_name)
    spared = [
        await opened(fence(uuid, 3).session_name),
        await opened(fence(uuid, 1, shard="1").session_name),
        await opened(fence(migration_uuid("other", 0), 1).session_name),
    ]
    statement = asyncio.create_task(sleeping.value("SELECT SLEEP(600)"))
    await eventually(lambda: _sleeps(control, sleeping))
    assert await fence(uuid, 3).kill_older(control) == 2
    with pytest.raises(LostSession):
        await statement
    with pytest.raises(LostSession):
        await idle.value("SELECT 1")
    for session in spared:
        assert await session.value("SELECT 1") == 1
    assert await fence(uuid, 3).kill_older(control) == 0


async def _sleeps(look: Session, session: Session) -> bool:
    state = await look.value(
        "SELECT PROCESSLIST_STATE FROM performance_schema.threads WHERE PROCESSLIST_ID = %s",
        (session.connection_id,),
    )
    return bool(state == "User sleep")


async def test_a_paused_owner_is_taken_over_from_within_its_transaction(opened: Open, uuid: str) -> None:
    first, second = fence(uuid, 1), fence(uuid, 2, executor="e2")
    paused, control = await opened(first.session_name), await opened(second.session_name)
    await first.claim(paused)
    await paused.execute("CREATE TABLE t (id INT PRIMARY KEY)")

    async def taken_over_meanwhile() -> None:
        async with first.transaction(paused):
            await paused.execute("INSERT INTO t VALUES (1)")
            await second.take_over(control)

    with pytest.raises(LostSession):
        await taken_over_meanwhile()
    assert await control.value("SELECT COUNT(*) FROM t") == 0
    assert await control.value("SELECT @@innodb_lock_wait_timeout") == 50
    await second.transaction(control).__aenter__()
    await control.execute("ROLLBACK")


async def test_what_does_not_end_is_ambiguous(opened: Open, uuid: str) -> None:
    stranger, control = await opened("no name of ours"), await opened()
    await fence(uuid, 1).claim(stranger)
    async with fence(uuid, 1).transaction(stranger):
        with pytest.raises(Ambiguous, match="keeps the fence"):
            await fence(uuid, 2).take_over(control, patience=0.1)
        await control.execute("SET SESSION innodb_lock_wait_timeout = 1")
        with pytest.raises(MySQLError) as caught:
            await fence(uuid, 2).claim(control)
        assert caught.value.errno == LOCK_WAIT_TIMEOUT


async def test_artifacts_from_before_they_exist_to_their_collection(opened: Open, shop: Shop, uuid: str) -> None:
    session, schema = await opened(), shop.schema
    owner = fence(uuid, 1)
    with pytest.raises(Fenced):
        await artifacts.declare(session, owner, schema, ArtifactKind.HELD)
    await owner.claim(session)
    one = await artifacts.declare(session, owner, schema, ArtifactKind.HELD)
    two = await artifacts.declare(session, owner, schema, ArtifactKind.HELD)
    assert one.name != two.name
    assert Artifact.parse(one.name) == one
    elsewhere = await artifacts.declare(session, fence(uuid, 1), f"{schema}_b", ArtifactKind.SHADOW)
    table, view = one.name, two.name
    await session.execute(f"CREATE TABLE {qualified(schema, table)} (id INT)")
    await session.execute(f"CREATE VIEW {qualified(schema, view)} AS SELECT 1")
    listed = await artifacts.listed(session, owner)
    assert [(item.name, item.kind, item.attempt) for item in listed] == [
        (table, ArtifactKind.HELD, 1),
        (view, ArtifactKind.HELD, 1),
        (elsewhere.name, ArtifactKind.SHADOW, 1),
    ]
    assert abs((listed[0].created_at - datetime.now(UTC)).total_seconds()) < 60

    await artifacts.collect_after(session, schema, table, 3600)
    await artifacts.collect_after(session, schema, view, -0.5)
    mine = {"keyspace": owner.keyspace, "shard": owner.shard}
    assert [item.name for item in await artifacts.due(session, 10, **mine)] == [view]
    assert not await artifacts.due(session, 10, keyspace="other")
    for name in (table, view):
        assert await artifacts.exists(session, schema, name)
        assert await artifacts.drop(session, schema, name)
        assert not await artifacts.exists(session, schema, name)
        assert not await artifacts.drop(session, schema, name)
    assert not await artifacts.due(session, 10, **mine)
    assert [item.collected_at is None for item in await artifacts.listed(session, owner)] == [False, False, True]


async def test_only_listed_artifacts_are_dropped(opened: Open, shop: Shop, uuid: str) -> None:
    session, schema = await opened(), shop.schema
    unlisted = Artifact(ArtifactKind.OLD, uuid, datetime(2026, 1, 1, tzinfo=UTC)).name
    for name in ("customers", unlisted):
        await session.execute(f"CREATE TABLE {qualified(schema, name)} (id INT)")
        with pytest.raises(Refused):
            await artifacts.drop(session, schema, name)
        assert await artifacts.exists(session, schema, name)
