"""Why a statement is not taken, and how messages name it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from sqlglot import Token

from alterd_contracts.errors import UnsupportedStatement
from alterd_intake.statements.heads import program
from alterd_runtime.sql.words import Words, shown

EXCERPT: Final = 80
"""Characters of a statement that a message shows."""

TAKEN: Final = "CREATE, ALTER and DROP of tables and views, CREATE INDEX and DROP INDEX are taken"

_REASONS: Final[dict[str, tuple[str, str]]] = {
    "RENAME": ("RENAME TABLE is not managed", "it takes effect at once: run it on the shards in your own time"),
    "TRUNCATE": (
        "TRUNCATE TABLE is not managed",
        "DROP TABLE and CREATE TABLE in one script leave an empty table, and the rows can be had back",
    ),
    "DELIMITER": (
        "DELIMITER is a command of the mysql client, not of the server; nothing after it was read",
        "statements are parted by semicolons",
    ),
}


def unsupported(words: Words) -> UnsupportedStatement:
    """The error for a statement of a sort that is not taken."""
    first, second = words[0], words[1]
    if first in _REASONS:
        message, hint = _REASONS[first]
        return UnsupportedStatement(message, hint=hint)
    if first in ("CREATE", "ALTER", "DROP"):
        if second == "TEMPORARY":
            return UnsupportedStatement(
                f"{first} TEMPORARY TABLE is not managed",
                hint="a temporary table belongs to one session: make it in that session",
            )
        if made := program(words):
            rest = "; nothing after it was read" if ends_reading(words) else ""
            return UnsupportedStatement(f"{first} {made} is not managed{rest}", hint=TAKEN)
        kind = words.skip(1, "OR", "REPLACE")
        what = f" {shown(words.tokens[kind])}" if kind < len(words) else ""
        return UnsupportedStatement(f"{words.slice(0, kind)}{what} is not managed", hint=TAKEN)
    return UnsupportedStatement(f"{shown(words.tokens[0])} begins no schema change", hint=TAKEN)


def ends_reading(words: Words) -> bool:
    """Whether what follows a refused statement cannot be told apart from its body."""
    return words[0] == "DELIMITER" or (words[0] == "CREATE" and program(words) != "")


def excerpt(tokens: Iterable[Token], number: int) -> str:
    """How messages name a statement: its number and how it begins. Strings are not shown, they may be secrets."""
    begin, end = "", -1
    for token in tokens:
        begin += f" {shown(token)}" if -1 < end < token.start - 1 else shown(token)
        end = token.end
        if len(begin) > EXCERPT:
            begin = f"{begin[: EXCERPT - 1]}…"
            break
    return f"{number}: {begin}"
