"""What an online change can end with, beside MySQL's own words.

AlterdError
├── Refused (contracts)
│   └── StatementRefused (contracts)
│       └── CannotRunOnline    the table, the change or the server is nothing for an online change; its parent's code
└── MigrationFailed (contracts)
    ├── StatementFailed (contracts)
    │   └── DuplicateRows      two rows of the source have the same value in a unique key of the new table
    └── TableChanged           somebody else changed the table or the shadow meanwhile

`alterd_vitess.stream.errors` has those of the change stream.
"""

from __future__ import annotations

from alterd_contracts.errors import MigrationFailed, StatementFailed, StatementRefused


class CannotRunOnline(StatementRefused):
    """The change cannot be run online."""


class DuplicateRows(StatementFailed):
    """Two rows have the same value in a unique key of the new table."""

    code = "duplicate_rows"


class TableChanged(MigrationFailed):
    """The table was changed by somebody else while it was copied."""

    code = "table_changed"
