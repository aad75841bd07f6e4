"""Identifiers and values in SQL text, without a server."""

from __future__ import annotations

from typing import Any, cast

import pytest

from alterd_contracts.errors import InvalidName
from alterd_runtime.mysql.binding import bind
from alterd_runtime.mysql.quoting import check_identifier, identifier, qualified


class Escaper:
    """Stands for the one thing of a connection that binding uses."""

    def escape(self, value: object) -> str:
        return f"<{value}>"


def bound(sql: str, *params: object) -> str:
    return bind(cast("Any", Escaper()), sql, params)


def test_identifiers_are_quoted() -> None:
    assert identifier("a`b") == "`a``b`"
    assert qualified("s", "t.u") == "`s`.`t.u`"


@pytest.mark.parametrize("name", ["", "a" * 65, "a\0b", "a ", "a\n", "\U0001f600", "\ud800"])
def test_what_mysql_refuses_is_refused(name: str) -> None:
    with pytest.raises(InvalidName):
        check_identifier(name)


def test_places_in_quotes_are_text() -> None:
    sql = "SELECT `a%s```, '%s''\\'%s', \"%s\", %s FROM `b%%` WHERE c LIKE 'x%' AND d = %s"
    expected = "SELECT `a%s```, '%s''\\'%s', \"%s\", <1> FROM `b%%` WHERE c LIKE 'x%' AND d = <2>"
    assert bound(sql, 1, 2) == expected


def test_values_are_not_read_again() -> None:
    assert bound("SELECT %s, %s", "%s", "b") == "SELECT <%s>, <b>"


def test_without_values_nothing_is_touched() -> None:
    assert bound("SELECT 5 % 3, '%s', %s") == "SELECT 5 % 3, '%s', %s"


@pytest.mark.parametrize("params", [(1,), (1, 2, 3)])
def test_counts_must_agree(params: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="2 values"):
        bound("SELECT %s, %s", *params)
