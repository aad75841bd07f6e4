"""What can be wrong with a case, beside its verdict.

AlterdError
└── InvalidInput (contracts)
    └── InvalidCase    the folder is no case, or one that cannot be read
"""

from __future__ import annotations

from alterd_contracts.errors import InvalidInput


class InvalidCase(InvalidInput):
    """The folder is no case."""

    code = "invalid_case"
