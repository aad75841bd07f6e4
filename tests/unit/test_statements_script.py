"""Scripts: how they are split, classified, rewritten, and what in them is refused."""

from __future__ import annotations

import pytest

from alterd_contracts.errors import ErrorInfo
from alterd_contracts.statement import Statement, StatementKind
from alterd_intake.statements import Script, read_script
from alterd_intake.statements.script import MOST_REFUSALS

APP = frozenset({"app", "app-1"})


def read(script: str) -> tuple[Statement, ...]:
    found = read_script(script, schemas=APP)
    assert found.refusals == ()
    return found.statements


def one(script: str) -> Statement:
    (statement,) = read(script)
    return statement


def refusal(script: str) -> ErrorInfo:
    found = read_script(script, schemas=APP)
    (error,) = found.refusals
    return error


@pytest.mark.parametrize(
    ("sql", "kind", "table"),
    [
        ("CREATE TABLE t (a INT)", "create_table", "t"),
        ("create table if not exists t (a int)", "create_table", "t"),
        ("CREATE TABLE t (LIKE u)", "create_table", "t"),
        ("CREATE TABLE `select` (`a` INT) COMMENT='as select 1'", "create_table", "select"),
        ("CREATE TABLE t (`as` INT, c INT DEFAULT (1 + 1), `select` INT) PARTITION BY HASH(c)", "create_table", "t"),
        ("CREATE TABLE größe (a INT)", "create_table", "größe"),
        ("CREATE TABLE `t``s` (a INT)", "create_table", "t`s"),
        ("CREATE TABLE `a\\nb` (a INT)", "create_table", "a\\nb"),
        ("CREATE TABLE 2t (a INT)", "create_table", "2t"),
        ("ALTER TABLE t ADD COLUMN a INT", "alter_table", "t"),
        ("ALTER TABLE t", "alter_table", "t"),
        ("ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4", "alter_table", "t"),
        ("ALTER TABLE t ADD CHECK (a > 0), ALTER CHECK c NOT ENFORCED", "alter_table", "t"),
        ("ALTER TABLE t DROP PARTITION p0, p1", "alter_table", "t"),
        ("ALTER TABLE t RENAME COLUMN a TO b, RENAME INDEX c TO d", "alter_table", "t"),
        ("ALTER TABLE start OPTIMIZE PARTITION p0", "alter_table", "start"),
        ("CREATE INDEX i ON t (a)", "alter_table", "t"),
        ("DROP INDEX i ON t", "alter_table", "t"),
        ("DROP TABLE t", "drop_table", "t"),
        ("DROP TABLES t CASCADE", "drop_table", "t"),
        ("CREATE VIEW v AS SELECT 1", "create_view", "v"),
        ("CREATE OR REPLACE VIEW v (a) AS SELECT 1", "create_view", "v"),
        ("CREATE VIEW IF NOT EXISTS v AS SELECT 1", "create_view", "v"),
        (
            "CREATE OR REPLACE ALGORITHM = MERGE DEFINER = `a`@'%' SQL SECURITY INVOKER VIEW v AS SELECT 1",
            "create_view",
            "v",
        ),
        ("CREATE DEFINER=a@127.0.0.1 VIEW v AS SELECT 1", "create_view", "v"),
        ("CREATE DEFINER = CURRENT_USER() VIEW v AS SELECT 1", "create_view", "v"),
        ("ALTER VIEW v AS SELECT 2", "alter_view", "v"),
        ("ALTER ALGORITHM=TEMPTABLE VIEW v AS SELECT 2", "alter_view", "v"),
        ("DROP VIEW v", "drop_view", "v"),
        ("DROP VIEW IF EXISTS v RESTRICT", "drop_view", "v"),
    ],
)
def test_statements_are_told_apart(sql: str, kind: str, table: str) -> None:
    statement = one(sql)
    assert (statement.kind, statement.table) == (StatementKind(kind), table)
    assert f"{statement.ddl_action}_{'view' if statement.is_view else 'table'}" == kind


def test_a_script_is_numbered_and_keeps_what_was_written() -> None:
    script = """\ufeff-- the first
        alter table t add a int /* why */, -- because
          add b int;;
        DROP TABLE IF EXISTS a, `b;c` ;
        create view v as select ';' ;
        """
    first, second, third, fourth = read(script)
    assert [item.number for item in read(script)] == [1, 2, 3, 4]
    assert first.sql == "alter table t add a int,\n          add b int"
    assert first.original.startswith("-- the first\n")
    assert first.original.endswith("because\n          add b int")
    assert (second.sql, third.sql) == ("DROP TABLE IF EXISTS a", "DROP TABLE IF EXISTS `b;c`")
    assert second.original == third.original == "DROP TABLE IF EXISTS a, `b;c`"
    assert (third.table, fourth.table, fourth.sql) == ("b;c", "v", "create view v as select ';'")


