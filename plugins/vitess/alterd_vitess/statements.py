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
        return f"SELECT {key.selected()} FROM {self.source} ORDER BY {key.order_by(descending=True)} LIMIT 1"

    def boundary(self, within: Range, rows: int) -> str:
        """The key of the last of `rows` rows of the source from the range's start; nothing where there are fewer."""
        key = self.mapping.key
        return (
            f"SELECT {key.selected()} FROM {self.source} WHERE {key.where_between(within.low, within.high)}"
            f" ORDER BY {key.order_by()} LIMIT 1 OFFSET {rows - 1}"
        )

    def present(self, keys: Sequence[bytes]) -> str:
        """The source's keys, as they are written now, of the rows with these keys."""
        key = self.mapping.key
        return f"SELECT {key.selected()} FROM {self.source} WHERE {self._where_in(keys)}"

    def located(self, targets: Sequence[bytes], *, exact: bool) -> str:
        """The shadow's rows of these keys of its own. `exact`: texts are compared by their bytes."""
        where = self.mapping.target.where_in(targets, first=self.mapping.located_by, exact=exact)
        return f"FROM {identifier(self.shadow)} WHERE {where}"

    def insert(self, keys: Sequence[bytes], chunk: Range | None = None, *, left_out: Sequence[Range] = ()) -> str:
        """The source's rows of these keys, and of the range, into the shadow: as one snapshot has them."""
        select = self.select(keys, chunk, left_out=left_out)
        return f"INSERT INTO {identifier(self.shadow)} ({self.mapping.names}) {select}"

    def select(self, keys: Sequence[bytes], chunk: Range | None, *, left_out: Sequence[Range] = ()) -> str:
        """The source's rows of these keys and of the range, as rows of the shadow.

        `left_out`: ranges that a later chunk copies; rows of the keys that lie in them are none of this one's.
        """
        key = self.mapping.key
        parts = []
        if keys:
            unless = (f"NOT ({key.where_between(each.low, each.high)})" for each in left_out)
            parts.append(" AND ".join([self._where_in(keys), *unless]))
        if chunk is not None:
            parts.append(f"({key.where_between(chunk.low, chunk.high)})")
        return self.select_where(" OR ".join(parts))

    def select_where(self, where: str) -> str:
        """The source's rows for which a condition holds, as rows of the shadow."""
        return f"SELECT {self.mapping.expressions} FROM {self.source} WHERE {where}"

    def _where_in(self, keys: Sequence[bytes]) -> str:
        key = self.mapping.key
        return key.where_in(keys, first=range(len(key.leading)) if key.more else ())

    @property
    def source(self) -> str:
        """The table behind FROM, read by the key."""
        return f"{identifier(self.table)} FORCE INDEX ({identifier(self.mapping.key.name)})"
