"""What a change of a column's type means to keys. Pure.

*Apart*: different values stay different, so that a row of the shadow is found by what its source's value became.
*Same*: values compare and order in both as if nothing had changed, so that one literal, and one range, serve for both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from alterd_runtime.mysql.tables import Column

INTEGERS: Final = frozenset({"tinyint", "smallint", "mediumint", "int", "bigint"})
TEXTS: Final = frozenset({"char", "varchar"})
_DOUBLED: Final = frozenset({"big5", "cp932", "eucjpms", "euckr", "gb18030", "gb2312", "gbk", "sjis", "ujis"})
"""Character sets that may have several codes for one character, as cp932 has."""
_NO_PAD: Final = "_0900_"
"""In the names of collations for which spaces at the end count; `binary` and these."""


def is_same(old: Column, new: Column) -> bool:
    """Whether both columns mean and order the same by the same literal. What does not fit fails by itself."""
    if old.data_type in INTEGERS and new.data_type in INTEGERS:
        return True
    if old.data_type in TEXTS and new.data_type in TEXTS:
        return old.collation == new.collation and not _loses_spaces(old, new)
    return old.data_type == new.data_type and _SAME.get(old.data_type, _no_finer)(old, new)


def stays_apart(old: Column, new: Column) -> bool:
    """Whether no two values of `old` become one of `new`, but for texts that are equal in some collation."""
    if is_same(old, new):
        return True
    rule = _APART.get(old.data_type)
    return rule is not None and rule(old, new)


def _loses_spaces(old: Column, new: Column) -> bool:
    """A CHAR has no spaces at its end."""
    return old.data_type == "varchar" and new.data_type == "char" and _counts_spaces(old)


def _counts_spaces(column: Column) -> bool:
    return _NO_PAD in column.collation


def _no_finer(old: Column, new: Column) -> bool:
    return new.fsp >= old.fsp


def _same_labels(old: Column, new: Column) -> bool:
    return old.collation == new.collation and new.labels[: len(old.labels)] == old.labels


_SAME: Final[dict[str, Callable[[Column, Column], bool]]] = {
    "decimal": lambda old, new: old.scale == new.scale,
    "binary": lambda old, new: old.length == new.length,
    "enum": _same_labels,
    "set": _same_labels,
}
"""Of one type; the others but for those with a fraction of the second cannot differ in what matters."""


def _number(old: Column, new: Column) -> bool:
    if new.data_type == "decimal" or new.data_type in INTEGERS:
        return True
    return new.data_type in TEXTS and not old.zerofill


def _decimal(old: Column, new: Column) -> bool:
    return (new.data_type in TEXTS and not old.zerofill) or (new.data_type == "decimal" and new.scale >= old.scale)


def _date(_: Column, new: Column) -> bool:
    return new.data_type in TEXTS or new.data_type == "datetime"


def _moment(old: Column, new: Column) -> bool:
    return new.data_type in TEXTS or (new.data_type == old.data_type and new.fsp >= old.fsp)


def _binary(_: Column, new: Column) -> bool:
    return new.data_type == "varbinary"  # a longer BINARY does not go back into the shorter one


def _text(old: Column, new: Column) -> bool:
    if new.data_type in TEXTS:
        doubled = old.charset in _DOUBLED and old.charset != new.charset
        return not doubled and not _loses_spaces(old, new)
    return new.data_type == "varbinary"


def _label(old: Column, new: Column) -> bool:
    if new.data_type == old.data_type:
        return True
    return new.data_type in TEXTS and "" not in old.labels


_APART: Final[dict[str, Callable[[Column, Column], bool]]] = {
    **dict.fromkeys(INTEGERS, _number),
    "year": lambda _, new: new.data_type in INTEGERS,
    "bit": lambda _, new: new.data_type in INTEGERS,
    "decimal": _decimal,
    "date": _date,
    **dict.fromkeys(("datetime", "time"), _moment),
    "binary": _binary,
    **dict.fromkeys(TEXTS, _text),
    "enum": _label,
    "set": _label,
}
