"""A column's value as text or bytes that tell it from every other value of the column. Pure.

The parts of a row are joined by CONCAT_WS with a ``#``, which skips NULLs. So NULL is written as ``n``, which no
number, time or hash is; strings stand behind their length, so that nothing can move from one column into the next one.
"""

from __future__ import annotations

from enum import Enum, auto

from alterd_runtime.mysql.quoting import identifier
from alterd_runtime.mysql.tables import Column

INTEGERS = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
PLAIN = INTEGERS | {"decimal", "year", "date", "time", "datetime"}
"""Types whose text says all of the value, the zero dates included."""
SHORT_TEXTS = frozenset({"char", "varchar"})
LONG_TEXTS = frozenset({"tinytext", "text", "mediumtext", "longtext"})
SHORT_BYTES = frozenset({"binary", "varbinary"})
LONG_BYTES = frozenset({"tinyblob", "blob", "mediumblob", "longblob"})
LABELS = frozenset({"enum", "set"})
FLOATS = frozenset({"float", "double"})

NULL = "'n'"


class Form(Enum):
    """How a value is written."""

    TEXT = auto()
    """As the server shows it."""
    DOUBLE = auto()
    """With all of its digits; FLOAT shows six of them."""
    NUMBER = auto()
    """Bits as a number."""
    INSTANT = auto()
    """TIMESTAMP as seconds since 1970: an hour that a time zone has twice is two."""
    STRING = auto()
    """Length and bytes."""
    LABEL = auto()
    """Length and bytes, and whether it is the label of nothing: ``''`` may also be a member."""
    HASHED = auto()
    """What may be large is hashed by itself: a text beyond max_allowed_packet would become NULL, and be passed over."""


_FORMS = {
    **dict.fromkeys(PLAIN, Form.TEXT),
    **dict.fromkeys(FLOATS, Form.DOUBLE),
    **dict.fromkeys(SHORT_TEXTS | SHORT_BYTES, Form.STRING),
    **dict.fromkeys(("enum", "set"), Form.LABEL),
    "bit": Form.NUMBER,
    "timestamp": Form.INSTANT,
}


def form_of(column: Column) -> Form:
    """The form of a column's values."""
    return _FORMS.get(column.data_type, Form.HASHED)


_WRITTEN = {
    Form.TEXT: "{}",
    Form.DOUBLE: "CAST({} AS DOUBLE)",
    Form.NUMBER: "CAST({} AS UNSIGNED)",
    Form.INSTANT: "UNIX_TIMESTAMP({})",
    Form.HASHED: "SHA2({}, 224)",
    Form.STRING: "LENGTH({})",
    Form.LABEL: "LENGTH({})",
}


def written(column: Column, form: Form) -> tuple[str, ...]:
    """The parts of a row that write the column, which is named bare."""
    name = identifier(column.name)
    first = _WRITTEN[form].replace("{}", name)
    # the server's own word on NOT NULL saves the question in most columns
    parts = [f"IFNULL({first}, {NULL})" if column.nullable else first]
    if form in (Form.STRING, Form.LABEL):
        parts.append(f"CAST({name} AS BINARY)")
    if form is Form.LABEL:
        parts.append(f"CAST({name} AS UNSIGNED) = 0")
    return tuple(parts)
