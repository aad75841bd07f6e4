"""Which ALTER may be left to MySQL, by its text alone; and how strategies' flags are refused by name."""

from __future__ import annotations

import pytest

from alterd_contracts.errors import InvalidStrategy
from alterd_direct.at_once import INSTANT, ROTATION, read_at_once
from alterd_direct.direct import Direct
from alterd_direct.mysql import Mysql
from alterd_runtime.ddl_strategy import check_options, parse_ddl_strategy
from alterd_vitess.vitess import Vitess

PLAIN = "CREATE TABLE `t` (\n  `id` int NOT NULL COMMENT '/*!50100 PARTITION BY RANGE (id)',\n  PRIMARY KEY (`id`)\n)"
RANGE = PLAIN + " ENGINE=InnoDB\n/*!50100 PARTITION BY RANGE (`id`)\n(PARTITION p0 VALUES LESS THAN (10)) */"
COLUMNS = RANGE.replace("RANGE (", "RANGE  COLUMNS(")
LIST = RANGE.replace("RANGE (", "LIST (")


@pytest.mark.parametrize("table", [RANGE, COLUMNS])
@pytest.mark.parametrize(
    ("clauses", "rotates"),
    [
        ("DROP PARTITION p0", True),
        ("DROP PARTITION p0, p1", True),
        ("ADD PARTITION (PARTITION p2 VALUES LESS THAN (30))", True),
        ("ADD PARTITION (PARTITION p2 VALUES LESS THAN (30) COMMENT 'PARTITION x')", True),
        ("ADD PARTITION (PARTITION p2 VALUES LESS THAN (30), PARTITION p3 VALUES LESS THAN (40))", False),
        ("ADD PARTITION PARTITIONS 2", False),
        ("TRUNCATE PARTITION p0", False),
        ("REORGANIZE PARTITION p0 INTO (PARTITION p2 VALUES LESS THAN (3))", False),
        ("ADD COLUMN c INT", False),
    ],
)
def test_range_partitions_are_rotated_by_mysql(table: str, clauses: str, rotates: bool) -> None:
    sql = f"ALTER TABLE t {clauses}"
    found = read_at_once(sql, table, instant=False)
    assert (found is not None) == rotates
    if found is not None:
        assert (found.operation, found.sql) == (ROTATION, sql)
        assert found.column == '{"operation":"range-partition"}'
    for other in (PLAIN, LIST):
        assert read_at_once(sql, other, instant=False) is None


@pytest.mark.parametrize(
    ("clauses", "sent"),
    [
        ("ADD COLUMN c INT", "ADD COLUMN c INT"),
        ("ADD c INT, ALGORITHM=COPY, DROP d, LOCK=SHARED", "ADD c INT, DROP d"),
        ("RENAME COLUMN a TO b, ALTER x SET DEFAULT 4", "RENAME COLUMN a TO b, ALTER x SET DEFAULT 4"),
        ("ADD COLUMN c INT, ADD INDEX (c)", ""),
        ("RENAME TO u", ""),
        ("ENGINE=InnoDB", ""),
        ("ADD COLUMN c INT PARTITION BY HASH (c)", ""),
        ("ALGORITHM=INSTANT", ""),
    ],
)
def test_only_columns_are_asked_about(clauses: str, sent: str) -> None:
    found = read_at_once(f"ALTER TABLE t {clauses}", PLAIN, instant=True)
    assert (found is not None) == bool(sent)
    if found is not None:
        assert (found.operation, found.sql) == (INSTANT, f"ALTER TABLE t ALGORITHM=INSTANT, {sent}")
    assert read_at_once(f"ALTER TABLE t {clauses}", PLAIN, instant=False) is None


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("mysql --force-cut-over-after=1h", "--force-cut-over-after is for the strategy vitess; it has:"),
        ("mysql --allow-zero-in-date", "--allow-zero-in-date is for the strategies direct and vitess; it has:"),
        ("direct --retain-artifacts=1h", "--retain-artifacts is for the strategies mysql and vitess; it has:"),
        ("mysql --vreplication-test-suite", "it has:"),
    ],
)
def test_a_flag_of_another_strategy_is_refused_and_says_of_which(text: str, hint: str) -> None:
    declared = {each.strategy: each for each in (Vitess().declare(), Mysql().declare(), Direct().declare())}
    setting = parse_ddl_strategy(text)
    with pytest.raises(InvalidStrategy) as refused:
        check_options(setting, declared[setting.strategy], others=declared.values())
    assert refused.value.hint.startswith(hint)
