"""What may follow what is typed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from alterd_cli.sql import orders
from alterd_cli.sql.functions import NAMES
from alterd_cli.sql.statements import SCHEMA, TABLE
from alterd_contracts.declaration import Declaration
from alterd_contracts.flags import FlagKind
from alterd_contracts.migration import COLUMNS
from alterd_contracts.states import Status

_WORD: Final = re.compile(r"[@\w.-]*\Z")
_OPEN_QUOTE: Final = re.compile(
    r"(?:[^'\"\\]|\\.|'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")*(['\"])((?:(?!\1).)*)\Z", re.DOTALL
)
_BEGINNINGS: Final = (
    *("alter table", "alter vitess_migration", "alter view", "create index", "create table", "create view"),
    *("drop index", "drop table", "drop view", "exit", "help", "revert vitess_migration"),
    *("select", "set @@ddl_strategy=", "set @@migration_context="),
    *("show vitess_migration", "show vitess_migrations", "show vitess_throttled_apps"),
    *("show vitess_throttler status", "use"),
)


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """Names that may be completed."""

    keyspaces: tuple[str, ...] = ()
    shards: tuple[str, ...] = ()
    uuids: tuple[str, ...] = ()
    """Of what is pending, the newest first."""
    contexts: tuple[str, ...] = ()
    strategies: tuple[Declaration, ...] = ()


def completions(text: str, known: Known) -> tuple[str, list[str]]:
    """What stands before the cursor and would be replaced, and by what."""
    statement = _last_statement(text)
    if opened := _OPEN_QUOTE.match(statement):
        return _in_quotes(statement[: opened.start(1)].split(), opened[2], known)
    typed = _WORD.search(statement)
    begun = typed[0] if typed else ""
    before = statement[: len(statement) - len(begun)].lower().split()
    beginning = " ".join([*before, begun.lower()]) if before else begun.lower()
    if any(each.startswith(beginning) and each != beginning for each in _BEGINNINGS) and statement.strip():
        done = len(beginning) - len(begun)
        return begun, _starting((each[done:] for each in _BEGINNINGS if each.startswith(beginning)), begun)
    return begun, _starting(_following(before, known), begun)


def _following(before: Sequence[str], known: Known) -> Iterable[str]:
    if not before:
        return _BEGINNINGS
    first, last = before[0], before[-1]
    second = before[1] if len(before) > 1 else ""
    if first == "use" or (second == "vitess_migrations" and last in ("from", "in")):
        return known.keyspaces
    if second == "vitess_migration":
        return _of_one(before)
    if second == "vitess_migrations" and len(before) == 2:
        return ("from", "like", "where")
    if first in ("select", "update") or second == "vitess_migrations":
        return (*COLUMNS, *_OF_QUERIES, *NAMES)
    return ()


_OF_QUERIES: Final = (
    *("and", "as", "asc", "between", "by", "count(*)", "desc", "distinct", "from", "group", "having", "in", "interval"),
    *("is null", "is not null", "like", "limit", "not", "or", "order", "regexp", "set", "where", f"{SCHEMA}.{TABLE}"),
)


def _of_one(before: Sequence[str]) -> Iterable[str]:
    if before[0] != "alter":
        return ("logs",) if before[0] == "show" and len(before) > 2 else ()
    words = [" ".join(words).lower() for words in orders.WORDS]
    if len(before) == 2:
        return words  # for all
    if len(before) == 3 and before[2].startswith(("'", '"')):
        return words
    if before[-1] == "postpone":
        return ("complete",)
    return ("all", "expire", "ratio", "vitess_shards") if "throttle" in before else ("all", "vitess_shards")


def _in_quotes(before: Sequence[str], inside: str, known: Known) -> tuple[str, list[str]]:
    words = " ".join(before).lower()
    if "ddl_strategy" in words:
        return _strategy(inside, known)
    if "migration_context" in words:
        return inside, _starting(known.contexts, inside)
    if words.endswith(("vitess_shards", "shard =", "shard=")):
        begun = inside.rpartition(",")[2]
        return begun, _starting(known.shards, begun)
    if "migration_status" in words:
        return inside, _starting([*Status], inside)
    return inside, _starting((*known.uuids, *known.contexts) if "like" in words else known.uuids, inside)


def _strategy(inside: str, known: Known) -> tuple[str, list[str]]:
    name, blank, _ = inside.partition(" ")
    begun = inside.rpartition(" ")[2]
    if not blank:
        return begun, _starting((each.strategy for each in known.strategies), begun)
    flags = (flag for each in known.strategies if name in (each.strategy, *each.aliases) for flag in each.flags)
    return begun, _starting((f"--{flag.name}{'' if flag.kind is FlagKind.SWITCH else '='}" for flag in flags), begun)


def _starting(words: Iterable[str], begun: str) -> list[str]:
    return list(dict.fromkeys(word for word in words if word.lower().startswith(begun.lower())))


def _last_statement(text: str) -> str:
    """What follows the last end of a statement. Semicolons in quotes make it shorter than it is: no harm is done."""
    quoted = ""
    begin = 0
    for at, letter in enumerate(text):
        if quoted:
            quoted = "" if letter == quoted and text[at - 1] != "\\" else quoted
        elif letter in "'\"`":
            quoted = letter
        elif letter == ";" or (letter in "gG" and text[at - 1 : at] == "\\"):
            begin = at + 1
    return text[begin:].lstrip()
