"""What a strategy gets from its task, on a real server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pymysql
import pytest

from alterd_contracts.errors import Fenced, LostSession, Refused
from alterd_contracts.names import ArtifactKind
from alterd_contracts.states import Status
from alterd_executor.kept import retention
from alterd_executor.protocol import ArtifactNow, LogText
from alterd_runtime.mysql.connect import connect
from tests.integration.executor_support import Attempt, address, alter, next_attempt
from tests.support import eventually
from tests.support.shop import Shop


async def test_an_account_can_do_what_it_was_granted_and_is_gone_at_the_end(shop: Shop, tmp_path: Path) -> None:
    attempt = await Attempt.claim(shop, alter(shop, "FORCE"), tmp_path)
    account = await attempt.task.account([f"SELECT ON `{shop.schema}`.*"])
    assert shop.accounts(attempt.record.migration_uuid) == [account.user]
    assert account.password not in f"{account!r}{attempt.log()}"
    connection = connect(address(shop).host, address(shop).port, account.user, account.password, database=shop.schema)
    with connection.cursor() as cursor:
        cursor.execute("SELECT COUNT(*) FROM customer")
        with pytest.raises(pymysql.MySQLError, match="denied"):
            cursor.execute("DELETE FROM customer")
        await attempt.task.finish(Status.FAILED)
        assert shop.accounts(attempt.record.migration_uuid) == []
        with pytest.raises(pymysql.MySQLError):  # its sessions end with it
            cursor.execute("SELECT 1")


async def test_the_next_attempt_sweeps_accounts_of_a_dead_one(shop: Shop, tmp_path: Path) -> None:
    record = alter(shop, "FORCE")
    first = await Attempt.claim(shop, record, tmp_path)
    await first.task.account([f"SELECT ON `{shop.schema}`.*"])
    await first.die()
    second = await Attempt.claim(shop, next_attempt(record), tmp_path)
    await second.task.finish(None)
    assert shop.accounts(record.migration_uuid) == []


async def test_a_fenced_attempt_can_write_nothing(shop: Shop, tmp_path: Path) -> None:
    record = alter(shop, "FORCE")
    first = await Attempt.claim(shop, record, tmp_path)
    session = await first.task.primary()
    await Attempt.claim(shop, next_attempt(record), tmp_path)
    with pytest.raises(LostSession):
        async with first.task.fenced(session):
            pass
    for write in (
        first.task.artifact(ArtifactKind.SHADOW),
        first.task.account([f"SELECT ON `{shop.schema}`.*"]),
        first.task.finish(Status.COMPLETE),
    ):
        with pytest.raises(Fenced):
            await write
    [(attempt,)] = shop.run(f"SELECT attempt FROM _alterd.migrations WHERE migration_uuid = '{record.migration_uuid}'")
    assert attempt == 2


async def test_an_artifact_that_exists_is_not_forgotten(shop: Shop, tmp_path: Path) -> None:
    attempt = await Attempt.claim(shop, alter(shop, "FORCE"), tmp_path)
    name = await attempt.task.artifact(ArtifactKind.SHADOW)
    shop.run(f"CREATE TABLE {name} (id int)")
    with pytest.raises(Refused):
        await attempt.task.forget_artifact(name)
    shop.run(f"DROP TABLE {name}")
    await attempt.task.forget_artifact(name)


def on_the_list(shop: Shop, name: str) -> list[tuple[str, int, int]]:
    """Whose a name is, of which attempt, and whether it may exist."""
    rows = shop.run(
        "SELECT migration_uuid, attempt, collected_at IS NULL FROM _alterd.artifacts"
        f" WHERE name = '{name}' AND table_schema = '{shop.schema}'"
    )
    return [(str(uuid), int(attempt), int(may_exist)) for uuid, attempt, may_exist in rows]


async def test_names_that_a_tool_makes_itself_are_written_down_while_they_are_free(shop: Shop, tmp_path: Path) -> None:
    record = alter(shop, "FORCE")
    first = await Attempt.claim(shop, record, tmp_path)
    shop.run("CREATE TABLE _customer_old (id int)")
    with pytest.raises(Refused, match="_customer_old is there already"):
        await first.task.foreign_artifacts(["_customer_new", "_customer_old"])
    assert on_the_list(shop, "_customer_new") == on_the_list(shop, "_customer_old") == []

    shop.run("DROP TABLE _customer_old")
    await first.task.foreign_artifacts(["_customer_new", "_customer_old"])
    assert [each.name for each in first.sent if isinstance(each, ArtifactNow)] == ["_customer_new", "_customer_old"]
    shop.run("CREATE TABLE _customer_new (id int)")
    await first.die()
    second = await Attempt.claim(shop, next_attempt(record), tmp_path)
    await second.task.foreign_artifacts(["_customer_new", "_customer_old"])  # what there is now is its own
    assert on_the_list(shop, "_customer_new") == [(record.migration_uuid, 2, 1)]
    with pytest.raises(Refused):
        await second.task.forget_artifact("_customer_new")


async def test_a_name_that_a_tool_makes_itself_is_one_migration_s_at_a_time(shop: Shop, tmp_path: Path) -> None:
    first = await Attempt.claim(shop, alter(shop, "FORCE"), tmp_path)
    second = await Attempt.claim(shop, alter(shop, "FORCE"), tmp_path)
    await first.task.foreign_artifacts(["_sentinel"])
    with pytest.raises(Refused, match=f"{first.record.migration_uuid} uses the name"):
        await second.task.foreign_artifacts(["_customer_new", "_sentinel"])
    shop.run("CREATE TABLE _sentinel (id int)")
    await first.task.finish(Status.FAILED)  # from here on it is to be collected
    with pytest.raises(Refused, match="is there already") as refused:
        await second.task.foreign_artifacts(["_customer_new", "_sentinel"])
    assert first.record.migration_uuid in refused.value.hint
    assert on_the_list(shop, "_sentinel") == [(first.record.migration_uuid, 1, 1)]
    assert on_the_list(shop, "_customer_new") == []

    shop.run("DROP TABLE _sentinel")
    await second.task.foreign_artifacts(["_sentinel"])
    assert on_the_list(shop, "_sentinel") == [(second.record.migration_uuid, 1, 1)]
    await second.task.forget_artifact("_sentinel")
    assert on_the_list(shop, "_sentinel") == [(second.record.migration_uuid, 1, 0)]
    third = await Attempt.claim(shop, alter(shop, "FORCE"), tmp_path)
    await third.task.foreign_artifacts(["_sentinel"])
    assert on_the_list(shop, "_sentinel") == [(third.record.migration_uuid, 1, 1)]


async def test_a_session_waits_for_locks_as_long_as_the_executor_allows(shop: Shop, tmp_path: Path) -> None:
    attempt = await Attempt.claim(shop, alter(shop, "FORCE"), tmp_path, lock_wait=7)
    session = await attempt.task.primary()
    assert await session.value("SELECT @@session.lock_wait_timeout") == 7
    other = await attempt.task.primary({"lock_wait_timeout": 2})
    assert await other.value("SELECT @@session.lock_wait_timeout") == 2
    await attempt.die()
    assert not session.is_open


async def test_a_program_belongs_to_the_run(shop: Shop, tmp_path: Path) -> None:
    attempt = await Attempt.claim(shop, alter(shop, "FORCE"), tmp_path)
    running = asyncio.create_task(attempt.task.subprocess(["sh", "-c", "pwd; exec sleep 1000"], {}))
    await eventually(lambda: LogText(level="info", text=str(tmp_path)) in attempt.sent)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


@pytest.mark.parametrize(("wanted", "seconds"), [(0, 86400.0), (-1, 0.0), (60, 60.0)])
def test_retention(wanted: int, seconds: float) -> None:
    shop = Shop(("h:1",), "u", "p", "s")
    assert retention(alter(shop, "FORCE", retain_artifacts_seconds=wanted), 86400.0) == seconds
