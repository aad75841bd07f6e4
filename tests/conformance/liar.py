"""What all strategies that lie have in common."""

from __future__ import annotations

from typing import ClassVar

from alterd_contracts.testing import Promise
from tests.conformance.honest import Honest


class Liar(Honest):
    """`promise`: what it breaks, seen in `scenario`, and nothing else."""

    promise: ClassVar[Promise]
    scenario: ClassVar[str] = "alter_table"
    says: ClassVar[str]
    """What the report says of it."""
    lasts: ClassVar[bool] = False
    """It is caught by a deadline: left to the slow tests."""