@pytest.mark.parametrize(
    ("sql", "table", "run"),
    [
        ("ALTER TABLE app.t ADD a INT", "t", "ALTER TABLE t ADD a INT"),
        ("ALTER TABLE `app` . `t x` ADD a INT", "t x", "ALTER TABLE `t x` ADD a INT"),
        ("ALTER TABLE `app-1`.t ADD a INT", "t", "ALTER TABLE t ADD a INT"),
        ("ALTER TABLE app/* x */./* y */t FORCE", "t", "ALTER TABLE t FORCE"),
        ("DROP VIEW app.v", "v", "DROP VIEW v"),
        ("CREATE VIEW app.v AS SELECT app.t.a FROM app.t", "v", "CREATE VIEW v AS SELECT app.t.a FROM app.t"),
        ("CREATE TABLE app.t LIKE app.u", "t", "CREATE TABLE t LIKE u"),
        ("CREATE INDEX i ON app.t (a)", "t", "ALTER TABLE t ADD INDEX i (a)"),
        ("DROP INDEX i ON app.t", "t", "ALTER TABLE t DROP INDEX i"),
        # behind a dot any word is a name; alone it is not
        ("ALTER TABLE app.order FORCE", "order", "ALTER TABLE `order` FORCE"),
        ("CREATE TABLE app.Select (a INT)", "Select", "CREATE TABLE `Select` (a INT)"),
        ("DROP TABLE app.qualify", "qualify", "DROP TABLE `qualify`"),
        ("CREATE TABLE app.1e5 (a INT)", "1e5", "CREATE TABLE `1e5` (a INT)"),
    ],
)
def test_the_schema_is_taken_out(sql: str, table: str, run: str) -> None:
    statement = one(sql)
    assert (statement.table, statement.sql) == (table, run)
    assert statement.qualifier in APP


def test_each_name_of_a_drop_may_have_a_schema() -> None:
    statements = read("DROP TABLE app.a, b, `app-1`.c")
    assert [item.sql for item in statements] == ["DROP TABLE a", "DROP TABLE b", "DROP TABLE c"]
    assert [item.qualifier for item in statements] == ["app", "", "app-1"]


@pytest.mark.parametrize("sql", ["ALTER TABLE other.t FORCE", "DROP TABLE app.a, other.t", "DROP VIEW `App`.t"])
def test_another_schema_is_refused(sql: str) -> None:
    error = refusal(sql)
    assert error.code == "invalid_name"
    assert error.where["schema"] in error.message
    assert error.where["table"] == "t"


