"""One schema change, as intake read it: what the other parts know of a statement without parsing SQL."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Literal

import msgspec

DdlAction = Literal["create", "alter", "drop"]


class StatementKind(StrEnum):
    """The statements that can be managed."""

    CREATE_TABLE = "create_table"
    ALTER_TABLE = "alter_table"
    DROP_TABLE = "drop_table"
    CREATE_VIEW = "create_view"
    ALTER_VIEW = "alter_view"
    DROP_VIEW = "drop_view"

    @property
    def ddl_action(self) -> DdlAction:
        return _ACTIONS[self]

    @property
    def is_view(self) -> bool:
        return self in _VIEWS


_VIEWS = frozenset({StatementKind.CREATE_VIEW, StatementKind.ALTER_VIEW, StatementKind.DROP_VIEW})
_ACTIONS: dict[StatementKind, DdlAction] = {
    StatementKind.CREATE_TABLE: "create",
    StatementKind.ALTER_TABLE: "alter",
    StatementKind.DROP_TABLE: "drop",
    StatementKind.CREATE_VIEW: "create",
    StatementKind.ALTER_VIEW: "alter",
    StatementKind.DROP_VIEW: "drop",
}


_LITERAL = re.compile(r"'(?:[^'\\]|\\.|'')*'?|\"(?:[^\"\\]|\\.|\"\")*\"?", re.DOTALL)
_SHOWN = 80


def masked(sql: str) -> str:
    """`sql` without what stands in quotes: it may be a secret, and the text may go into logs and events."""
    return _LITERAL.sub("'…'", sql)


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """One statement about one table or view."""

    kind: StatementKind
    ddl_action: DdlAction
    is_view: bool = False
    table: str
    """Name of the table or view, unquoted, without its schema."""
    sql: str
    """What is run: the user's own text without comments, qualifier and semicolon; CREATE and DROP INDEX as ALTER."""
    original: str = ""
    """What the user wrote between two semicolons, comments included; shared by the tables of one DROP."""
    if_exists: bool = False
    if_not_exists: bool = False
    number: int = 1
    """Position in the script from 1, each table of a DROP counted."""
    qualifier: str = ""
    """The schema that the user wrote before the name, empty for none."""
    tables: tuple[str, ...] = ()
    """Other tables and views of the same schema that the statement names: LIKE, REFERENCES, and (found by a simple
    reading of the text) what a view selects from."""

    @property
    def label(self) -> str:
        """How errors name it: ``2: ALTER TABLE t …``."""
        text = " ".join(masked(self.sql).split())
        return f"{self.number}: {text if len(text) <= _SHOWN else text[: _SHOWN - 1] + '…'}"
