"""Values in SQL text.

``%s`` stands for a value only outside of quotes and back quotes, and no other ``%`` means anything: quoted
identifiers can be put into a statement whatever they hold.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from pymysql.connections import Connection

_TOKEN = re.compile(
    r"`(?:[^`]|``)*`"  # identifier
    r"|'(?:[^'\\]|\\.|'')*'"
    r'|"(?:[^"\\]|\\.|"")*"'
    r"|%s",
    re.DOTALL,
)


def bind(connection: Connection[Any], sql: str, params: Sequence[Any]) -> str:
    """`sql` with `params` escaped in the places of its ``%s``; without params `sql` as it is.

    A sequence as a value becomes ``(a, b, c)``. Raises ValueError when the counts differ.
    """
    if not params:
        return sql
    values: Iterator[Any] = iter(params)
    places = 0

    def place(match: re.Match[str]) -> str:
        nonlocal places
        if match.group() != "%s":
            return match.group()
        places += 1
        return connection.escape(next(values)) if places <= len(params) else "%s"

    bound = _TOKEN.sub(place, sql)
    if places != len(params):
        raise ValueError(f"the statement has places for {places} values, {len(params)} were given")
    return bound