@pytest.mark.parametrize(
    ("sql", "run"),
    [
        ("CREATE INDEX i ON t (a)", "ALTER TABLE t ADD INDEX i (a)"),
        (
            "create unique index `i` using btree on t(a, b desc)",
            "ALTER TABLE t ADD unique index `i` using btree (a, b desc)",
        ),
        ("CREATE INDEX i TYPE BTREE ON t (a)", "ALTER TABLE t ADD INDEX i TYPE BTREE (a)"),
        (
            "CREATE FULLTEXT INDEX f ON t (a) WITH PARSER ngram COMMENT 'lock' ALGORITHM=INPLACE LOCK NONE",
            "ALTER TABLE t ADD FULLTEXT INDEX f (a) WITH PARSER ngram COMMENT 'lock', ALGORITHM=INPLACE, LOCK NONE",
        ),
        ("CREATE SPATIAL INDEX s ON t (g) LOCK = SHARED", "ALTER TABLE t ADD SPATIAL INDEX s (g), LOCK = SHARED"),
        (
            "CREATE INDEX i ON t ((f(a, (b))), c(10)) INVISIBLE",
            "ALTER TABLE t ADD INDEX i ((f(a, (b))), c(10)) INVISIBLE",
        ),
        ("DROP INDEX `PRIMARY` ON t", "ALTER TABLE t DROP INDEX `PRIMARY`"),
        ("DROP INDEX i ON t ALGORITHM DEFAULT LOCK=NONE", "ALTER TABLE t DROP INDEX i, ALGORITHM DEFAULT, LOCK=NONE"),
        ("drop index lock on t lock default", "ALTER TABLE t DROP index lock, lock default"),
    ],
)
def test_indexes_are_altered(sql: str, run: str) -> None:
    statement = one(sql)
    assert (statement.kind, statement.ddl_action, statement.sql) == (StatementKind.ALTER_TABLE, "alter", run)
    assert statement.original == sql


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("CREATE TABLE t LIKE u", ("u",)),
        ("CREATE TABLE t (LIKE app.u)", ("u",)),
        ("CREATE TABLE t LIKE other.u", ()),
        ("CREATE TABLE t (a INT REFERENCES u(id), FOREIGN KEY (a) REFERENCES `v w` (id))", ("u", "v w")),
        ("CREATE TABLE t (a INT REFERENCES t(id), b INT REFERENCES u(id), c INT REFERENCES u(id))", ("u",)),
        ("ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES app.u (id)", ("u",)),
        ("CREATE VIEW v AS SELECT 1 FROM DUAL", ()),
        (
            "CREATE VIEW v AS SELECT * FROM a, app.b AS x, c y JOIN d ON c.x = d.y LEFT JOIN e USING (q, r), f",
            tuple("abcdef"),
        ),
        ("CREATE VIEW v AS SELECT * FROM a UNION SELECT 1, b FROM c WHERE x IN (SELECT y, z FROM d, e)", tuple("acde")),
        ("CREATE VIEW v AS SELECT EXTRACT(YEAR FROM x), TRIM(BOTH 'a' FROM y) FROM t", ("t",)),
        (
            "CREATE VIEW v AS SELECT (SELECT max(x) FROM s) FROM (t, (u JOIN w ON 1)), (SELECT 1) q",
            ("s", "t", "u", "w"),
        ),
        (
            "CREATE VIEW v AS WITH c AS (SELECT * FROM t), d (x, y) AS (SELECT * FROM c) SELECT * FROM d, c, u",
            ("t", "u"),
        ),
        (
            "CREATE VIEW v AS SELECT * FROM t, JSON_TABLE(t.j, '$[*]' COLUMNS (a INT PATH '$'))k, LATERAL (SELECT 1)l",
            ("t",),
        ),
        ("CREATE VIEW v AS SELECT `from` FROM `select` WHERE a = 'FROM b' FOR UPDATE", ("select",)),
        ("CREATE VIEW v AS TABLE t", ()),
    ],
)
def test_other_tables_are_noted(sql: str, tables: tuple[str, ...]) -> None:
    assert one(sql).tables == tables


def test_conditions_are_noted() -> None:
    assert one("CREATE TABLE IF NOT EXISTS t (a INT)").if_not_exists
    assert not one("CREATE TABLE t (a INT)").if_not_exists
    assert one("DROP TABLE IF EXISTS t").if_exists
    assert not one("DROP VIEW v").if_exists


