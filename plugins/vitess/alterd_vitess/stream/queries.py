"""Statements in the binlog: query events. Pure."""

from __future__ import annotations

import codecs
from collections.abc import Callable
from typing import Final

import msgspec
from pymysql.charset import charset_by_id

_HEAD: Final = 13
_MANY: Final = 254
"""Schemas that were touched: more than the event names."""
_MODE: Final = 1
_CHARSET: Final = 4
_UPDATED: Final = 12


class Query(msgspec.Struct, frozen=True):
    """A statement, and what its session was like."""

    text: str
    schema: str
    """The session's default one, empty for none."""
    updated: frozenset[str] | None
    """Schemas that it wrote to; None where it is not known."""
    sql_mode: int | None


def text_at(data: bytes, at: int) -> int:
    """Where the statement begins; `at`: where the event's body does."""
    return at + _HEAD + (data[at + 11] | data[at + 12] << 8) + data[at + 8] + 1


def read_query(data: bytes, at: int, end: int) -> Query:
    """The statement in the body from `at` to `end`, without checksum."""
    text = text_at(data, at)
    status = data[at + _HEAD : text - data[at + 8] - 1]
    variables = _variables(status)
    encoding = "utf-8"
    if _CHARSET in variables:
        encoding = _encoding(int.from_bytes(variables[_CHARSET][:2], "little"))
    mode = variables.get(_MODE)
    return Query(
        text=data[text:end].decode(encoding, "replace"),
        schema=data[text - data[at + 8] - 1 : text - 1].decode("utf-8", "replace"),
        updated=_schemas(variables.get(_UPDATED)),
        sql_mode=None if mode is None else int.from_bytes(mode, "little"),
    )


def _encoding(charset: int) -> str:
    try:
        return codecs.lookup(charset_by_id(charset).encoding).name
    except (KeyError, LookupError):
        return "utf-8"


def _schemas(value: bytes | None) -> frozenset[str] | None:
    if value is None or value[0] == _MANY:
        return None
    return frozenset(name.decode("utf-8", "replace") for name in value[1:].split(b"\0")[: value[0]])


def _text(status: bytes, at: int) -> int:
    return at + 1 + status[at]


def _old_catalog(status: bytes, at: int) -> int:
    return at + 2 + status[at]


def _two_texts(status: bytes, at: int) -> int:
    return _text(status, _text(status, at))


def _names(status: bytes, at: int) -> int:
    if status[at] == _MANY:
        return at + 1
    end = at + 1
    for _ in range(status[at]):
        end = status.index(b"\0", end) + 1
    return end


_FIXED: Final = {
    0: 4,  # flags2
    _MODE: 8,
    3: 4,  # auto_increment
    _CHARSET: 6,
    7: 2,  # lc_time_names
    8: 2,  # charset of the schema
    9: 8,  # tables of a multi-table update
    10: 4,  # bytes written by the source
    13: 3,  # microseconds
    16: 1,  # explicit_defaults_for_timestamp
    17: 8,  # xid of the DDL
    18: 2,  # default collation for utf8mb4
    19: 1,  # sql_require_primary_key
    20: 1,  # default_table_encryption
}
_VARIABLE: Final[dict[int, Callable[[bytes, int], int]]] = {
    2: _old_catalog,
    5: _text,  # time zone
    6: _text,  # catalog
    11: _two_texts,  # invoker
    _UPDATED: _names,
}


def _variables(status: bytes) -> dict[int, bytes]:
    """By code. Empty of what stands behind an unknown one: its length is not known."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(status):
        code = status[at]
        at += 1
        if code in _FIXED:
            end = at + _FIXED[code]
        elif code in _VARIABLE:
            end = _VARIABLE[code](status, at)
        else:
            break
        found[code] = status[at:end]
        at = end
    return found
