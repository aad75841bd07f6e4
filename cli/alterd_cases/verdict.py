"""What became of a case."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Outcome(StrEnum):
    """How a case ended."""

    PASSED = "pass"
    FAILED = "fail"
    NOT_HERE = "not here"
    """The server is too old for it."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One case."""

    case: str
    outcome: Outcome
    seconds: float = 0.0
    reason: str = ""
    """Of a failure; else what was seen."""
    transactions: int = 0
    """Committed by the writers."""
    during_copy: int = 0
    """Those between the plan and the end of the copy."""

    @property
    def failed(self) -> bool:
        return self.outcome is Outcome.FAILED


class Wrong(Exception):
    """The case fails, for this reason."""


class Again(Exception):
    """Nothing was learnt: the machine was too slow to hold the swap. It is tried again."""
