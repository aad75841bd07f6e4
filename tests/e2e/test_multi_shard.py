"""Two shards that are two servers each, a primary and its replica: own paces, own failures, own promotions."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import msgspec
import pytest

from alterd_cli.demo.load import Load
from alterd_cli.demo.proof import Form, prove
from alterd_cli.demo.table import ALTER, make_table
from alterd_contracts.states import Status
from alterd_contracts.topology import Keyspace
from alterd_runtime.provision.nats_server import NatsServer
from tests.e2e.commerce import Commerce, Standing, commerce_of
from tests.e2e.fleet import Fleet
from tests.e2e.group import Group
from tests.e2e.online import SEED, SMALL, place_in
from tests.support import eventually

LOW, HIGH = "-80", "80-"
ROWS, RATE = 3_000, 60
SCRIPT = "alter table customer add unique key (a)"


class Groups:
    """The servers of both shards. A group that lost a server is replaced before the next test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._groups: dict[str, Group] = {}

    async def whole(self) -> dict[str, Group]:
        """Each with an empty schema of one test's own."""

        def renewed(shard: str) -> None:
            group = self._groups.get(shard)
            if group is not None and (group.primary.pid is None or group.replica.pid is None):
                group.remove()
                group = None
            if group is None:
                group = self._groups[shard] = Group(self._folder / secrets.token_hex(4))
                group.start()
            else:
                group.schema = f"shop_{secrets.token_hex(4)}"
                group.at(group.primary, schema="").run(f"CREATE SCHEMA {group.schema}")

        await asyncio.gather(*(asyncio.to_thread(renewed, shard) for shard in (LOW, HIGH)))
        return dict(self._groups)

    def remove(self) -> None:
        for group in self._groups.values():
            group.remove()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Groups]:
    groups = Groups(tmp_path_factory.mktemp("groups"))
    try:
        yield groups
    finally:
        groups.remove()


@pytest.fixture
async def groups(servers: Groups) -> dict[str, Group]:
    found = await servers.whole()
    for group in found.values():
        group.shop.run("CREATE TABLE customer (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, a int, name varchar(40))")
        group.shop.run("INSERT INTO customer (a, name) VALUES (1, 'Ann'), (2, 'Bob'), (3, 'Cleo')")
    return found


def keyspace_on(groups: dict[str, Group], name: str, **without: bool) -> Keyspace:
    """`without`: of these shards only the promoted server."""
    keyspace = groups[LOW].keyspace()
    shards = []
    for shard, group in groups.items():
        [part] = group.keyspace(*([group.primary] if without.get(_word(shard)) else [])).shards
        shards.append(msgspec.structs.replace(part, name=shard))
    return msgspec.structs.replace(keyspace, name=name, default_ddl_strategy="vitess", shards=tuple(shards))


def _word(shard: str) -> str:
    return {LOW: "low", HIGH: "high"}[shard]


@contextlib.asynccontextmanager
async def commerce_on(standing: Standing, groups: dict[str, Group]) -> AsyncIterator[Commerce]:
    keyspace = keyspace_on(groups, f"commerce_{secrets.token_hex(3)}")
    shops = {shard: group.shop for shard, group in groups.items()}
    async with standing.open_bus() as bus, commerce_of(bus, keyspace, shops) as commerce:
        yield commerce


