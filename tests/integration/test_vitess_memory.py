"""Transactions larger than the memory that a run may take."""

from __future__ import annotations

from pathlib import Path

import pytest

from alterd_executor.protocol import RunCompleted
from alterd_vitess import touched as touched_module
from alterd_vitess.spill import Spill
from tests.integration.vitess_stream_support import followed, run_all
from tests.integration.vitess_support import Running, altering
from tests.support.shop import Shop

ROWS = 300_000
MORE_KIB = 16 * 1024
"""What the reader may grow by. With all keys of the transaction at once it would be 37 MiB."""
IN_MEMORY = 5_000


@pytest.fixture
def many(shop: Shop) -> Shop:
    """A table with many rows."""
    shop.run(f"SET GLOBAL cte_max_recursion_depth = {10 * ROWS}")
    shop.run(
        f"INSERT INTO customer (id, a) WITH RECURSIVE n (i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n"
        f" WHERE i < {999 + ROWS}) SELECT i, 0 FROM n"
    )
    return shop


def peak(pid: int) -> int:
    """KiB of memory that a process ever had."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


@pytest.mark.parametrize("compression", ["OFF", "ON"])
async def test_the_reader_stays_small(many: Shop, compression: str) -> None:
    async with followed(many) as stream:
        many.run("UPDATE customer SET name = 'first' WHERE id = 1")
        assert await stream.until_now() == ["id=1"]
        before = peak(stream.stream.pid)
        run_all(
            many,
            f"SET SESSION binlog_transaction_compression = {compression}",
            "UPDATE customer SET a = 5 WHERE id >= 1000",
        )
        assert len(await stream.until_now()) == ROWS
        parts = [frame for frame in stream.frames if len(frame.keys) > 1]
        assert max(len(frame.keys) for frame in parts) < 25_000
        assert peak(stream.stream.pid) - before < MORE_KIB


async def test_the_run_keeps_so_many_keys_in_memory(
    many: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALTERD_VITESS__KEYS_IN_MEMORY", str(IN_MEMORY))
    seen: list[tuple[int, int]] = []
    touch = touched_module.Touched.touch

    def watched(self: touched_module.Touched, keys: list[bytes], sequence: int) -> None:
        touch(self, keys, sequence)
        seen.append((len(self._waiting), self.spilled))
        assert isinstance(self._spill, Spill)

    monkeypatch.setattr(touched_module.Touched, "touch", watched)
    running = await Running.start(
        many, altering(many, "ALTER TABLE customer ADD c INT", "customer"), tmp_path, postponed=True
    )
    await running.until_phase("catch-up")
    many.run(f"UPDATE customer SET a = 7 WHERE id BETWEEN 1000 AND {1000 + 100_000}")
    many.run("UPDATE customer SET a = 8 WHERE id <= 2000")
    many.run("UPDATE customer SET id = id + 1000000 WHERE id = 1000")
    await running.attempt.permit()
    assert isinstance(await running.ending(100), RunCompleted)
    assert max(memory for memory, _ in seen) <= IN_MEMORY + 25_000, "those of a batch that came back beside them"
    assert max(spilled for _, spilled in seen) > 2 * IN_MEMORY
    assert not (tmp_path / "touched").exists()
    assert many.run("SELECT COUNT(*), SUM(a = 7), SUM(a = 8) FROM customer") == [(ROWS + 3, 100_001 - 1001, 1004)]
    assert many.run("SELECT a FROM customer WHERE id = 1001000") == [(8,)]
