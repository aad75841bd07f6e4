"""A column of a key, and what a family of types knows of its values.

A value's *piece* is its bytes: of two values of a column, the one that the server sorts first has the lesser piece (but
for texts, which only the server can order), and no piece is the beginning of another one. A key is its columns' pieces,
one after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec


class KeyColumn(msgspec.Struct, frozen=True, kw_only=True):
    """One column of a key, as information_schema describes it."""

    name: str
    data_type: str
    """DATA_TYPE, in lower case."""
    unsigned: bool = False
    length: int = 0
    """Bytes of BINARY and VARBINARY."""
    precision: int = 0
    scale: int = 0
    """Digits of DECIMAL, and those of them after the point."""
    fsp: int = 0
    """Digits of a second's fraction: TIME, DATETIME, TIMESTAMP."""
    charset: str = ""
    collation: str = ""
    declared: str = ""
    """COLUMN_TYPE."""
    labels: tuple[str, ...] = ()
    """Of ENUM and SET."""


class Image(msgspec.Struct, frozen=True, kw_only=True):
    """How a column looks in a table map event."""

    type: int
    """MySQL's number of the type, of BINARY the one inside its metadata."""
    meta: bytes
    """The metadata, as it must be."""


At = Callable[[int], str]
"""Python source of an index, so many bytes behind the field's first one."""


class Plain:
    """A family whose values are compared by MySQL as they are, in the order of their pieces."""

    ordered: Final = True
    listed: Final = True

    def compared(self, column: KeyColumn, name: str, sign: str, piece: bytes) -> str:
        return f"{name} {sign} {self.literal(column, piece)}"

    def literal(self, column: KeyColumn, piece: bytes) -> str:
        raise NotImplementedError


class Codec(Protocol):
    """One family of types."""

    @property
    def ordered(self) -> bool:
        """Whether pieces order as the server orders the values; otherwise only equal bytes say something."""

    @property
    def listed(self) -> bool:
        """Whether rows of literals may stand behind IN: beside an ENUM or SET MySQL takes numbers in them for texts."""

    def size(self, column: KeyColumn, /) -> int:
        """Bytes of a piece; 0 when its own content tells its end."""

    def selected(self, column: KeyColumn, name: str, /) -> str:
        """What to select for `from_value`; `name` is quoted."""

    def from_value(self, column: KeyColumn, value: Any, /) -> bytes:
        """The piece of what PyMySQL returned. Raises ValueError or TypeError for anything else."""

    def literal(self, column: KeyColumn, piece: bytes, /) -> str:
        """SQL of the same value."""

    def compared(self, column: KeyColumn, name: str, sign: str, piece: bytes, /) -> str:
        """A condition on the column `name`, quoted: ``=``, ``<``, ``<=``, ``>`` or ``>=`` the value."""

    def shown(self, column: KeyColumn, piece: bytes, /) -> str:
        """The value for people."""

    def image(self, column: KeyColumn, /) -> Image:
        """What the binlog must say of the column."""

    def piece_source(self, column: KeyColumn, data: str, at: At, end: str, /) -> str:
        """Python source of the piece.

        `data`: source of the bytes, `at(0)` of the first index of the field's content, `end` of the one behind it.
        May use the names in `codecs.NAMES`.
        """
