"""What a change by spirit can end with, beside MySQL's own words. The codes are this plugin's own.

AlterdError
├── Refused (contracts)
│   ├── StatementRefused (contracts)
│   │   └── CannotRunSpirit    the table, the change or the server is nothing for spirit; its parent's code
│   ├── SpiritMissing          the program is not there, or does not run
│   └── SpiritVersion          it is there in a version that is not taken
└── MigrationFailed (contracts)
    ├── StatementFailed (contracts)
    │   └── DuplicateRows (contracts)   two rows have one value in a unique key of the new table
    └── SpiritFailed           spirit ended with an error: its last words
"""

from __future__ import annotations

from alterd_contracts.errors import MigrationFailed, Refused, StatementRefused


class CannotRunSpirit(StatementRefused):
    """The change cannot be run by spirit."""


class SpiritMissing(Refused):
    """spirit is not on the executor's host."""

    code = "spirit_missing"


class SpiritVersion(Refused):
    """This version of spirit is not taken."""

    code = "spirit_version"


class SpiritFailed(MigrationFailed):
    """spirit ended with an error."""

    code = "spirit_failed"