@pytest.fixture
async def commerce(
    standing: Standing, groups: dict[str, Group], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[Commerce]:
    monkeypatch.setenv("ALTERD_NATS__SERVERS", standing.nats.url)
    try:
        async with commerce_on(standing, groups) as commerce:
            yield commerce
    finally:
        if getattr(request.node, "failed", False):
            print(standing.fleet.logs())


# Paces -----------------------------------------------------------------------------------------------------------


async def test_a_shard_that_is_slow_holds_no_other_one(commerce: Commerce, groups: dict[str, Group]) -> None:
    """Its replica is behind: the copy waits there, and there alone; the other shard goes on to the next migration."""
    behind = groups[LOW].at(groups[LOW].replica)
    behind.run("STOP REPLICA SQL_THREAD")
    try:
        first = await commerce.ddl("vitess", "alter table customer add column b int")
        await commerce.until(first, lambda row: bool(row.reason_throttled), LOW)
        second = await commerce.ddl("vitess", "alter table customer add column c int")
        await commerce.until(second, Status.COMPLETE, HIGH)
        told = await commerce.column(first, "migration_status", "reason_throttled")
        assert (told[LOW][0], told[HIGH]) == ("running", ("complete", ""))
        assert behind.servers[0] in told[LOW][1]
        assert await commerce.column(second, "migration_status") == {LOW: "queued", HIGH: "complete"}
        shown = await commerce.alterd("show", "-k", commerce.name)
        [line] = [line for line in shown.splitlines() if first in line]
        assert "2 shards" in line
        assert "running 1, complete 1" in line
        assert f"{LOW}: " in line
        lines = (await commerce.alterd("show", "-k", commerce.name, "--by-shard")).splitlines()
        assert [(line.split()[2], line.split()[6]) for line in lines if first in line] == [
            (LOW, "running"),
            (HIGH, "complete"),
        ]
    finally:
        behind.run("START REPLICA SQL_THREAD")
    await commerce.until(second, Status.COMPLETE)
    assert commerce.columns("customer") == ["id", "a", "name", "b", "c"]


async def test_a_shard_that_is_down_at_submission_gets_its_work_when_it_is_back(
    commerce: Commerce, groups: dict[str, Group]
) -> None:
    away = groups[HIGH].primary
    await asyncio.to_thread(away.kill)
    submit = ("submit", "-k", commerce.name, "alter table customer add column b int")
    told = await commerce.alterd(*submit)
    assert f"warning: shard {HIGH} does not answer and gets its work when it is back" in told
    uuid = next(word for word in told.split() if word.count("_") == 4)
    await commerce.until(uuid, Status.COMPLETE, LOW)
    row = (await commerce.until(uuid, lambda row: "no writable server" in row.message, HIGH))[HIGH]
    assert row.migration_status.pending
    assert str(away.endpoint.address) in row.message
    assert "no writable server" in await commerce.alterd("show", uuid)
    await asyncio.to_thread(away.start)
    await commerce.until(uuid, Status.COMPLETE)
    assert commerce.columns("customer") == ["id", "a", "name", "b"]


async def test_no_shard_at_all_is_refused_at_once(commerce: Commerce, groups: dict[str, Group]) -> None:
    for group in groups.values():
        await asyncio.to_thread(group.primary.kill)
    told = await commerce.alterd("submit", "-k", commerce.name, "alter table customer add column b int", code=5)
    assert all(f"shard {shard} has no writable server" in told for shard in (LOW, HIGH))
    assert await commerce.rows("show vitess_migrations") == []
    for group in groups.values():
        await asyncio.to_thread(group.primary.start)


# Failures --------------------------------------------------------------------------------------------------------


async def test_one_failed_shard_is_told_with_what_to_do(commerce: Commerce) -> None:
    """A gate is kept shut by it and names it; a retry there, once it is mended, lets all complete."""
    uuid = await commerce.ddl("vitess --postpone-completion --postpone-launch", SCRIPT)
    commerce.shops[HIGH].run("INSERT INTO customer (a, name) VALUES (1, 'Dora')")
    answer = await commerce.json("complete", uuid, "--gate")
    assert answer["affected"] == 2
    await commerce.alterd("launch", uuid)
    await commerce.until(uuid, Status.FAILED, HIGH)
    row = (await commerce.until(uuid, lambda row: "kept shut" in row.message, LOW))[LOW]
    assert (row.migration_status, row.gated) == (Status.RUNNING, True)
    assert f"shard {HIGH}, failed" in row.message
    shown = await commerce.alterd("show", uuid)
    for line in (
        f"shard {HIGH} has failed: ",
        f"  try again there: alterd retry {uuid} --shard {HIGH}",
        f"  or give up the rest, shard {LOW}: alterd cancel {uuid} --shard {LOW}",
    ):
        assert line in shown
    commerce.shops[HIGH].run("DELETE FROM customer WHERE name = 'Dora'")
    await commerce.alterd("retry", uuid, "--shard", HIGH)
    rows = await commerce.until(uuid, Status.COMPLETE)
    assert {shard: row.retries for shard, row in rows.items()} == {LOW: 0, HIGH: 1}
    assert all(row.gate_spread_ms >= 0 for row in rows.values())
    assert commerce.each(lambda shop: shop.indexes()) == [["PRIMARY", "a"]] * 2


async def test_the_rest_is_cancelled_where_one_shard_has_failed(commerce: Commerce) -> None:
    uuid = await commerce.ddl("vitess --postpone-completion --postpone-launch", SCRIPT)
    commerce.shops[HIGH].run("INSERT INTO customer (a, name) VALUES (1, 'Dora')")
    await commerce.alterd("launch", uuid)
    await commerce.until(uuid, Status.FAILED, HIGH)
    await commerce.ready(uuid, LOW)
    await commerce.alterd("cancel", uuid, "--shard", LOW)
    await commerce.until(uuid, Status.CANCELLED, LOW)
    assert "failed 1, cancelled 1" in await commerce.alterd("show", uuid)
    assert commerce.each(lambda shop: shop.indexes()) == [["PRIMARY"]] * 2


# Promotions ------------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def under_load(groups: dict[str, Group]) -> AsyncIterator[None]:
    """Applications write to both shards, through whatever happens; every row is proven at the end."""
    async with contextlib.AsyncExitStack() as stack:
        loads = []
        for group in groups.values():
            place = place_in(group.shop)
            await asyncio.to_thread(make_table, place, rows=ROWS, seed=SEED)
            loads.append((place, await stack.enter_async_context(Load(place, rows=ROWS, seed=SEED, rate=RATE))))
        yield
        for place, load in loads:
            result = await load.stop()
            proof = await asyncio.to_thread(prove, place, result, form=Form.AFTER)
            assert not proof.mismatches, str(proof.mismatches)
            assert proof.found == proof.expected
            assert proof.touched > 0


@pytest.fixture
async def promoted(
    fleet: Fleet,
    nats: NatsServer,
    groups: dict[str, Group],
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Commerce]:
    """On a fleet of its own, whose copies go in so small chunks that they take seconds."""
    monkeypatch.setenv("ALTERD_NATS__SERVERS", nats.url)
    fleet.start_all(**SMALL)
    async with commerce_on(Standing(nats, fleet), groups) as commerce:
        yield commerce


def copied(group: Group, uuid: str) -> int:
    """Rows of committed chunks, as the primary of applications tells."""
    there = "SELECT 1 FROM information_schema.tables WHERE table_schema = '_alterd' AND table_name = 'copy_state'"
    if not group.shop.run(there):
        return 0
    rows = f"SELECT COALESCE(SUM(rows_copied), 0) FROM _alterd.copy_state WHERE migration_uuid = '{uuid}'"
    return int(group.shop.run(rows)[0][0])


async def until_both_copy(groups: dict[str, Group], uuid: str) -> None:
    for group in groups.values():
        await eventually(lambda group=group: copied(group, uuid) > ROWS // 10, timeout=60)  # type: ignore[misc]


@pytest.mark.slow
async def test_a_planned_promotion_of_one_shard_while_both_run(promoted: Commerce, groups: dict[str, Group]) -> None:
    """The old primary becomes the new one's replica: nothing has to be told to alterd, and the other shard runs on."""
    async with under_load(groups):
        uuid = await promoted.ddl("vitess --postpone-completion", ALTER.format(table="member"))
        await until_both_copy(groups, uuid)
        await groups[HIGH].switch_over()
        await asyncio.to_thread(groups[HIGH].rejoin)
        rows = await promoted.ready(uuid)
        assert (rows[LOW].attempt, rows[HIGH].attempt > 1) == (1, True)
        assert (await promoted.json("complete", uuid, "--gate"))["affected"] == 2
        await promoted.until(uuid, Status.COMPLETE)
    story = await promoted.alterd("history", uuid)
    assert f"shard {LOW} complete, attempt 1" in story


@pytest.mark.timeout(180)
async def test_a_statement_that_died_with_its_primary_is_tried_again_once(
    commerce: Commerce, groups: dict[str, Group]
) -> None:
    """By itself, on the promoted server; what MySQL carries out alone cannot be gone on with."""
    group = groups[HIGH]
    with group.at(group.primary).session() as holding, holding.cursor() as cursor:
        cursor.execute("START TRANSACTION")
        cursor.execute("SELECT * FROM customer")
        uuid = await commerce.ddl("mysql", "alter table customer add index (a)")
        await commerce.until(uuid, Status.COMPLETE, LOW)
        await eventually(lambda: group.at(group.primary).waiting_alters() == 1, timeout=30)
        await group.fail_over()
    rows = await commerce.until(uuid, Status.COMPLETE)
    assert {shard: (row.attempt > 1, row.tablet_failure, row.retries) for shard, row in rows.items()} == {
        LOW: (False, False, 0),
        HIGH: (True, True, 0),
    }
    assert commerce.each(lambda shop: shop.indexes()) == [["PRIMARY", "a"]] * 2


@pytest.mark.timeout(240)
async def test_an_unplanned_promotion_of_one_shard_while_both_run(promoted: Commerce, groups: dict[str, Group]) -> None:
    """kill -9 of its primary in the middle of the copy: the shard goes on where the replica stood."""
    group = groups[HIGH]
    await asyncio.to_thread(group.semi_synchronous)
    await group.until_semi_synchronous()
    async with under_load(groups):
        uuid = await promoted.ddl("vitess --postpone-completion", ALTER.format(table="member"))
        await until_both_copy(groups, uuid)
        await group.fail_over()
        await promoted.ready(uuid, LOW)
        promoted.client.keyspace = keyspace_on(groups, promoted.name, high=True)
        await promoted.client.apply()
        rows = await promoted.ready(uuid)
        assert (rows[LOW].attempt, rows[HIGH].attempt > 1) == (1, True)
        assert await promoted.affected(f"alter vitess_migration '{uuid}' complete") == 2
        await promoted.until(uuid, Status.COMPLETE)
