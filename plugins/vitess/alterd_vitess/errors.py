"""What an online change can end with, beside MySQL's own words.

AlterdError
├── Interrupted (contracts)
│   └── KeysNotKept            the executor has no room for the keys that wait to be applied
├── Refused (contracts)
│   └── StatementRefused (contracts)
│       └── CannotRunOnline    the table, the change or the server is nothing for an online change; its parent's code
└── MigrationFailed (contracts)
    ├── StatementFailed (contracts)
    │   └── DuplicateRows (contracts)   two rows have the same value in a unique key of the new table
    ├── NoRoom                 the primary's disk would have become full
    ├── ChecksumMismatch       source and shadow differ where nothing changed them, and a repair did not last
    └── TableChanged           somebody else changed the table or the shadow meanwhile

`alterd_vitess.stream.errors` has those of the change stream.
"""

from __future__ import annotations

from alterd_contracts.errors import Interrupted, MigrationFailed, StatementRefused


class CannotRunOnline(StatementRefused):
    """The change cannot be run online."""


class KeysNotKept(Interrupted):
    """Touched keys could not be written to the attempt's folder."""

    code = "keys_not_kept"


class NoRoom(MigrationFailed):
    """The copy was ended before the primary's disk was full."""

    code = "no_room"


class ChecksumMismatch(MigrationFailed):
    """Rows of the new table are not what the table's rows say."""

    code = "checksum_mismatch"


class TableChanged(MigrationFailed):
    """The table was changed by somebody else while it was copied."""

    code = "table_changed"
