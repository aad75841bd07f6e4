"""Identifiers in SQL text."""

from __future__ import annotations

from alterd_contracts.errors import InvalidName

MAX_LENGTH = 64
_BLANKS = " \t\n\v\f\r"


def check_identifier(name: str) -> str:
    """`name` if MySQL takes it for a schema, table or column, else `InvalidName`."""
    if not name:
        why = "it is empty"
    elif len(name) > MAX_LENGTH:
        why = f"it has more than {MAX_LENGTH} characters"
    elif "\0" in name:
        why = "it holds a NUL"
    elif any(letter > "\uffff" or "\ud800" <= letter <= "\udfff" for letter in name):
        why = "it holds a character beyond U+FFFF"
    elif name[-1] in _BLANKS:
        why = "it ends with a blank"
    else:
        return name
    shown = ascii(name[:80])
    raise InvalidName(f"{shown} cannot be the name of a schema, table or column: {why}", identifier=shown)


def identifier(name: str) -> str:
    """`name` in back quotes. Raises `InvalidName`."""
    return "`" + check_identifier(name).replace("`", "``") + "`"


def qualified(schema: str, table: str) -> str:
    """``schema.table`` in back quotes. Raises `InvalidName`."""
    return f"{identifier(schema)}.{identifier(table)}"