@pytest.mark.parametrize(
    ("sql", "run"),
    [
        ("/*!50000 alter table t */ force", "alter table t force"),
        ("ALTER TABLE t ADD c INT /*!80000 DEFAULT 5 */, /*! DROP */ d", "ALTER TABLE t ADD c INT DEFAULT 5, DROP d"),
        ("CREATE TABLE t (a INT) /*!50100 PARTITION BY HASH (a) */", "CREATE TABLE t (a INT) PARTITION BY HASH (a)"),
        ("ALTER TABLE t ADD c INT DEFAULT 5--1", "ALTER TABLE t ADD c INT DEFAULT 5--1"),
        ("ALTER TABLE t COMMENT 'a;\\'b'';--'", "ALTER TABLE t COMMENT 'a;\\'b'';--'"),
        ("ALTER TABLE t\r\nADD c INT # why\r\n, ADD d INT\r\n", "ALTER TABLE t\r\nADD c INT\n, ADD d INT"),
        ("ALTER TABLE t COMMENT '🙂;' /* 🙂; */ ;", "ALTER TABLE t COMMENT '🙂;'"),
        ("CREATE VIEW v AS SELECT /*+ NO_MERGE(t) */ 1 /* x */", "CREATE VIEW v AS SELECT /*+ NO_MERGE(t) */ 1"),
        ("ALTER TABLE t COMMENT '\u00a0\ufeff'", "ALTER TABLE t COMMENT '\u00a0\ufeff'"),
    ],
)
def test_what_is_run(sql: str, run: str) -> None:
    assert one(sql).sql == run


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("SELECT 1", "SELECT"),
        ("(SELECT 1)", "("),
        ("INSERT INTO t VALUES (1)", "INSERT"),
        ("REPLACE INTO t VALUES (1)", "REPLACE"),
        ("UPDATE t SET a = 1", "UPDATE"),
        ("DELETE FROM t", "DELETE"),
        ("CALL p(1)", "CALL"),
        ("SET @a = 1", "SET"),
        ("USE app", "USE"),
        ("START TRANSACTION", "START"),
        ("LOCK TABLES t WRITE", "LOCK"),
        ("ALTR TABLE t ADD a INT", "ALTR"),
        ("RENAME TABLE a TO b", "RENAME TABLE"),
        ("TRUNCATE t", "TRUNCATE TABLE"),
        ("CREATE TEMPORARY TABLE t (a INT)", "CREATE TEMPORARY TABLE"),
        ("create /*!32302 temporary */ table t (id int)", "CREATE TEMPORARY TABLE"),
        ("DROP TEMPORARY TABLE t", "DROP TEMPORARY TABLE"),
        ("CREATE OR REPLACE TABLE t (a INT)", "CREATE OR REPLACE TABLE"),
        ("CREATE DATABASE d", "CREATE DATABASE"),
        ("DROP SCHEMA d", "DROP SCHEMA"),
        ("ALTER DATABASE d CHARACTER SET utf8mb4", "ALTER DATABASE"),
        ("DROP USER u", "DROP USER"),
        ("GRANT ALL ON *.* TO u", "GRANT"),
        ("CREATE FUNCTION f() RETURNS INT RETURN 1", "CREATE FUNCTION"),
        ("CREATE AGGREGATE FUNCTION f RETURNS INT SONAME 'x'", "CREATE FUNCTION"),
        ("CREATE DEFINER = `a`@`%` TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a = 1", "CREATE TRIGGER"),
        ("DROP EVENT e", "DROP EVENT"),
        ("CREATE", "CREATE"),
        ("CREATE UNIQUE TABLE t (a INT)", "CREATE UNIQUE"),
        ("CREATE ındex i ON t (a)", "CREATE ındex"),
        ("ALTER OR REPLACE VIEW v AS SELECT 1", "ALTER OR"),
        ("ALTER TABLE t RENAME TO x", "RENAME"),
        ("ALTER TABLE t ADD a INT, RENAME x", "RENAME"),
        ("ALTER TABLE t RENAME = x", "RENAME"),
        ("ALTER TABLE t DISCARD TABLESPACE", "DISCARD TABLESPACE"),
        ("ALTER TABLE t IMPORT PARTITION ALL TABLESPACE", "IMPORT PARTITION"),
        ("ALTER TABLE t EXCHANGE PARTITION p WITH TABLE u", "EXCHANGE PARTITION"),
        ("CREATE TABLE t SELECT 1", "CREATE TABLE … SELECT"),
        ("CREATE TABLE t (a INT) AS SELECT 1", "CREATE TABLE … SELECT"),
        ("CREATE TABLE t (a INT) ENGINE=InnoDB IGNORE SELECT 1", "CREATE TABLE … SELECT"),
        ("CREATE TABLE t ((SELECT 1))", "CREATE TABLE … SELECT"),
        ("CREATE TABLE t (a INT) (SELECT 1)", "CREATE TABLE … SELECT"),
        ("CREATE TABLE t TABLE u", "CREATE TABLE … SELECT"),
        ("CREATE TABLE t VALUES ROW(1)", "CREATE TABLE … SELECT"),
        ("CREATE TABLE t WITH c AS (SELECT 1) SELECT * FROM c", "CREATE TABLE … SELECT"),
        ("CREATE TABLE t (a INT) /*!50000 AS */ /*!50000 SELECT 1 */", "CREATE TABLE … SELECT"),
        ("CREATE TABLE t (a INT) START TRANSACTION", "START TRANSACTION"),
    ],
)
def test_what_is_not_managed(sql: str, word: str) -> None:
    error = refusal(sql)
    assert error.code == "unsupported_statement"
    assert word.lower() in error.message.lower()
    assert error.hint
    assert error.where["statement"].startswith("1: ")


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("", "no statement"),
        (" ;\n; -- nothing\n", "no statement"),
        ("\ufeff", "no statement"),
        ("ALTER TABLE t COMMENT 'x", "quote '"),
        ("ALTER TABLE `t", "back-quote"),
        ("ALTER TABLE t /* x", "comment /*"),
        ("/*! ALTER TABLE t FORCE", "comment /*"),
        ("ALTER TABLE 't' FORCE", "name of a table is missing"),
        ("DROP TABLE", "name of a table is missing"),
        ("DROP VIEW 5", "name of a view is missing"),
        ("DROP TABLE a b", "near b"),
        ("DROP TABLE a, a", "twice"),
        ("DROP TABLE a.b.c", "too many parts"),
        ("ALTER TABLE t ADD a INT,", "clause is missing"),
        ("ALTER TABLE t ADD (a INT", "parentheses"),
        ("CREATE INDEX ON t (a)", "name of the index"),
        ("CREATE INDEX i t (a)", "ON and the name"),
        ("CREATE INDEX i ON t", "columns of the index"),
        ("CREATE INDEX i ON t (a", "not closed"),
        ("DROP INDEX i", "ON and the name"),
        ("DROP INDEX i ON t COMMENT 'x'", "only ALGORITHM and LOCK"),
        ("ALTER TABLE\u00a0t FORCE", "U+00A0"),
        ("ALTER TABLE t ADD c\u200b INT", "U+200B"),
        ("ALTER TABLE t ADD c INT COMMENT 'x\u00a0' \u3000", "U+3000"),
        ("ALTER TABLE t FORCE --\u00a0DROP", "U+00A0"),
    ],
)
def test_what_cannot_be_read(sql: str, text: str) -> None:
    error = refusal(sql)
    assert error.code == "syntax_error"
    assert text in error.message


