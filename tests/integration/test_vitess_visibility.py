"""The binlog delivers a transaction before the primary shows it: forced by a semi-synchronous server alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alterd_executor.protocol import RunCompleted
from alterd_vitess.gtid import GtidSet
from alterd_vitess.positions import Positions
from alterd_vitess.proof import Proof
from tests.integration.executor_support import session
from tests.integration.vitess_stream_support import Xa
from tests.integration.vitess_support import Running, altering
from tests.support import eventually
from tests.support.shop import Shop

DELAY = 1500
"""Milliseconds between a transaction's place in the binlog and its visibility."""


@contextmanager
def late_visibility(shop: Shop) -> Iterator[None]:
    """The next transaction is sent to readers at once and becomes visible only after `DELAY`."""
    shop.run("SET GLOBAL rpl_semi_sync_source_wait_point = 'AFTER_SYNC'")
    shop.run(f"SET GLOBAL rpl_semi_sync_source_timeout = {DELAY}")
    shop.run("SET GLOBAL rpl_semi_sync_source_wait_no_replica = ON")
    shop.run("SET GLOBAL rpl_semi_sync_source_enabled = ON")
    try:
        yield
    finally:
        shop.run("SET GLOBAL rpl_semi_sync_source_enabled = OFF")


@pytest.fixture
def semi_sync(shop: Shop) -> Iterator[Shop]:
    shop.run("INSTALL PLUGIN rpl_semi_sync_source SONAME 'semisync_source.so'")
    try:
        yield shop
    finally:
        shop.run("UNINSTALL PLUGIN rpl_semi_sync_source")


async def changed_late(shop: Shop, workdir: Path) -> str:
    """What the new table has after a change that was delivered long before it could be read."""
    running = await Running.start(
        shop, altering(shop, "ALTER TABLE customer ADD c INT", "customer"), workdir, postponed=True
    )
    await running.until_stage("ready to complete")
    shadow = next(name for name in shop.tables() if name.startswith("_alterd_shd"))
    with late_visibility(shop):
        update = "UPDATE customer SET name = 'Anna' WHERE id = 1"
        writing = asyncio.create_task(asyncio.to_thread(shop.run, update))
        await eventually(lambda: _is_committing(shop))
        # a second's worth of rounds of the apply passes while the change is delivered and not visible
        assert shop.run("SELECT name FROM customer WHERE id = 1") == [("Ann",)]
        await writing
    shop.run("UPDATE customer SET name = 'Cleopatra' WHERE id = 3")
    await eventually(lambda: shop.run(f"SELECT name FROM {shadow} WHERE id = 3") == [("Cleopatra",)])
    await running.attempt.permit()
    assert isinstance(await running.ending(), RunCompleted)
    [(name,)] = shop.run("SELECT name FROM customer WHERE id = 1")
    return str(name)


def _is_committing(shop: Shop) -> bool:
    rows = shop.run("SELECT COUNT(*) FROM performance_schema.processlist WHERE state LIKE '%semi-sync%'")
    return rows != [(0,)]


async def test_nobody_takes_anothers_question_for_an_answer(semi_sync: Shop) -> None:
    """Two ask at once: the second knows no more than the first, which still waits."""
    async with session(semi_sync) as asking:
        positions = Positions(GtidSet.parse(str(await asking.value("SELECT @@global.gtid_executed"))))
        proof = Proof(asking, positions)
        sid = str(await asking.value("SELECT @@server_uuid"))
        last = max(last for name, _, last in positions.received.intervals() if name == sid)
        coming = [(sid, last + 1, last + 1)]
        positions.receive(coming)
        proof.needed(coming)
        with late_visibility(semi_sync):
            writing = asyncio.create_task(
                asyncio.to_thread(semi_sync.run, "UPDATE customer SET name = 'Anna' WHERE id = 1")
            )
            await eventually(lambda: _is_committing(semi_sync))
            first, second = asyncio.create_task(proof.prove()), asyncio.create_task(proof.prove())
            done, _ = await asyncio.wait({first, second}, timeout=0.3)
            assert not done
            assert proof.visible == 0
            await writing
        assert [await first, await second] == [1, 1]


async def test_a_change_is_applied_when_it_is_visible(semi_sync: Shop, tmp_path: Path) -> None:
    assert await changed_late(semi_sync, tmp_path) == "Anna"


async def test_without_the_proof_the_change_is_lost(
    semi_sync: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Shows that the test above would find it."""

    async def believe(self: Proof) -> int:
        self.visible = self._positions.sequence
        return self.visible

    monkeypatch.setattr(Proof, "prove", believe)
    assert await changed_late(semi_sync, tmp_path) == "Ann"


async def test_a_prepared_transaction_is_applied_when_its_commit_is_visible(semi_sync: Shop, tmp_path: Path) -> None:
    """XA COMMIT is in the binlog, and sent to readers, long before its rows can be read."""
    shop = semi_sync
    running = await Running.start(
        shop, altering(shop, "ALTER TABLE customer ADD c INT", "customer"), tmp_path, postponed=True
    )
    await running.until_stage("ready to complete")
    xa = Xa(shop)
    xa.run("UPDATE customer SET name = 'Anna' WHERE id = 1")
    with late_visibility(shop):
        committing = asyncio.create_task(asyncio.to_thread(xa.finish, "COMMIT"))
        await eventually(lambda: _is_committing(shop))
        assert shop.run("SELECT name FROM customer WHERE id = 1") == [("Ann",)]
        await committing
    await running.attempt.permit()
    assert isinstance(await running.ending(), RunCompleted)
    assert shop.run("SELECT name FROM customer WHERE id = 1") == [("Anna",)]
