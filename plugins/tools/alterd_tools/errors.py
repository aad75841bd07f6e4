"""What is wrong with a program, or what it ended with.

AlterdError
├── Refused (contracts)
│   ├── ToolMissing       the program is not there, or does not run
│   └── ToolVersion       it is there in a version that is not taken
└── MigrationFailed (contracts)
    └── ToolFailed        it ended with an error: its last words
"""

from __future__ import annotations

from alterd_contracts.errors import MigrationFailed, Refused


class ToolMissing(Refused):
    """The strategy's program is not on the executor's host."""

    code = "tool_missing"


class ToolVersion(Refused):
    """The strategy's program has a version that is not taken."""

    code = "tool_version"


class ToolFailed(MigrationFailed):
    """The strategy's program ended with an error."""

    code = "tool_failed"
