"""Keys and columns: how they are defined, what stands in them, and what an ALTER may make of them."""

from __future__ import annotations

from typing import NamedTuple

ROWS = 600
SESSIONS = 3


class KeyShape(NamedTuple):
    """A primary key. Expressions over ``{n}``, the row's number."""

    columns: tuple[str, ...]
    """Definitions, all NOT NULL."""
    values: tuple[str, ...]
    alters: tuple[str, ...]
    """Clauses that make another key of it; ``{u}`` is a unique INT."""

    @property
    def names(self) -> list[str]:
        return [column.split()[0] for column in self.columns]


_MOVES = ("DROP PRIMARY KEY, ADD PRIMARY KEY (u)", "DROP PRIMARY KEY, ADD PRIMARY KEY (u, n)")
KEYS = (
    KeyShape(
        ("k INT NOT NULL",),
        ("{n}",),
        ("MODIFY k BIGINT NOT NULL", "CHANGE k `no` INT NOT NULL", "MODIFY k VARCHAR(20) NOT NULL", *_MOVES),
    ),
    KeyShape(
        ("k BIGINT UNSIGNED NOT NULL",), ("9000000000000000000 + {n}",), ("MODIFY k DECIMAL(30,0) NOT NULL", *_MOVES)
    ),
    KeyShape(("k DECIMAL(14,3) NOT NULL",), ("({n} - 300) * 1.125",), ("MODIFY k DECIMAL(20,5) NOT NULL", *_MOVES)),
    KeyShape(
        ("k VARCHAR(24) NOT NULL",),
        ("CONCAT(ELT(1 + {n} % 4, 'a', 'A', 'ä', 'ß'), {n} * 7919 % 10007, '-', {n})",),
        (
            "MODIFY k VARCHAR(40) COLLATE utf8mb4_bin NOT NULL",
            "MODIFY k VARCHAR(40) COLLATE utf8mb4_0900_as_cs NOT NULL",
            "MODIFY k VARBINARY(90) NOT NULL",
            *_MOVES,
        ),
    ),
    KeyShape(
        ("k CHAR(20) CHARACTER SET latin1 COLLATE latin1_bin NOT NULL",),
        ("CONCAT(ELT(1 + {n} % 3, 'é', 'E', 'z'), {n})",),
        ("MODIFY k CHAR(20) NOT NULL", "CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_as_cs", *_MOVES),
    ),
    KeyShape(("k BINARY(8) NOT NULL",), ("UNHEX(LPAD(HEX({n} * 256), 16, '0'))",), ("MODIFY k VARBINARY(8) NOT NULL",)),
    KeyShape(
        ("k DATETIME(3) NOT NULL",),
        ("TIMESTAMP'2024-01-01 00:00:00.5' + INTERVAL {n} MINUTE",),
        ("MODIFY k DATETIME(6) NOT NULL", "MODIFY k VARCHAR(40) NOT NULL"),
    ),
    KeyShape(
        ("e ENUM('z','y','x','w') NOT NULL", "k INT NOT NULL"),
        ("1 + {n} % 4", "{n}"),
        ("MODIFY e ENUM('w','x','y','z') NOT NULL", "MODIFY e VARCHAR(4) NOT NULL", *_MOVES),
    ),
    KeyShape(
        ("p INT NOT NULL", "k VARCHAR(20) COLLATE utf8mb4_0900_as_cs NOT NULL"),
        ("{n} % 13", "CONCAT('K', {n})"),
        ("DROP PRIMARY KEY, ADD PRIMARY KEY (k, p)", "DROP PRIMARY KEY, ADD PRIMARY KEY (p, k, n)", *_MOVES),
    ),
    KeyShape(("k BIT(20) NOT NULL",), ("{n}",), ("MODIFY k INT UNSIGNED NOT NULL",)),
)


class ColumnShape(NamedTuple):
    """A nullable column: its type, an expression of a random value, and types that every such value fits."""

    kind: str
    value: str
    types: tuple[str, ...]