def test_an_empty_name_is_refused() -> None:
    assert refusal("DROP TABLE ``").code == "invalid_name"


def test_all_refusals_are_told_with_their_statements() -> None:
    found = read_script("ALTER TABLE a FORCE; TRUNCATE b; DROP TABLE c, d; SELECT 1; ALTER TABLE e COMMENT 'x")
    assert [item.number for item in found.statements] == [1, 3, 4]
    assert [error.where["statement"] for error in found.refusals] == [
        "2: TRUNCATE b",
        "5: SELECT 1",
        "6: ALTER TABLE e COMMENT",
    ]


def test_no_secret_is_shown() -> None:
    for sql in ("CREATE USER u IDENTIFIED BY 'hunter2'", 'SET PASSWORD = "hunter2"', "SET PASSWORD = 'hunter2"):
        assert "hunter2" not in str(refusal(sql))


def test_a_long_statement_is_shown_in_short() -> None:
    shown = refusal("SELECT " + "a, " * 1000 + "b").where["statement"]
    assert shown.endswith("…")
    assert len(shown) < 90


@pytest.mark.parametrize(
    "script",
    [
        "DELIMITER //\nCREATE PROCEDURE p() BEGIN DROP TABLE t; END//\nDELIMITER ;",
        "CREATE PROCEDURE p() BEGIN DROP TABLE t; DROP TABLE u; END",
    ],
)
def test_nothing_is_taken_for_a_statement_inside_a_program(script: str) -> None:
    found = read_script(script)
    assert found.statements == ()
    assert len(found.refusals) == 1
    assert "nothing after it was read" in found.refusals[0].message


def test_refusals_are_bounded() -> None:
    found = read_script("x;" * 10_000)
    assert len(found.refusals) == MOST_REFUSALS + 1


ALTERS = "ALTER TABLE `some_table` ADD COLUMN a INT NOT NULL DEFAULT 'x;y', ADD INDEX (a, b); -- why\n"
COLUMNS = ",\n".join(f"column_{number} VARCHAR(100) NOT NULL DEFAULT 'abc' -- why" for number in range(18_000))


@pytest.mark.parametrize(
    ("script", "count"),
    [
        (ALTERS * (1_000_000 // len(ALTERS)), 1_000_000 // len(ALTERS)),
        (f"CREATE TABLE t ({COLUMNS}\n)", 1),
        ("ALTER TABLE t COMMENT '" + "it\\'s\u00a0" * 140_000 + "'", 1),
        ("ALTER TABLE t FORCE" + "/*! */ /**/" * 90_000, 1),
        ("ALTER TABLE t FORCE" + " \n" * 500_000, 1),
    ],
    ids=["many statements", "one table", "one string", "comments", "blanks"],
)
@pytest.mark.timeout(60)  # about a second each; what grows with the square of the length takes hours
def test_a_megabyte_is_read_whole(script: str, count: int) -> None:
    found: Script = read_script(script)
    assert (len(found.statements), found.refusals) == (count, ())
