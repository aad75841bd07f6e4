"""CHAR and VARCHAR: the bytes tell one text from another; which comes first, only the server's collation knows."""

from __future__ import annotations

import codecs
from typing import Any, Final

from pymysql.charset import charset_by_name

from alterd_vitess.keys.binaries import SHOWN
from alterd_vitess.keys.column import At, Image, KeyColumn

_STRING: Final = 254
_VARCHAR: Final = 15
_END: Final = b"\0\0"


def text_of(piece: bytes) -> bytes:
    """The text's bytes."""
    return piece[: -len(_END)].replace(b"\0\xff", b"\0")


class Texts:
    """Pieces are the bytes in the column's own charset, a NUL as NUL FF, with NUL NUL behind them."""

    ordered: Final = False
    listed: Final = True

    def size(self, _column: KeyColumn) -> int:
        return 0

    def selected(self, _column: KeyColumn, name: str) -> str:
        return f"CAST({name} AS BINARY)"

    def from_value(self, column: KeyColumn, value: Any) -> bytes:
        if not isinstance(value, (bytes, bytearray)):
            raise TypeError(f"a {column.data_type.upper()} was read as {type(value).__name__}")
        return bytes(value).replace(b"\0", b"\0\xff") + _END

    def literal(self, column: KeyColumn, piece: bytes) -> str:
        value = text_of(piece)
        return f"_{column.charset} 0x{value.hex()}" if value else f"_{column.charset}''"

    def shown(self, column: KeyColumn, piece: bytes) -> str:
        value = text_of(piece)
        try:
            text = value.decode(codecs.lookup(charset_by_name(column.charset).encoding).name)
        except (KeyError, LookupError, UnicodeDecodeError):
            return f"0x{value[:SHOWN].hex()}{'…' * (len(value) > SHOWN)}"
        return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]}…")

    def compared(self, column: KeyColumn, name: str, sign: str, piece: bytes) -> str:
        return f"{name} {sign} {self.literal(column, piece)}"

    def image(self, column: KeyColumn) -> Image:
        if column.data_type == "varchar":
            return Image(type=_VARCHAR, meta=column.length.to_bytes(2, "little"))
        # two bits of the length are hidden in the type, turned over
        return Image(type=_STRING, meta=bytes([_STRING ^ (column.length & 0x300) >> 4, column.length & 0xFF]))

    def piece_source(self, _column: KeyColumn, data: str, at: At, end: str) -> str:
        return f"{data}[{at(0)}:{end}].replace(NUL, ESCAPED) + ENDED"
