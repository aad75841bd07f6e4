"""Ranges of the key, one after the other, the last one without an end. Pure."""

from __future__ import annotations

from typing import NamedTuple

from alterd_vitess.keys import Key


class Part(NamedTuple):
    """Rows with ``low < key <= high``, or ``low < key``. Nothing is compared here: only the server knows all orders."""

    low: bytes
    """``b""``: from the first row on."""
    high: bytes | None
    """None: to the last row."""

    def where(self, key: Key) -> str:
        """The condition, with the names that `key` has."""
        if self.high is not None:
            return key.where_between(self.low, self.high)
        return f"NOT ({key.where_between(b'', self.low)})" if self.low else "TRUE"
