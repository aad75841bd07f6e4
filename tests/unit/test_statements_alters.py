"""Clauses of ALTER TABLE, one by one as in MySQL's manual, and side by side."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alterd_contracts.errors import SyntaxRefused
from alterd_runtime.sql import ClauseKind as K
from alterd_runtime.sql import split_alter

CLAUSES: list[tuple[str, K, str, str]] = [
    # text, kind, name, new name
    ("ADD c INT", K.ADD_COLUMN, "c", ""),
    ("ADD COLUMN c INT NOT NULL DEFAULT 5 FIRST", K.ADD_COLUMN, "c", ""),
    ("add column `select` varchar(20) after `from`", K.ADD_COLUMN, "select", ""),
    ("ADD COLUMN c DECIMAL(10,2) UNSIGNED ZEROFILL", K.ADD_COLUMN, "c", ""),
    ("ADD COLUMN c ENUM('a,b', 'c)', '`') COLLATE utf8mb4_bin", K.ADD_COLUMN, "c", ""),
    ("ADD COLUMN c INT AS (a + f(b, 1)) STORED UNIQUE KEY", K.ADD_COLUMN, "c", ""),
    ("ADD COLUMN c INT GENERATED ALWAYS AS (a) VIRTUAL COMMENT 'x, y'", K.ADD_COLUMN, "c", ""),
    ("ADD COLUMN c INT REFERENCES u (id) ON DELETE SET NULL", K.ADD_COLUMN, "c", ""),
    ("ADD COLUMN c INT CHECK (c > 0) NOT ENFORCED", K.ADD_COLUMN, "c", ""),
    ("ADD COLUMN c INT AUTO_INCREMENT PRIMARY KEY", K.ADD_COLUMN, "c", ""),
    ("ADD COLUMN g POINT NOT NULL SRID 4326", K.ADD_COLUMN, "g", ""),
    ("ADD COLUMN c INT COLUMN_FORMAT FIXED STORAGE DISK", K.ADD_COLUMN, "c", ""),
    ("ADD COLUMN c INT INVISIBLE", K.ADD_COLUMN, "c", ""),
    ("ADD COLUMN c JSON DEFAULT (JSON_ARRAY(1, 2))", K.ADD_COLUMN, "c", ""),
    ("ADD COLUMN d TIMESTAMP(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6)", K.ADD_COLUMN, "d", ""),
    ("ADD COLUMN v VECTOR(3)", K.ADD_COLUMN, "v", ""),
    ("ADD COLUMN c INT ENGINE_ATTRIBUTE '{\"a\": 1}'", K.ADD_COLUMN, "c", ""),
    ("ADD COLUMN größe INT", K.ADD_COLUMN, "größe", ""),
    ("ADD COLUMN `a``b` INT COMMENT '🙂'", K.ADD_COLUMN, "a`b", ""),
    ("ADD modify INT", K.ADD_COLUMN, "modify", ""),
    ("ADD partitions INT", K.ADD_COLUMN, "partitions", ""),
    ("ADD COLUMN `index` INT", K.ADD_COLUMN, "index", ""),
    ("ADD `INDEX` INT", K.ADD_COLUMN, "INDEX", ""),
    ("ADD COLUMN (a INT, b INT)", K.ADD_COLUMNS, "", ""),
    ("ADD (a INT, b DECIMAL(1,0), INDEX (a, b))", K.ADD_COLUMNS, "", ""),
    ("ADD INDEX (a)", K.ADD_INDEX, "", ""),
    ("ADD KEY k (a DESC, b(10))", K.ADD_INDEX, "k", ""),
    ("ADD INDEX k USING BTREE (a)", K.ADD_INDEX, "k", ""),
    ("ADD INDEX USING HASH (a)", K.ADD_INDEX, "", ""),
    ("ADD INDEX k ((a + b), (CAST(j->'$.ids' AS UNSIGNED ARRAY)))", K.ADD_INDEX, "k", ""),
    ("ADD INDEX k (a) KEY_BLOCK_SIZE = 8 COMMENT 'x, y' INVISIBLE", K.ADD_INDEX, "k", ""),
    ("ADD INDEX `key` (a)", K.ADD_INDEX, "key", ""),
    ("ADD FULLTEXT INDEX f (a) WITH PARSER ngram", K.ADD_FULLTEXT, "f", ""),
    ("ADD FULLTEXT KEY (a)", K.ADD_FULLTEXT, "", ""),
    ("ADD FULLTEXT f (a, b)", K.ADD_FULLTEXT, "f", ""),
    ("ADD SPATIAL INDEX s (g)", K.ADD_SPATIAL, "s", ""),
    ("ADD SPATIAL (g)", K.ADD_SPATIAL, "", ""),
    ("ADD UNIQUE (a)", K.ADD_UNIQUE, "", ""),
    ("ADD UNIQUE KEY u (a, b)", K.ADD_UNIQUE, "u", ""),
    ("ADD UNIQUE INDEX u USING BTREE (a)", K.ADD_UNIQUE, "u", ""),
    ("ADD CONSTRAINT UNIQUE (a)", K.ADD_UNIQUE, "", ""),
    ("ADD CONSTRAINT c UNIQUE (a)", K.ADD_UNIQUE, "c", ""),
    ("ADD CONSTRAINT c UNIQUE KEY u (a)", K.ADD_UNIQUE, "u", ""),
    ("ADD PRIMARY KEY (a, b)", K.ADD_PRIMARY_KEY, "", ""),
    ("ADD PRIMARY   KEY USING BTREE (a)", K.ADD_PRIMARY_KEY, "", ""),
    ("ADD CONSTRAINT pk PRIMARY KEY USING BTREE (a)", K.ADD_PRIMARY_KEY, "pk", ""),
    ("ADD CONSTRAINT PRIMARY KEY (a)", K.ADD_PRIMARY_KEY, "", ""),
    ("ADD FOREIGN KEY (a) REFERENCES u (id)", K.ADD_FOREIGN_KEY, "", ""),
    ("ADD FOREIGN KEY fk (a) REFERENCES u (id) ON DELETE CASCADE", K.ADD_FOREIGN_KEY, "fk", ""),
    ("ADD CONSTRAINT c FOREIGN KEY i (a, b) REFERENCES u (x, y) ON UPDATE NO ACTION", K.ADD_FOREIGN_KEY, "c", ""),
    ("ADD CHECK (a > 0)", K.ADD_CHECK, "", ""),
    ("ADD CONSTRAINT CHECK (a IN (1, 2))", K.ADD_CHECK, "", ""),
    ("ADD CONSTRAINT `c 1` CHECK (a > 0) NOT ENFORCED", K.ADD_CHECK, "c 1", ""),
    ("DROP c", K.DROP_COLUMN, "c", ""),
    ("DROP COLUMN `drop`", K.DROP_COLUMN, "drop", ""),
    ("DROP `KEY`", K.DROP_COLUMN, "KEY", ""),
    ("DROP INDEX k", K.DROP_INDEX, "k", ""),
    ("DROP KEY `PRIMARY`", K.DROP_INDEX, "PRIMARY", ""),
    ("DROP PRIMARY KEY", K.DROP_PRIMARY_KEY, "", ""),
    ("DROP PRIMARY /* x */ KEY", K.DROP_PRIMARY_KEY, "", ""),
    ("DROP FOREIGN KEY fk", K.DROP_FOREIGN_KEY, "fk", ""),
    ("DROP CHECK c", K.DROP_CHECK, "c", ""),
    ("DROP CONSTRAINT c", K.DROP_CONSTRAINT, "c", ""),
    ("MODIFY c BIGINT", K.MODIFY_COLUMN, "c", ""),
    ("MODIFY COLUMN c VARCHAR(20) CHARACTER SET latin1 NOT NULL FIRST", K.MODIFY_COLUMN, "c", ""),
    ("MODIFY COLUMN c VARCHAR(20) CHARACTER/**/SET latin1", K.MODIFY_COLUMN, "c", ""),
    ("CHANGE a b INT", K.CHANGE_COLUMN, "a", "b"),
    ("CHANGE COLUMN `a` `b c` INT DEFAULT '-1' AFTER d", K.CHANGE_COLUMN, "a", "b c"),
    ("ALTER c SET DEFAULT 5", K.ALTER_COLUMN, "c", ""),
    ("ALTER COLUMN c SET DEFAULT (UUID())", K.ALTER_COLUMN, "c", ""),
    ("ALTER COLUMN c DROP DEFAULT", K.ALTER_COLUMN, "c", ""),
    ("ALTER COLUMN c SET INVISIBLE", K.ALTER_COLUMN, "c", ""),
    ("ALTER INDEX k INVISIBLE", K.ALTER_INDEX, "k", ""),
    ("ALTER CHECK c NOT ENFORCED", K.ALTER_CHECK, "c", ""),
    ("ALTER CONSTRAINT c ENFORCED", K.ALTER_CONSTRAINT, "c", ""),
    ("RENAME COLUMN a TO b", K.RENAME_COLUMN, "a", "b"),
    ("RENAME INDEX a TO b", K.RENAME_INDEX, "a", "b"),
    ("RENAME KEY `a` TO `to`", K.RENAME_INDEX, "a", "to"),
    ("RENAME TO x", K.RENAME_TABLE, "", "x"),
    ("RENAME AS x", K.RENAME_TABLE, "", "x"),
    ("RENAME x", K.RENAME_TABLE, "", "x"),
    ("RENAME = other.`x y`", K.RENAME_TABLE, "", "x y"),
    ("CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci", K.CONVERT_CHARSET, "", ""),
    ("CONVERT TO CHARSET binary", K.CONVERT_CHARSET, "", ""),
    ("DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_bin", K.OPTIONS, "", ""),
    ("CHARACTER SET latin1", K.OPTIONS, "", ""),
    ("COLLATE utf8mb4_bin", K.OPTIONS, "", ""),
    ("ENGINE = InnoDB", K.OPTIONS, "", ""),
    ("ENGINE=InnoDB ROW_FORMAT=DYNAMIC COMMENT='a, b'", K.OPTIONS, "", ""),
    ("AUTO_INCREMENT = 1000", K.OPTIONS, "", ""),
    ("COMMENT 'it''s; \\'quoted\\''", K.OPTIONS, "", ""),
    ("KEY_BLOCK_SIZE 8", K.OPTIONS, "", ""),
    ("STATS_PERSISTENT=1 STATS_AUTO_RECALC=0", K.OPTIONS, "", ""),
    ("TABLESPACE ts STORAGE DISK", K.OPTIONS, "", ""),
    ("UNION = (a, b)", K.OPTIONS, "", ""),
    ("INSERT_METHOD LAST", K.OPTIONS, "", ""),
    ("ENCRYPTION 'Y'", K.OPTIONS, "", ""),
    ("DATA DIRECTORY = '/x'", K.OPTIONS, "", ""),
    ("SECONDARY_ENGINE = RAPID", K.OPTIONS, "", ""),
    ("FORCE", K.FORCE, "", ""),
    ("DISABLE KEYS", K.DISABLE_KEYS, "", ""),
    ("ENABLE KEYS", K.ENABLE_KEYS, "", ""),
    ("ALGORITHM = INPLACE", K.ALGORITHM, "", ""),
    ("ALGORITHM COPY", K.ALGORITHM, "", ""),
    ("LOCK=NONE", K.LOCK, "", ""),
    ("LOCK SHARED", K.LOCK, "", ""),
    ("WITH VALIDATION", K.VALIDATION, "", ""),
    ("WITHOUT VALIDATION", K.VALIDATION, "", ""),
    ("MYSTERY OF THE DAY", K.OTHER, "", ""),
]

ALONE: list[tuple[str, K]] = [
    # what takes the commas after it, or stands alone
    ("ORDER BY a", K.ORDER_BY),
    ("ORDER BY a, t.b DESC, `add` ASC", K.ORDER_BY),
    ("ORDER BY a, engine, comment", K.ORDER_BY),
    ("DISCARD TABLESPACE", K.DISCARD_TABLESPACE),
    ("IMPORT TABLESPACE", K.IMPORT_TABLESPACE),
    ("SECONDARY_LOAD", K.SECONDARY),
    ("SECONDARY_UNLOAD", K.SECONDARY),
    ("PARTITION BY HASH (id) PARTITIONS 4", K.PARTITION_BY),
    ("PARTITION BY LINEAR KEY ALGORITHM=2 (id)", K.PARTITION_BY),
    ("PARTITION BY RANGE COLUMNS (a, b) (PARTITION p0 VALUES LESS THAN (1, 2))", K.PARTITION_BY),
    ("PARTITION BY LIST (id) (PARTITION a VALUES IN (1,2), PARTITION b VALUES IN (3))", K.PARTITION_BY),
    ("PARTITION BY RANGE (id) SUBPARTITION BY HASH (id) (PARTITION p VALUES LESS THAN MAXVALUE)", K.PARTITION_BY),
    ("REMOVE PARTITIONING", K.REMOVE_PARTITIONING),
    ("ADD PARTITION (PARTITION p3 VALUES LESS THAN (30), PARTITION p4 VALUES LESS THAN (40))", K.ADD_PARTITION),
    ("ADD PARTITION PARTITIONS 4", K.ADD_PARTITION),
    ("DROP PARTITION p0, p1", K.DROP_PARTITION),
    ("TRUNCATE PARTITION ALL", K.TRUNCATE_PARTITION),
    ("TRUNCATE PARTITION p0, p1", K.TRUNCATE_PARTITION),
    ("COALESCE PARTITION 2", K.COALESCE_PARTITION),
    ("REORGANIZE PARTITION p0, p1 INTO (PARTITION p VALUES LESS THAN (20))", K.REORGANIZE_PARTITION),
    ("EXCHANGE PARTITION p0 WITH TABLE x WITHOUT VALIDATION", K.EXCHANGE_PARTITION),
    ("ANALYZE PARTITION p0, p1", K.ANALYZE_PARTITION),
    ("CHECK PARTITION ALL", K.CHECK_PARTITION),
    ("OPTIMIZE PARTITION p0, p1", K.OPTIMIZE_PARTITION),
    ("REBUILD PARTITION p0, p1", K.REBUILD_PARTITION),
    ("REPAIR PARTITION p0, p1", K.REPAIR_PARTITION),
    ("DISCARD PARTITION p0, p1 TABLESPACE", K.DISCARD_PARTITION),
    ("IMPORT PARTITION ALL TABLESPACE", K.IMPORT_PARTITION),
]


def rejoined(sql: str) -> str:
    alter = split_alter(sql)
    return alter.head + "".join(clause.separator + clause.text for clause in alter.clauses)


@pytest.mark.parametrize(("text", "kind", "name", "new_name"), CLAUSES)
def test_a_clause_is_known(text: str, kind: K, name: str, new_name: str) -> None:
    (clause,) = split_alter(f"ALTER TABLE t {text}").clauses
    assert (clause.kind, clause.text, clause.name, clause.new_name) == (kind, text, name, new_name)


@pytest.mark.parametrize(("text", "kind"), ALONE)
def test_a_clause_that_takes_commas_is_one(text: str, kind: K) -> None:
    (clause,) = split_alter(f"ALTER TABLE t {text}").clauses
    assert (clause.kind, clause.text) == (kind, text)


def test_every_kind_is_in_the_tables() -> None:
    assert {kind for _, kind, _, _ in CLAUSES} | {kind for _, kind in ALONE} == set(K)


@given(
    picked=st.lists(st.sampled_from(CLAUSES), min_size=1, max_size=8),
    last=st.none() | st.sampled_from(ALONE),
    separators=st.lists(st.sampled_from([",", ", ", " ,", ",\n", " /* , */ ,", ",-- x, y\n", "\t,# it's\r\n"])),
    name=st.sampled_from(["t", "`t`", "s.t", "`s` . `t`", "`a``b`", "tä"]),
)
@settings(max_examples=150, deadline=None)
def test_clauses_side_by_side(
    picked: list[tuple[str, K, str, str]], last: tuple[str, K] | None, separators: list[str], name: str
) -> None:
    texts = [text for text, *_ in picked] + ([last[0]] if last else [])
    sql = f"ALTER TABLE {name} {texts[0]}"
    for index, text in enumerate(texts[1:]):
        sql += (separators[index % len(separators)] if separators else ", ") + text
    clauses = split_alter(sql).clauses
    assert [clause.text for clause in clauses] == texts
    assert [clause.kind for clause in clauses] == [kind for _, kind, *_ in picked] + ([last[1]] if last else [])
    assert rejoined(sql) == sql


@pytest.mark.parametrize(
    ("sql", "kinds"),
    [
        ("ALTER TABLE t ADD x INT PARTITION BY HASH(id)", [K.ADD_COLUMN, K.PARTITION_BY]),
        ("ALTER TABLE t ADD x INT, DROP y REMOVE PARTITIONING", [K.ADD_COLUMN, K.DROP_COLUMN, K.REMOVE_PARTITIONING]),
        ("ALTER TABLE t PARTITION BY KEY (a) PARTITIONS 2", [K.PARTITION_BY]),
        ("ALTER TABLE t ORDER BY a, b DESC, ADD x INT", [K.ORDER_BY, K.ADD_COLUMN]),
        ("ALTER TABLE t ORDER BY a, b, FORCE", [K.ORDER_BY, K.FORCE]),
        ("ALTER TABLE t ORDER BY a, engine=InnoDB", [K.ORDER_BY, K.OPTIONS]),
        ("ALTER TABLE t ORDER BY a, modify b INT", [K.ORDER_BY, K.MODIFY_COLUMN]),
        ("ALTER TABLE t ORDER BY a, b PARTITION BY HASH(id)", [K.ORDER_BY, K.PARTITION_BY]),
        ("ALTER TABLE t LOCK=NONE, ALGORITHM=INPLACE, DROP PARTITION p0, p1", [K.LOCK, K.ALGORITHM, K.DROP_PARTITION]),
        ("ALTER TABLE start OPTIMIZE PARTITION p0", [K.OPTIMIZE_PARTITION]),
        ("ALTER TABLE begin ADD call INT, DROP prepare", [K.ADD_COLUMN, K.DROP_COLUMN]),
        ("ALTER TABLE t", []),
        ("ALTER TABLE t;", []),
        (
            "ALTER TABLE t ADD remove INT, DROP remove REMOVE PARTITIONING",
            [K.ADD_COLUMN, K.DROP_COLUMN, K.REMOVE_PARTITIONING],
        ),
    ],
)
def test_borders(sql: str, kinds: list[K]) -> None:
    assert [clause.kind for clause in split_alter(sql).clauses] == kinds
    assert rejoined(sql) == sql.rstrip(";")


def test_values_of_algorithm_and_lock() -> None:
    clauses = split_alter("ALTER TABLE t algorithm=instant, LOCK default, ADD a INT").clauses
    assert [clause.value for clause in clauses] == ["INSTANT", "DEFAULT", ""]


def test_clauses_of_a_kind() -> None:
    alter = split_alter("ALTER TABLE s.t ADD a INT, ADD b INT, DROP c")
    assert (alter.schema, alter.table) == ("s", "t")
    assert [clause.name for clause in alter.of(K.ADD_COLUMN)] == ["a", "b"]
    assert [clause.name for clause in alter.of(K.DROP_COLUMN, K.ADD_INDEX)] == ["c"]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (a INT)",
        "ALTER VIEW v AS SELECT 1",
        "ALTER TABLE",
        "ALTER TABLE t ADD a INT,",
        "ALTER TABLE t , ADD a INT",
        "ALTER TABLE t ADD a INT,, DROP b",
        "ALTER TABLE t ADD (a INT",
        "ALTER TABLE t ADD a INT)",
        "ALTER TABLE t COMMENT 'x",
        "ALTER TABLE a.b.c FORCE",
        "",
    ],
)
def test_what_is_no_alter_table_is_refused(sql: str) -> None:
    with pytest.raises(SyntaxRefused):
        split_alter(sql)
