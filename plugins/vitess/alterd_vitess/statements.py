"""The statements of copy and apply, as text. Bare table names: under LOCK TABLES no alias is allowed. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from alterd_runtime.mysql.quoting import identifier
from alterd_vitess.mapping import Mapping
from alterd_vitess.ranges import Range


class Statements(msgspec.Struct, frozen=True, kw_only=True):
    """Of one source and one shadow in the session's schema."""

    table: str
    shadow: str
    mapping: Mapping

    def greatest(self) -> str:
        """The greatest key of the source."""
        key = self.mapping.key
        return f"SELECT {key.selected()} FROM {self._source} ORDER BY {key.order_by(descending=True)} LIMIT 1"

    def boundary(self, within: Range, rows: int) -> str:
        """The key of the last of `rows` rows of the source from the range's start; nothing where there are fewer."""
        key = self.mapping.key
        return (
            f"SELECT {key.selected()} FROM {self._source} WHERE {key.where_between(within.low, within.high)}"
            f" ORDER BY {key.order_by()} LIMIT 1 OFFSET {rows - 1}"
        )

    def delete(self, keys: Sequence[bytes]) -> str:
        """The shadow's rows of these keys."""
        where = self.mapping.key.where_in(keys, self.mapping.target_key)
        return f"DELETE FROM {identifier(self.shadow)} WHERE {where}"

    def insert(self, keys: Sequence[bytes], chunk: Range | None = None) -> str:
        """The source's rows of these keys, and of the range, into the shadow: as one snapshot has them."""
        return f"INSERT INTO {identifier(self.shadow)} ({self.mapping.names}) {self.select(keys, chunk)}"

    def select(self, keys: Sequence[bytes], chunk: Range | None) -> str:
        """The source's rows of these keys and of the range, as rows of the shadow."""
        key = self.mapping.key
        parts = [key.where_in(keys)] if keys else []
        if chunk is not None:
            parts.append(f"({key.where_between(chunk.low, chunk.high)})")
        return f"SELECT {self.mapping.expressions} FROM {self._source} WHERE {' OR '.join(parts)}"

    @property
    def _source(self) -> str:
        return f"{identifier(self.table)} FORCE INDEX ({identifier(self.mapping.key.name)})"
