"""The pure parts of the tool that runs SQL cases, and what all cases have in common."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest
from typer.testing import CliRunner

from alterd_cases.case import find_cases, read_case
from alterd_cases.comparing import Column, Definition, counters_differ, definitions_differ, expression, rows_differ
from alterd_cases.errors import InvalidCase
from alterd_cases.main import app
from alterd_cases.oracle import by_copy
from alterd_cases.report import line_of, summary
from alterd_cases.script import Transaction, statements, transactions
from alterd_cases.verdict import Outcome, Verdict

ROOT = Path(__file__).parents[1] / "cases"


def test_no_two_cases_change_a_table_in_the_same_way() -> None:
    cases = find_cases([ROOT])
    assert len(cases) >= 120
    by_clauses = defaultdict(list)
    for case in cases:
        by_clauses[frozenset(clause.lower() for clause in case.clauses)].append(case.name)
    assert [names for names in by_clauses.values() if len(names) > 1] == []


def test_every_case_has_writers() -> None:
    assert [case.name for case in find_cases([ROOT]) if not case.writes] == []


def test_schemas_of_cases_are_valid_and_differ() -> None:
    cases = find_cases([ROOT])
    assert all(len(f"{case.schema}__want") <= 64 for case in cases)
    assert len({case.schema for case in cases}) == len(cases)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';', \";\", `;` /* ; */;", ["SELECT ';', \";\", `;`"]),
        ("SELECT 'it''s; \\'' -- ; comment\n;# ;\nSELECT 2", ["SELECT 'it''s; \\''", "SELECT 2"]),
        ("/*!50001 SELECT 1 */; SELECT 1--1", ["/*!50001 SELECT 1 */", "SELECT 1--1"]),
        ("DELIMITER ;;\nBEGIN; a; END ;;\nDELIMITER ;\nSELECT 3;", ["BEGIN; a; END", "SELECT 3"]),
        ("  \n-- nothing\n", []),
    ],
)
def test_statements_of_a_script(text: str, found: list[str]) -> None:
    assert statements(text) == found


def test_a_script_without_begin_is_one_transaction() -> None:
    assert transactions("SET @a = 1; UPDATE t SET a = @a") == [
        Transaction(("START TRANSACTION", "SET @a = 1", "UPDATE t SET a = @a", "COMMIT"))
    ]
    assert transactions("") == []


def test_transactions_as_written() -> None:
    text = "a; BEGIN; b; ROLLBACK TO SAVEPOINT s; ROLLBACK TO s; COMMIT; START TRANSACTION; c; ROLLBACK; BEGIN WORK; d"
    assert transactions(text) == [
        Transaction(("a",)),
        Transaction(("BEGIN", "b", "ROLLBACK TO SAVEPOINT s", "ROLLBACK TO s", "COMMIT")),
        Transaction(("START TRANSACTION", "c", "ROLLBACK"), False),
        Transaction(("BEGIN WORK", "d", "COMMIT")),
    ]


def folder_of(root: Path, name: str = "some-case", **files: str) -> Path:
    folder = root / name
    folder.mkdir()
    given = {"create.sql": "CREATE TABLE t (id INT)", "alter.sql": "ALTER TABLE t ADD a INT;", **files}
    for file, text in given.items():
        (folder / file).write_text(text)
    return folder


def test_a_case_is_read(tmp_path: Path) -> None:
    case = read_case(
        folder_of(
            tmp_path,
            **{
                "alter.sql": "ALTER TABLE `a b` ADD  a INT, DROP b;",
                "dml.sql": "DELETE FROM t",
                "expect_failure": "one thing\n\nanother\n",
                "before_columns": "id, b",
                "after_columns": "id\na",
                "order_by": "id",
                "sql_mode": "\n",
                "ddl_strategy": "--flag\n",
                "min_version": "9.0",
                "sessions": "7",
            },
        )
    )
    assert (case.name, case.table, case.clauses) == ("some-case", "a b", ("ADD a INT", "DROP b"))
    assert case.expect_failure == ("one thing", "another")
    assert (case.before_columns, case.after_columns, case.order_by) == (("id", "b"), ("id", "a"), ("id",))
    assert (case.sql_mode, case.alone, case.options) == ("", True, "--flag")
    assert (case.min_version, case.sessions, case.schema) == ((9, 0), 7, "alterd_case_some_case")


@pytest.mark.parametrize(
    ("name", "files", "words"),
    [
        ("Upper", {}, "cannot be the name"),
        ("typo", {"expect_failures": "x"}, "expect_failures"),
        ("two", {"alter.sql": "ALTER TABLE t ADD a INT; SELECT 1"}, "one statement"),
        ("no-alter", {"alter.sql": "DROP TABLE t"}, "cannot be read"),
        ("no-tables", {"create.sql": "-- nothing"}, "no create.sql"),
        ("no-words", {"expect_failure": "\n"}, "expect_failure"),
        ("columns", {"before_columns": "a"}, "differ in number"),
        ("sessions", {"sessions": "0"}, "sessions"),
        ("version", {"min_version": "new"}, "min_version"),
    ],
)
def test_a_folder_that_is_no_case(tmp_path: Path, name: str, files: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidCase, match=words):
        read_case(folder_of(tmp_path, name, **files))


def test_cases_are_found(tmp_path: Path) -> None:
    one, _ = folder_of(tmp_path, "one"), folder_of(tmp_path, "two")
    assert [case.name for case in find_cases([tmp_path])] == ["one", "two"]
    assert [case.name for case in find_cases([tmp_path], ["t*"])] == ["two"]
    assert [case.name for case in find_cases([one])] == ["one"]
    with pytest.raises(InvalidCase, match="two cases"):
        find_cases([tmp_path, one])
    with pytest.raises(InvalidCase, match="no case"):
        find_cases([tmp_path], ["none"])
    with pytest.raises(InvalidCase, match="no folder"):
        find_cases([tmp_path / "nowhere"])


SHOWN = """CREATE TABLE `t` (
  `id` int NOT NULL AUTO_INCREMENT,
  `a` int DEFAULT NULL,
  PRIMARY KEY (`id`),
  CONSTRAINT `one` CHECK ((`a` > 0)),
  CONSTRAINT `t_chk_1` CHECK ((`a` < 9)) /*!80016 NOT ENFORCED */
) ENGINE=InnoDB AUTO_INCREMENT=77 DEFAULT CHARSET=utf8mb4"""


def test_definitions() -> None:
    wanted = Definition.of(SHOWN)
    assert wanted.counter == 77
    other_names = SHOWN.replace("`t` (", "`_t``2` (").replace("`one`", "`one_x1`").replace("`t_chk_1`", "`a`")
    assert definitions_differ(Definition.of(other_names), wanted) == ""
    later = Definition.of(SHOWN.replace("=77", "=78"))
    assert counters_differ(wanted, wanted) == definitions_differ(later, wanted) == ""
    assert "is 78, MySQL's own is 77" in counters_differ(later, wanted)
    assert "`a` bigint" in definitions_differ(Definition.of(SHOWN.replace("`a` int", "`a` bigint")), wanted)
    assert "> 0" in definitions_differ(Definition.of(SHOWN.replace("> 0", "> 1")), wanted)
    assert "NOT ENFORCED" in definitions_differ(Definition.of(SHOWN.replace(" /*!80016 NOT ENFORCED */", "")), wanted)
    turned = SHOWN.replace("  `a` int DEFAULT NULL,\n", "").replace(
        "  `id` int", "  `a` int DEFAULT NULL,\n  `id` int", 1
    )
    assert "another order" in definitions_differ(Definition.of(turned), wanted)


def test_rows() -> None:
    columns, wanted = ["id", "a"], [("1", "x"), ("2", None), ("2", None)]
    assert rows_differ(list(reversed(wanted)), wanted, columns, ["id"]) == ""
    assert "row id=1 a is y, not x" in rows_differ([("1", "y"), *wanted[1:]], wanted, columns, ["id"])
    assert "row id=2 is missing" in rows_differ(wanted[:2], wanted, columns, ["id"])
    assert "row id=3 is there, or twice" in rows_differ([*wanted, ("3", "z")], wanted, columns, ["id"])
    assert "row id=1 a is NULL, not x" in rows_differ([("1", None), *wanted[1:]], wanted, columns, ["id"])
    assert "1 rows should not be there" in rows_differ([*wanted, wanted[0]], wanted, columns, ["id"])


def test_values_are_shown_by_their_bytes() -> None:
    assert expression(Column("a", "varchar"), "`a`") == "HEX(`a`)"
    assert "SHA2" in expression(Column("a", "longtext"), "`a`")
    assert "DOUBLE" in expression(Column("a", "float"), "`a`")
    assert expression(Column("a", "enum"), "`{0}`") == "CONCAT(`{0}` + 0, ':', HEX(`{0}`))"
    assert expression(Column("a", "datetime"), "`a`") == "CAST(`a` AS CHAR)"


@pytest.mark.parametrize(
    ("alter", "wanted"),
    [
        ("ALTER TABLE t ADD a INT, DROP b", "ALTER TABLE t ALGORITHM=COPY, ADD a INT, DROP b"),
        ("ALTER TABLE t ALGORITHM=INSTANT, ADD a INT, LOCK=NONE", "ALTER TABLE t ALGORITHM=COPY, ADD a INT"),
        ("ALTER TABLE t REMOVE PARTITIONING", "ALTER TABLE t ALGORITHM=COPY REMOVE PARTITIONING"),
        (
            "ALTER TABLE t ADD a INT PARTITION BY HASH (a)",
            "ALTER TABLE t ALGORITHM=COPY, ADD a INT PARTITION BY HASH (a)",
        ),
    ],
)
def test_the_oracle_copies(alter: str, wanted: str) -> None:
    assert by_copy(alter) == wanted


def test_verdicts_in_words() -> None:
    good = Verdict(case="good", outcome=Outcome.PASSED, seconds=1.5, reason="seen")
    bad = Verdict(case="bad", outcome=Outcome.FAILED, reason="a\nb")
    old = Verdict(case="old", outcome=Outcome.NOT_HERE)
    assert line_of(good).startswith("pass      good ")
    assert line_of(bad).endswith("a b")
    assert summary([good, bad, old], 3.2) == "1 of 3 cases passed in 3 s; 1 failed: bad; 1 need a newer server: old"
    assert summary([good], 1) == "1 of 1 cases passed in 1 s"


@pytest.mark.parametrize(
    "arguments", [["run"], ["run", "/nowhere"], ["run", str(ROOT), "--only", "none-such"], ["walk"]]
)
def test_misuse(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments, prog_name="alterd-cases").exit_code == 2


def test_help_explains() -> None:
    shown = CliRunner().invoke(app, ["run", "-h"], prog_name="alterd-cases")
    assert shown.exit_code == 0
    assert "Examples:" in shown.stdout
    assert "--sabotage" in shown.stdout
