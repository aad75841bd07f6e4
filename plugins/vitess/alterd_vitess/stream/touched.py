"""Row events of the watched table: which keys they touch."""

from __future__ import annotations

from typing import Final

from alterd_vitess.keys import Key
from alterd_vitess.stream.decoder import Decoder, Mismatch
from alterd_vitess.stream.events import TYPE_BEFORE, EventType
from alterd_vitess.stream.layout import Layout
from alterd_vitess.stream.statements import Watched
from alterd_vitess.stream.tablemaps import read_table_map

_ID: Final = 6
_HEAD: Final = 8
"""Bytes before schema and table in a table map, and before the columns in a row event: id and flags."""
_NO_TABLE: Final = b"\xff\xff\xff\x00\x00\x00"
"""The id in an event that only ends a statement."""
_UPDATES: Final = (EventType.UPDATE_ROWS_V1, EventType.UPDATE_ROWS)


class Touched:
    """Tables by the ids of their maps, and what a transaction touched so far."""

    def __init__(self, watched: Watched, key: Key, layout: Layout) -> None:
        self.keys: dict[bytes, None] = {}
        """Each once, in order."""
        self.rows = 0
        self.bytes = 0
        """Of the events that they came from."""
        self._watched, self._key, self._layout = watched, key, layout
        self._named = _names(watched.table_schema, watched.table)
        self._known: dict[bytes, Decoder] = {}
        self._tables: dict[bytes, Decoder | None] = {_NO_TABLE: None}
        """None: another table."""

    def forget_tables(self) -> None:
        """At the begin of a file of the binlog: ids may have another meaning in it."""
        self._tables = {_NO_TABLE: None}

    def table_map(self, data: bytes, at: int, end: int) -> None:
        """Raises `Mismatch` when the watched table has another form than at the start, ValueError."""
        number = data[at : at + _ID]
        at += _HEAD
        if not (data.startswith(self._named, at) or (self._watched.folded and self._is_watched(data, at))):
            self._tables[number] = None
            return
        body = data[at:end]
        self._tables[number] = self._known.get(body) or self._decoder(body)

    def _is_watched(self, data: bytes, at: int) -> bool:
        schema_end = at + 1 + data[at]
        table_end = schema_end + 2 + data[schema_end + 1]
        schema, table = data[at + 1 : schema_end], data[schema_end + 2 : table_end]
        return self._watched.is_schema(schema.decode()) and self._watched.is_table(table.decode())

    def _decoder(self, body: bytes) -> Decoder:
        table = read_table_map(body)
        if len(table.fields) != self._layout.columns:
            raise Mismatch(f"it has {len(table.fields)} columns instead of {self._layout.columns}")
        found = self._known[body] = Decoder(self._key, table, self._layout.positions)
        return found

    def row_event(self, decoder: Decoder, data: bytes, at: int, end: int) -> None:
        """Of the watched table. Raises `NotFull` when columns are missing, ValueError."""
        kind = data[at - TYPE_BEFORE]
        self.bytes += end - at
        at += _HEAD
        if kind > EventType.DELETE_ROWS_V1:
            at += data[at] | data[at + 1] << 8
        self.rows += decoder.read(data, at, end, self.keys, kind in _UPDATES)

    def decoder_of(self, data: bytes, at: int) -> Decoder | None:
        """Of a row event's table, None for another one than the watched. Raises ValueError without a table map."""
        try:
            return self._tables[data[at : at + _ID]]
        except KeyError:
            raise ValueError("a row event has no table map before it") from None

    def clear(self) -> None:
        """At a transaction's end, and when a part of it was sent."""
        self.keys = {}
        self.rows = self.bytes = 0


def _names(schema: str, table: str) -> bytes:
    """As they begin a table map."""
    return b"".join(bytes([len(name)]) + name + b"\0" for name in (schema.encode(), table.encode()))
