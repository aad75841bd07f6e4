"""What a strategy promises: by the contract, or by its declaration. Names are stable."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec


class Promise(StrEnum):
    """Each has checks of its own in `checks`."""

    COMPLETES = "completes"
    """Each declared kind of statement comes out as MySQL's own would."""
    PHASES = "phases"
    """Those entered are declared, in their order, and each declared one is entered by some change."""
    EXCLUSIVE = "exclusive"
    """An exclusive phase begins when it may, and not before."""
    HOLDS = "postpone_completion"
    """It says when only the completion is left, and leaves the table as it was until it may complete."""
    THROTTLES = "throttleable"
    """It copies nothing while it is told to wait, and the wait is told."""
    RESUMES = "resumable"
    """A dead attempt's work is taken up; by one that is not resumable it never is."""
    FLAGS = "flags"
    """Reserved flags are refused by name; one that is passed on is one argument, whatever its value."""
    CANCELS = "cancels"
    """A cancel ends it in bounded time and leaves the table as it was."""
    LEAVES_NOTHING = "leaves_nothing"
    """After every ending: no undeclared table, trigger, routine, account, session, process or file."""
    PROGRESS = "progress"
    """Rows never fall within a try, percent never within a phase; percent is within 0 and 100, and fits the rows."""
    SECRETS = "secrets"
    """No password is in an argument, a log line, a message or in how far it says to be."""
    ARTIFACTS = "artifacts"
    """A table is written down before it exists."""
    RECOVERS = "recovers"
    """After a death at any step the next attempt ends well, and `recover` and `cleanup` may be called again."""


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """A broken promise."""

    promise: Promise
    scenario: str
    words: str
    """What was seen, and where."""

    def __str__(self) -> str:
        return f"{self.promise} ({self.scenario}): {self.words}"


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a strategy's promises."""

    strategy: str
    kept: tuple[Promise, ...]
    broken: tuple[Violation, ...]
    not_declared: tuple[Promise, ...]
    """Nothing was promised, and nothing seen that would need it."""

    @classmethod
    def of(cls, strategy: str, exercised: Iterable[Promise], broken: Iterable[Violation]) -> Report:
        violations = tuple(broken)
        failed = {violation.promise for violation in violations}
        tried = set(exercised)
        return cls(
            strategy=strategy,
            kept=tuple(promise for promise in Promise if promise in tried and promise not in failed),
            broken=violations,
            not_declared=tuple(promise for promise in Promise if promise not in tried and promise not in failed),
        )

    def __str__(self) -> str:
        lines = [f"{self.strategy}: {len(self.kept)} promises kept, {len(self.broken)} times broken"]
        lines += [f"  broken: {violation}" for violation in self.broken]
        return "\n".join(lines)
