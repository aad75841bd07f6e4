"""What gh-ost believes an ALTER does to columns: it looks for a few words, and what it does not find it loses. Pure.

A column whose renaming it does not see is, for it, dropped and another one added: its values are gone, and nobody is
told. So what it finds must be what the statement says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from alterd_runtime.sql import Clause, ClauseKind

_FLAGS: Final = re.IGNORECASE | re.ASCII
_TEXTS: Final = re.compile(r"'[^']*'")
_RENAMED: Final = re.compile(r"\bchange\s+(?:column\s+|)(\S+)\s+(\S+)\s+", _FLAGS)
_DROPPED: Final = re.compile(r"\bdrop\s+(?:column\s+|)(\S+)\Z", _FLAGS)
_RENAMES_TABLE: Final = re.compile(r"\brename\s+(?:to|as)\s+", _FLAGS)
_NAMES_TABLE: Final = re.compile(r"\balter\s+table\s+(?:`[^`]+`|\S+)\s+.*$", _FLAGS)
# the patterns are gh-ost's own (go/sql/parser.go), so that they find what it finds


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of columns."""

    renamed: dict[str, str]
    dropped: frozenset[str]


def as_it_is(clauses: Sequence[Clause]) -> Columns:
    """What the statement says."""
    renames = {ClauseKind.CHANGE_COLUMN, ClauseKind.RENAME_COLUMN}
    return Columns(
        renamed={each.name: each.new_name for each in clauses if each.kind in renames and each.new_name != each.name},
        dropped=frozenset(each.name for each in clauses if each.kind is ClauseKind.DROP_COLUMN),
    )


def as_it_reads(alter: str) -> Columns:
    """What gh-ost finds in the clauses."""
    renamed: dict[str, str] = {}
    dropped: set[str] = set()
    for part in _parts(alter):
        plain = _TEXTS.sub("''", part)
        renamed.update({_unquoted(old): _unquoted(new) for old, new in _RENAMED.findall(plain)})
        dropped.update(_unquoted(name) for name in _DROPPED.findall(plain))
    return Columns(
        renamed={old: new for old, new in renamed.items() if old != new},
        dropped=frozenset(dropped),
    )


def misread(alter: str, clauses: Sequence[Clause], columns: Sequence[str]) -> str:
    """What it misunderstands, in words; empty where it reads the clauses as they are.

    `columns`: names of the table's columns, as they are written there.
    """
    if any(_NAMES_TABLE.search(part) for part in (alter, *alter.splitlines())):
        return "it takes a text within the statement for the name of a table"
    if any(_RENAMES_TABLE.search(_TEXTS.sub("''", part)) for part in _parts(alter)):
        return "it takes the statement for one that renames the table"
    is_so, reads = as_it_is(clauses), as_it_reads(alter)
    real = {name.lower(): name for name in columns}
    for old, new in is_so.renamed.items():
        there = real.get(old.lower(), old)
        if old.lower() == new.lower():
            continue  # it compares names without regard to their case
        if reads.renamed.get(there) != new:
            how = "write CHANGE COLUMN, the name as the table has it and the whole definition"
            return f"it would not see that {there} becomes {new}, and lose its values ({how})"
    for old, new in reads.renamed.items():
        if is_so.renamed.get(old) != new and old.lower() in real:
            return f"it would take {old} for renamed to {new}"
    wrong = {name.lower() for name in is_so.dropped} ^ {name.lower() for name in reads.dropped if name.lower() in real}
    if wrong:
        return f"it does not see rightly whether these columns are dropped: {', '.join(sorted(wrong))}"
    return ""


def _parts(alter: str) -> Iterator[str]:
    """Clauses, as gh-ost cuts them: at commas outside of '…' and (…), which it does not nest."""
    part, until = "", ""
    for letter in alter:
        if letter == until:
            until = ""
        elif until:
            pass
        elif letter == "'":
            until = "'"
        elif letter == "(":
            until = ")"
        elif letter == ",":
            if part:
                yield part.strip()
            part = ""
            continue
        part += letter
    if part:
        yield part.strip()


def _unquoted(name: str) -> str:
    for quote in ("`", '"'):
        if len(name) >= 2 and name[0] == name[-1] == quote and quote not in name[1:-1]:
            return name[1:-1]
    return name
