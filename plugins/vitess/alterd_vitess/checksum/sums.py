"""Which expression sums a row of the source, and which one a row of the shadow. Pure.

*Direct*: every column means the same in both tables, so the source's rows are summed where they stand. Otherwise the
server's own conversion is the oracle: the source's rows pass through a temporary table with the shadow's columns, and
both sides are summed by one expression.

Columns that nothing of the source fills (generated ones, and those that get their defaults) are not compared, but for
those of the key: the server computes them in the statement that writes the row.
"""

from __future__ import annotations

import msgspec

from alterd_runtime.mysql.quoting import identifier
from alterd_runtime.mysql.tables import Column, Table
from alterd_vitess.checksum.forms import (
    INTEGERS,
    LONG_BYTES,
    LONG_TEXTS,
    SHORT_TEXTS,
    Form,
    form_of,
    written,
)
from alterd_vitess.mapping import Filled, Mapping

_TEXTS = SHORT_TEXTS | LONG_TEXTS
_GROWING_BYTES = LONG_BYTES | {"varbinary"}


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """How rows are written as one text each."""

    direct: bool
    source: str
    """Over the source's bare columns; where not `direct`, the same as `shadow`."""
    shadow: str
    """Over the shadow's bare columns."""


def sums_of(source: Table, shadow: Table, mapping: Mapping) -> Sums:
    """How `source` and `shadow` are summed."""
    ours, theirs = _direct(source, shadow, mapping)
    if ours:
        return Sums(direct=True, source=_joined(ours), shadow=_joined(theirs))
    parts = [part for each in _summed_columns(mapping) for part in _parts(_column(shadow, each))]
    return Sums(direct=False, source=_joined(parts), shadow=_joined(parts))


def hashed(row: str) -> str:
    """Of the text of a row, what is summed."""
    return f"UNHEX(SHA2({row}, 224))"


def summed(row: str) -> str:
    """Count and sum of rows, for SELECT. Equal rows would cancel each other, but their keys are a part of the text."""
    return f"COUNT(*) AS `rows`, BIT_XOR({hashed(row)}) AS `sum`"


def _summed_columns(mapping: Mapping) -> list[Filled]:
    """What is filled, and columns of the key that are generated in both tables."""
    taken = {each.name for each in mapping.filled}
    key = (
        Filled(name=new.name, expression=identifier(old.name))
        for old, new in zip(mapping.key.columns, mapping.target.columns, strict=True)
    )
    return [*mapping.filled, *(each for each in key if each.name not in taken)]


def _direct(source: Table, shadow: Table, mapping: Mapping) -> tuple[list[str], list[str]]:
    """The parts of both sides; nothing where some column may be converted."""
    columns = {identifier(column.name): column for column in source.columns}
    ours: list[str] = []
    theirs: list[str] = []
    for each in _summed_columns(mapping):
        new = _column(shadow, each)
        old = columns.get(each.expression)
        if old is not None:
            form = same_form(old, new)
            if form is None:
                return [], []
            ours += written(old, form)
            theirs += written(new, form)
        elif "`" in each.expression:
            return [], []  # computed of columns
        else:
            ours.append("1")
            theirs.append(_is(new, each.expression))
    return ours, theirs


def same_form(old: Column, new: Column) -> Form | None:
    """The form in which a value of `old` reads the same once it is in `new`; None where that is not certain.

    What does not fit into the new type fails under strict mode, but for blanks at a text's end, which are cut off.
    """
    kinds = {old.data_type, new.data_type}
    if old.charset != new.charset:
        return None
    if kinds <= _TEXTS or kinds <= _GROWING_BYTES:
        return _string(old, new)
    return form_of(new) if old.declared == new.declared or _only_wider(old, new) else None


def _only_wider(old: Column, new: Column) -> bool:
    """Numbers that read the same in both types."""
    kinds = {old.data_type, new.data_type}
    if "zerofill" in f"{old.column_type} {new.column_type}":  # read with zeros before them
        return False
    return kinds <= INTEGERS or kinds == {"bit"} or (kinds == {"decimal"} and old.scale == new.scale)


def _string(old: Column, new: Column) -> Form | None:
    """Texts and bytes that may only grow; only a CHAR reads without the blanks at its end."""
    if new.length < old.length or (new.data_type == "char" and old.data_type != "char"):
        return None
    return Form.HASHED if Form.HASHED in (form_of(old), form_of(new)) else Form.STRING


def _is(column: Column, value: str) -> str:
    """Whether the column has the constant that the ALTER gives it."""
    name = identifier(column.name)
    form = form_of(column)
    if form is Form.LABEL and value.isdigit():
        return f"CAST({name} AS UNSIGNED) <=> {value}"
    if form in (Form.STRING, Form.LABEL) or column.data_type in LONG_TEXTS | LONG_BYTES:
        return f"CAST({name} AS BINARY) <=> CAST({value} AS BINARY)"
    return f"{name} <=> {value}"


def _parts(column: Column) -> tuple[str, ...]:
    return written(column, form_of(column))


def _joined(parts: list[str]) -> str:
    return f"CONCAT_WS('#', {', '.join(parts)})"


def _column(shadow: Table, filled: Filled) -> Column:
    column = shadow.column(filled.name)
    if column is None:
        raise LookupError(f"{shadow.name} has no column {filled.name}")
    return column


def _charset(column: Column) -> str:
    return column.collation.partition("_")[0]
