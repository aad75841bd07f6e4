"""Texts of views under other names."""

from __future__ import annotations

import pytest

from alterd_contracts.errors import SyntaxRefused
from alterd_direct.views import Head, read_view, shown_as, shown_head

SHOWN = (
    "CREATE ALGORITHM=MERGE DEFINER=`o``dd`@`10.0.%` SQL SECURITY INVOKER VIEW `v` (`VIEW ``v```) AS select 1 AS `v`"
)


@pytest.mark.parametrize(
    ("sql", "made"),
    [
        (
            "ALTER VIEW v AS SELECT 1",
            "ALGORITHM=MERGE DEFINER=`o``dd`@`10.0.%` SQL SECURITY INVOKER VIEW `x` AS SELECT 1",
        ),
        (
            "alter algorithm = undefined view `v`(`a`)as select 'VIEW v' with check option",
            "ALGORITHM=MERGE DEFINER=`o``dd`@`10.0.%` SQL SECURITY INVOKER VIEW `x` "
            "(`a`)as select 'VIEW v' with check option",
        ),
        (
            "ALTER ALGORITHM=TEMPTABLE DEFINER = u@10.0.0.1 VIEW v AS SELECT 1",
            "ALGORITHM=TEMPTABLE DEFINER = u@10.0.0.1 SQL SECURITY INVOKER VIEW `x` AS SELECT 1",
        ),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", "VIEW `x` AS SELECT 1"),
        (
            "CREATE OR REPLACE DEFINER=CURRENT_USER() SQL SECURITY DEFINER VIEW v AS SELECT 1",
            "DEFINER=CURRENT_USER() SQL SECURITY DEFINER VIEW `x` AS SELECT 1",
        ),
    ],
)
def test_what_is_made_under_another_name(sql: str, made: str) -> None:
    assert read_view(sql).create("x", shown_head(SHOWN)) == f"CREATE OR REPLACE {made}"


def test_what_a_statement_says_of_the_view_it_meets() -> None:
    assert read_view("ALTER VIEW v AS SELECT 1").alters
    assert read_view("CREATE OR REPLACE VIEW v AS SELECT 1").replaces
    assert not read_view("CREATE VIEW IF NOT EXISTS v AS SELECT 1").replaces
    with pytest.raises(SyntaxRefused):
        read_view("CREATE TABLE v (id int)")


def test_a_definition_under_another_name() -> None:
    assert shown_as(SHOWN, "w") == SHOWN.replace("VIEW `v` ", "VIEW `w` ")
    assert shown_head(SHOWN) == Head(
        algorithm="ALGORITHM=MERGE", definer="DEFINER=`o``dd`@`10.0.%`", security="SQL SECURITY INVOKER"
    )
    with pytest.raises(SyntaxRefused):
        shown_head("CREATE TABLE `v` (`id` int)")