COLUMNS = (
    ColumnShape("INT", "FLOOR(RAND() * 20000) - 10000", ("BIGINT", "VARCHAR(20)", "DECIMAL(20,2)", "DOUBLE", "JSON")),
    ColumnShape("SMALLINT UNSIGNED", "FLOOR(RAND() * 60000)", ("INT", "MEDIUMINT UNSIGNED", "CHAR(9)")),
    ColumnShape("DECIMAL(10,3)", "RAND() * 1000", ("DECIMAL(14,3)", "DECIMAL(12,1)", "VARCHAR(30)")),
    ColumnShape("DOUBLE", "RAND() * 1e6", ("DOUBLE",)),
    ColumnShape(
        "VARCHAR(30)",
        "ELT(1 + FLOOR(RAND() * 5), '', 'ünï', 'Ωmega', 'plain ', '😀')",
        ("VARCHAR(90)", "TEXT", "VARCHAR(30) COLLATE utf8mb4_bin", "VARBINARY(200)", "LONGTEXT"),
    ),
    ColumnShape(
        "VARCHAR(30) CHARACTER SET latin1",
        "ELT(1 + FLOOR(RAND() * 4), 'café', 'ÿ', '', 'Straße')",
        ("VARCHAR(30) CHARACTER SET utf8mb4", "TEXT", "CHAR(40) CHARACTER SET utf16"),
    ),
    ColumnShape(
        "ENUM('x','y','z')",
        "1 + FLOOR(RAND() * 3)",
        ("ENUM('z','w','x','y')", "VARCHAR(9)", "ENUM('x','y','z','q')", "ENUM('x','y','z') CHARACTER SET latin1"),
    ),
    ColumnShape("SET('a','b','c')", "FLOOR(RAND() * 8)", ("SET('c','b','a')", "VARCHAR(30)", "SET('a','b','c','d')")),
    ColumnShape(
        "DATETIME(6)",
        "TIMESTAMP'2020-02-28 23:59:59.999999' + INTERVAL FLOOR(RAND() * 100000) MINUTE",
        ("DATETIME(3)", "TIMESTAMP(6) NULL", "VARCHAR(40)", "DATETIME", "DATE"),
    ),
    ColumnShape("TIMESTAMP(2) NULL", "FROM_UNIXTIME(1e9 + RAND() * 1e8)", ("DATETIME(2)", "TIMESTAMP NULL")),
    ColumnShape("DATE", "DATE'2000-01-01' + INTERVAL FLOOR(RAND() * 9000) DAY", ("DATETIME", "VARCHAR(20)")),
    ColumnShape("TIME(2)", "SEC_TO_TIME(RAND() * 360000 - 90000)", ("TIME(6)", "VARCHAR(30)", "TIME")),
    ColumnShape("JSON", "JSON_OBJECT('v', RAND(), 'ä', JSON_ARRAY(1, NULL, '😀'))", ("LONGTEXT", "JSON")),
    ColumnShape("BLOB", "UNHEX(SHA2(RAND(), 512))", ("LONGBLOB", "VARBINARY(64)")),
    ColumnShape("BIT(9)", "FLOOR(RAND() * 512)", ("BIT(20)", "INT UNSIGNED")),
    ColumnShape("YEAR", "1901 + FLOOR(RAND() * 200)", ("SMALLINT", "INT")),
    ColumnShape("POINT", "POINT(RAND(), RAND())", ("GEOMETRY",)),
)
ADDED = (
    "ADD new_a INT NOT NULL DEFAULT 7 FIRST",
    "ADD new_b VARCHAR(20) NOT NULL AFTER n",
    "ADD new_c DECIMAL(8,2) DEFAULT 1.25, ADD INDEX by_new (n, u)",
    "ADD new_d JSON",
    "ADD new_e INT AS (n * 2) VIRTUAL",
    "ADD new_f BIGINT AS (n + u) STORED",
    "ADD INDEX by_both (u, n DESC)",
    "ADD INDEX by_sum ((n + u))",
    "ADD CHECK (n >= 0)",
    "ENGINE = InnoDB ROW_FORMAT = DYNAMIC",
    "FORCE",
)
