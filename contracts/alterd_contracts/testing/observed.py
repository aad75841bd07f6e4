"""What a harness has seen of one migration under one scenario. Checks read nothing else."""

from __future__ import annotations

import msgspec

from alterd_contracts.declaration import Declaration
from alterd_contracts.errors import ErrorInfo
from alterd_contracts.statement import StatementKind
from alterd_contracts.testing.promises import Promise
from alterd_contracts.testing.steps import Point, Step
from alterd_contracts.work import Reached


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A table or view at one moment."""

    definition: str = ""
    """As SHOW CREATE tells it, without schema and next AUTO_INCREMENT number; empty where there is none."""
    rows: int = 0
    digest: str = ""
    """Of all rows in the order of the key."""


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """What is there after an ending and was not before, and that nobody has declared. Names, or words."""

    tables: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    routines: tuple[str, ...] = ()
    """And events."""
    accounts: tuple[str, ...] = ()
    sessions: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How an attempt ended, as its executor reports it."""

    how: str
    """``completed``, ``failed``, ``cancelled``, ``released``; ``died`` for one given back as its process died."""
    error: ErrorInfo | None = None
    message: str = ""


class Attempted(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt."""

    number: int
    steps: tuple[Step, ...]
    ending: Ending | None
    """None: none came in time."""
    after: Table = Table()
    """The table when it had ended."""
    reported: tuple[Reached, ...] = ()
    """How far it was with each report, in order."""
    shown: tuple[Reached, ...] = ()
    """What users were shown, in order."""
    ordered: Point | None = None
    """Where it was to die."""


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A run that was made to wait: its completion held, its place not given, or throttled."""

    told: bool
    """Whether it said that it waits."""
    table: Table = Table()
    """The users' table meanwhile."""
    copied: tuple[int, ...] = ()
    """Rows in copies of the users' table, looked at again and again."""
    from_: float = 0.0
    """Seconds of the host's monotonic clock, as steps have them."""
    until: float = 0.0


class Ran(msgspec.Struct, frozen=True, kw_only=True):
    """One migration from its first attempt to its last."""

    scenario: str
    declaration: Declaration
    kind: StatementKind
    before: Table
    expected: Table
    """As MySQL's own statement leaves it."""
    attempts: tuple[Attempted, ...]
    left: Left = Left()
    log: tuple[str, ...] = ()
    """The migration's log."""
    told: tuple[str, ...] = ()
    """All other words that left the executor: reports, progress."""
    command_lines: tuple[str, ...] = ()
    """Of processes of the run, as others on the host see them."""
    secrets: tuple[str, ...] = ()
    held: Waiting | None = None
    placed: Waiting | None = None
    throttled: Waiting | None = None
    cancelled_at: float = 0.0
    """Seconds of the host's monotonic clock; 0 for one that nobody cancelled."""
    ended_at: float = 0.0
    fails: bool = False
    """It was given a flag that its tool may refuse."""
    resumable: bool = False
    """The first attempt died when there was work to go on with."""
    missed: Promise | None = None
    """What the scenario is about, and could not be shown: the run never came to the step at which something was to be
    done to it.
    """
    passed: tuple[str, ...] = ()
    """Arguments that its flags have to become."""
    refused: tuple[tuple[str, str], ...] = ()
    """Reserved flags, each with the words of its refusal; empty words for one that was not refused."""

    @property
    def last(self) -> Attempted:
        return self.attempts[-1]

    @property
    def steps(self) -> tuple[Step, ...]:
        """Of all attempts."""
        return tuple(step for attempt in self.attempts for step in attempt.steps)

    def __repr__(self) -> str:
        return f"Ran({self.declaration.strategy}, {self.scenario!r})"
