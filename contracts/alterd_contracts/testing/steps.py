"""The journal of an attempt: what a strategy asks of its task and tells it, one line of JSON for each step.

Lines are written by the run's own process as it goes, and outlive its death.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

import msgspec


class Side(StrEnum):
    """Of a call."""

    BEGUN = "begun"
    DONE = "done"
    RAISED = "raised"
    """It was cancelled, or ended by an error."""
    TOLD = "told"
    """A call that returns at once."""


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of the journal."""

    attempt: int
    at: float
    """Seconds of the host's monotonic clock."""
    within: str
    """The strategy's method that is at work: ``run``, ``recover``, ``cleanup``."""
    call: str
    """The task's method, or the strategy's own when it begins and ends; ``held`` where the harness holds the run."""
    side: Side = Side.TOLD
    phase: str = ""
    """The last one that was entered."""
    name: str = ""
    """Of a phase, an artifact's kind, an app, an error's class; ``rows`` for progress that tells of rows."""
    said: str = ""
    """The text of a log line, an error, a message."""
    answer: str = ""
    """What the call returned, in words."""
    rows: int = 0
    percent: float | None = None
    argv: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    """Names that were declared; variables of a program's environment."""
    looked: bool = False
    undeclared: tuple[str, ...] = ()
    """Where it was `looked`: tables of the schema that nobody had written down at that moment."""


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a journal, the same in every run of the same change."""

    within: str
    call: str
    side: Side = Side.TOLD
    phase: str | None = None
    """None: any."""
    name: str | None = None
    """None: any."""
    nth: int = 1
    """The how manieth step that fits."""
    after: float = 0.0
    """Seconds since the first step that fits."""

    @classmethod
    def of(cls, step: Step) -> Point:
        """Where the first of its like stands."""
        return cls(within=step.within, call=step.call, side=step.side, phase=step.phase, name=step.name)

    def fits(self, step: Step) -> bool:
        return (
            (self.within, self.call, self.side) == (step.within, step.call, step.side)
            and self.phase in (None, step.phase)
            and self.name in (None, step.name)
        )

    def __str__(self) -> str:
        words = [self.within, self.phase or "", self.call, self.name or "", self.side.value]
        return " ".join(word for word in words if word)


class Found:
    """Looks for a point in steps as they come."""

    def __init__(self, point: Point) -> None:
        self.point = point
        self._count, self._first = 0, 0.0

    def at(self, step: Step) -> bool:
        """Whether `step`, the next one, is the one."""
        if not self.point.fits(step):
            return False
        self._count += 1
        self._first = self._first or step.at
        return self._count >= self.point.nth and step.at >= self._first + self.point.after


def find(steps: Iterable[Step], point: Point) -> Step | None:
    """The step at `point`; None where there is none."""
    found = Found(point)
    return next((step for step in steps if found.at(step)), None)


_OURS = frozenset({"held", "look"})


def points(steps: Iterable[Step]) -> list[Point]:
    """Each distinct place once, in the order in which they were come to. Those of the harness itself are none."""
    return list(dict.fromkeys(Point.of(step) for step in steps if step.call not in _OURS))


def journal(folder: Path, migration_uuid: str, attempt: int) -> Path:
    return folder / f"{migration_uuid}.{attempt}.jsonl"


def secrets_of(folder: Path, migration_uuid: str) -> Path:
    """The file of what must be seen nowhere: passwords that the run was given, a line each."""
    return folder / f"{migration_uuid}.secrets"


_decoder: msgspec.json.Decoder[Step] = msgspec.json.Decoder(Step)


def read_steps(file: Path) -> tuple[Step, ...]:
    """All whole lines; none where the attempt has not begun."""
    if not file.exists():
        return ()
    lines = file.read_bytes().splitlines(keepends=True)
    return tuple(_decoder.decode(line) for line in lines if line.endswith(b"\n"))
