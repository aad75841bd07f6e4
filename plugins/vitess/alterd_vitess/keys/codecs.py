"""Which family has which type, and the names that generated code uses."""

from __future__ import annotations

from typing import Any, Final

from alterd_vitess.keys.binaries import Binaries, Varbinaries
from alterd_vitess.keys.column import Codec
from alterd_vitess.keys.decimals import Decimals
from alterd_vitess.keys.integers import FLIPPED, WIDTHS, Bits, Integers, Years
from alterd_vitess.keys.labels import Enums, Sets
from alterd_vitess.keys.temporals import Dates, Datetimes, Times, Timestamps
from alterd_vitess.keys.texts import Texts

CODECS: Final[dict[str, Codec]] = {
    **dict.fromkeys(WIDTHS, Integers()),
    "decimal": Decimals(),
    "year": Years(),
    "date": Dates(),
    "datetime": Datetimes(),
    "timestamp": Timestamps(),
    "time": Times(),
    "binary": Binaries(),
    "varbinary": Varbinaries(),
    "bit": Bits(),
    "enum": Enums(),
    "set": Sets(),
    **dict.fromkeys(("char", "varchar"), Texts()),
}
SUPPORTED: Final[frozenset[str]] = frozenset(CODECS)
"""Types, as information_schema names them, that a key may be made of. Not TEXT and BLOB, which a key has in part only;
not FLOAT and DOUBLE, whose literals find nothing."""

NAMES: Final[dict[str, Any]] = {"FLIPPED": FLIPPED, "NUL": b"\0", "ESCAPED": b"\0\xff", "ENDED": b"\0\0"}
