"""What a change by gh-ost can end with, beside MySQL's own words.

AlterdError
├── Refused (contracts)
│   ├── StatementRefused (contracts)
│   │   └── CannotRunGhost     the table, the change or the server is nothing for gh-ost; its parent's code
│   └── ToolMissing, ToolVersion (alterd_tools)
└── MigrationFailed (contracts)
    ├── StatementFailed (contracts)
    │   └── DuplicateRows (contracts)   two rows have one value in a unique key of the new table
    └── ToolFailed (alterd_tools)
        └── GhostFailed        gh-ost ended with an error: its last fatal line; its parent's code
"""

from __future__ import annotations

from alterd_contracts.errors import StatementRefused
from alterd_tools.errors import ToolFailed


class CannotRunGhost(StatementRefused):
    """The change cannot be run by gh-ost."""


class GhostFailed(ToolFailed):
    """gh-ost ended with an error."""
