"""What a change by pt-online-schema-change can end with, beside the contracts' own errors and those of all tools.

AlterdError
├── Refused (contracts)
│   └── StatementRefused (contracts)
│       └── NothingForPtOsc    the tool cannot make this change, or would harm rows; its parent's code
└── MigrationFailed (contracts)
    ├── ToolFailed (tools)     the tool ended with an error that says no more
    │   ├── PtOscRefused       it refused its options, the table, its keys or the server
    │   ├── PtOscAlter         MySQL refused the ALTER, or the new table
    │   ├── PtOscTriggers      its triggers could not be made
    │   ├── PtOscSwap          the tables could not be renamed
    │   └── PtOscConnection    it could not sign in, or lost its connections
    └── RowsChanged            the copy changed values, or made rows of its own
"""

from __future__ import annotations

from alterd_contracts.errors import MigrationFailed, StatementRefused
from alterd_tools.errors import ToolFailed


class NothingForPtOsc(StatementRefused):
    """pt-online-schema-change cannot make this change."""


class PtOscRefused(ToolFailed):
    """pt-online-schema-change refused its options, the table or the server."""

    code = "pt_osc_refused"


class PtOscAlter(ToolFailed):
    """MySQL refused the new table."""

    code = "pt_osc_alter"


class PtOscTriggers(ToolFailed):
    """The triggers could not be made."""

    code = "pt_osc_triggers"


class PtOscSwap(ToolFailed):
    """The tables could not be renamed."""

    code = "pt_osc_swap"


class PtOscConnection(ToolFailed):
    """pt-online-schema-change could not connect, or lost its connection."""

    code = "pt_osc_connection"
    retryable = True


class RowsChanged(MigrationFailed):
    """The copy would have changed values."""

    code = "rows_changed"
