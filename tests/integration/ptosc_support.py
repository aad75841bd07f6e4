"""Attempts of pt-online-schema-change in this process, on a real server, and what must not be left of any."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alterd_contracts.migration import Migration
from alterd_contracts.names import Artifact
from alterd_contracts.statement import StatementKind
from tests.integration.executor_support import record_of
from tests.support.processes import command_lines, programs
from tests.support.shop import Shop

ALTER = "ALTER TABLE item ADD COLUMN c INT NOT NULL DEFAULT 7 FIRST, MODIFY a BIGINT NOT NULL, ADD INDEX by_a (a)"

SLOWLY = {"options": "--chunk-size=20 --sleep=0.02"}
"""Copies a thousand rows in a second."""


def altering(shop: Shop, sql: str = ALTER, table: str = "item", **fields: Any) -> Migration:
    return record_of(shop, StatementKind.ALTER_TABLE, table, sql, strategy="pt-osc", **fields)


def filled(shop: Shop, rows: int = 400) -> None:
    """A table of so many rows."""
    shop.run("CREATE TABLE item (id INT NOT NULL PRIMARY KEY AUTO_INCREMENT, a INT NOT NULL, b VARCHAR(30))")
    for start in range(1, rows + 1, 5000):
        values = ",".join(f"({n}, {n * 7}, 'row {n}')" for n in range(start, min(start + 5000, rows + 1)))
        shop.run(f"INSERT INTO item VALUES {values}")
    shop.run("ANALYZE TABLE item")  # the tool copies at once what it takes for small


def as_it_was(shop: Shop, rows: int) -> None:
    assert shop.columns("item") == ["id", "a", "b"]
    assert shop.run("SELECT COUNT(*) FROM item") == [(rows,)]


def nothing_left(shop: Shop, record: Migration, workdir: Path) -> None:
    """No account, trigger, process, file, or table that nobody has written down."""
    digits = record.migration_uuid.replace("_", "")
    assert shop.accounts(record.migration_uuid) == []
    assert (
        shop.run(f"SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '{shop.schema}'") == []
    )
    declared = {row[0] for row in shop.run(f"SELECT name FROM _alterd.artifacts WHERE table_schema = '{shop.schema}'")}
    tables = set(shop.tables()) - {"item", "customer", "parent", "child"}
    assert tables <= declared
    assert all(Artifact.parse(name) for name in tables)
    assert processes(workdir) == []
    assert not (workdir / "alterd.sock").exists()
    assert not (workdir / "pt-osc.pid").exists()
    assert not [words for words in command_lines().values() if digits in " ".join(words)]


def triggers(shop: Shop) -> list[str]:
    rows = shop.run(
        f"SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = '{shop.schema}' ORDER BY 1"
    )
    return [str(row[0]) for row in rows]


def processes(workdir: Path) -> list[int]:
    """Those of the tool that name the folder."""
    return programs("pt-online-schema-change", str(workdir))
