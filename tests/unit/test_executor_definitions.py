"""What definitions tell of a statement that may have run."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alterd_direct.definitions import UNKNOWN, Present, Remembered, judge, repeatable
from alterd_runtime.mysql.scratch import without_auto_increment

DEFINITION = st.sampled_from([None, "CREATE TABLE `t` (a)", "CREATE TABLE `t` (a, b)", "CREATE TABLE `t` (c)"])


def remembered(before: str | None, after: str | None) -> Remembered:
    return Remembered(attempt=1, before=before, after=after)


@given(DEFINITION, DEFINITION, DEFINITION)
def test_a_change_is_seen_only_where_the_definition_became_what_was_expected(
    before: str | None, after: str | None, present: str | None
) -> None:
    found = judge(remembered(before, after), present, again=True)
    if present == before:
        assert found is Present.UNCHANGED
    elif present == after:
        assert found is Present.CHANGED
    else:
        assert found is Present.UNCLEAR


@given(DEFINITION)
def test_an_unchanged_definition_says_nothing_of_a_statement_that_must_run_once(text: str | None) -> None:
    assert judge(remembered(text, text), text, again=False) is Present.UNCLEAR
    assert judge(remembered(text, UNKNOWN), text, again=False) is Present.UNCLEAR
    assert judge(remembered(text, UNKNOWN), text, again=True) is Present.UNCHANGED


def test_an_expectation_that_could_not_be_made() -> None:
    assert judge(remembered(None, UNKNOWN), "CREATE VIEW v", again=True) is Present.CHANGED
    assert judge(remembered("old", UNKNOWN), "new", again=True) is Present.UNCLEAR
    assert judge(remembered("old", UNKNOWN), None, again=True) is Present.UNCLEAR


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE t EXCHANGE PARTITION p WITH TABLE u",
        "alter table t truncate\n partition p0",
        "ALTER TABLE t DISCARD TABLESPACE",
        "ALTER TABLE t IMPORT PARTITION p0, p1 TABLESPACE",
    ],
)
def test_what_moves_rows_under_an_unchanged_definition_is_not_sent_twice(sql: str) -> None:
    assert not repeatable(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE t ENGINE=InnoDB",
        "ALTER TABLE t FORCE",
        "ALTER TABLE t REBUILD PARTITION p0",
        "ALTER TABLE t AUTO_INCREMENT = 7",
        "ALTER TABLE `exchange partition` FORCE",
        "ALTER TABLE t COMMENT 'truncate partition'",
    ],
)
def test_a_rebuild_may_be_sent_twice(sql: str) -> None:
    assert repeatable(sql)


@pytest.mark.parametrize(
    ("shown", "kept"),
    [
        (
            "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB AUTO_INCREMENT=12 DEFAULT CHARSET=utf8mb4",
            "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4",
        ),
        (
            "CREATE TABLE `t` (\n  `a` int\n) /*!50100 TABLESPACE `x` */ ENGINE=InnoDB AUTO_INCREMENT=2 COMMENT='c'",
            "CREATE TABLE `t` (\n  `a` int\n) /*!50100 TABLESPACE `x` */ ENGINE=InnoDB COMMENT='c'",
        ),
        (
            "CREATE TABLE `t` (\n  `a` int COMMENT ') ENGINE=InnoDB AUTO_INCREMENT=3'\n) ENGINE=InnoDB",
            "CREATE TABLE `t` (\n  `a` int COMMENT ') ENGINE=InnoDB AUTO_INCREMENT=3'\n) ENGINE=InnoDB",
        ),
        (
            "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB COMMENT=' AUTO_INCREMENT=3'",
            "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB COMMENT=' AUTO_INCREMENT=3'",
        ),
    ],
)
def test_only_the_counter_is_taken_out(shown: str, kept: str) -> None:
    assert without_auto_increment(shown) == kept
