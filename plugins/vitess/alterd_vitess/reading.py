"""How a column of the source is read so that INSERT makes of it what MySQL's own ALTER would. Pure.

Both convert by the server's own rules, which differ for a few pairs of types; `tests/integration/
test_vitess_conversions.py` compares them. Where no expression makes them alike, the change is refused.
"""

from __future__ import annotations

from typing import Final

from alterd_runtime.mysql.quoting import identifier
from alterd_runtime.mysql.tables import Column
from alterd_vitess.conversions import INTEGERS
from alterd_vitess.errors import CannotRunOnline

_FRACTIONS: Final = frozenset({"decimal", "float", "double"})
_FLOATS: Final = frozenset({"float", "double"})
_NUMBERS: Final = INTEGERS | _FRACTIONS | {"year"}
_DATES: Final = frozenset({"date", "datetime", "timestamp"})
_LABELS: Final = frozenset({"enum", "set"})
_STRINGS: Final = frozenset(
    {
        *("char", "varchar", "tinytext", "text", "mediumtext", "longtext"),
        *("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"),
    }
)
_SPATIAL: Final = frozenset(
    {
        *("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon"),
        *("geomcollection", "geometrycollection"),
    }
)
_REFUSED: Final[tuple[tuple[frozenset[str], frozenset[str]], ...]] = (
    (_NUMBERS, _DATES),  # INSERT takes 0 for the date zero
    (_FRACTIONS, _LABELS | {"bit"}),  # INSERT rounds
    (_FLOATS, frozenset({"year", "time"})),
    (frozenset({"date"}), frozenset({"year", "bit"})),
    (_STRINGS | _SPATIAL | {"json"}, frozenset({"bit"})),  # INSERT takes the bytes for the number
    (frozenset({"json"}), frozenset({"time"})),
)


def read_column(old: Column, new: Column) -> str:
    """The expression over the source's column `old` that fills the shadow's `new`. Raises `CannotRunOnline`."""
    name = identifier(old.name)
    pair = old.data_type, new.data_type
    if any(old.data_type in before and new.data_type in after for before, after in _REFUSED):
        raise CannotRunOnline(
            f"{old.name} changes from {old.column_type} to {new.column_type}: MySQL's own ALTER converts some values "
            "otherwise than a copy can",
            hint="change it in two steps, by way of another type, or use the strategy mysql",
            column=old.name,
        )
    as_text = old.data_type in _FLOATS | {"year"} or old.zerofill
    if pair[0] in _NUMBERS and pair[1] == "json":
        return f"CAST(CONCAT({name}) AS JSON)"
    if as_text and (pair[1] in _STRINGS or pair[1] == "set"):
        return f"CONCAT({name})"
    return name
