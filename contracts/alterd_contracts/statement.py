"""One schema change, as intake read it."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class StatementKind(StrEnum):
    """What a statement does."""

    CREATE_TABLE = "create_table"
    ALTER_TABLE = "alter_table"
    DROP_TABLE = "drop_table"
    CREATE_VIEW = "create_view"
    ALTER_VIEW = "alter_view"
    DROP_VIEW = "drop_view"


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """A statement that can become a migration."""

    kind: StatementKind
    ddl_action: str
    """``create``, ``alter`` or ``drop``."""
    is_view: bool = False
    table: str
    """The table's or view's name, unquoted."""
    sql: str
    """What is run: the user's own text, comments and schema qualifier removed, executable comments unwrapped."""
    original: str
    """As it was written."""
    if_exists: bool = False
    if_not_exists: bool = False
    number: int = 1
    """Position in the script, from 1, after splitting."""
    qualifier: str = ""
    """The schema the user wrote before the name."""
    tables: tuple[str, ...] = ()
    """Other tables it names."""
