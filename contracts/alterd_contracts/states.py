"""The states of a shard migration and the one table of transitions.

The documentation's diagram is made from this table (`diagram`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where a shard migration stands; the words are Vitess's."""

    QUEUED = "queued"
    READY = "ready"
    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def pending(self) -> bool:
        return self in PENDING

    @property
    def terminal(self) -> bool:
        return not self.pending


class Trigger(StrEnum):
    """What moves a shard migration."""

    ADMITTED = "admitted"
    """The scheduler gave it the shard and put an attempt into the work queue."""
    STARTED = "started"
    """An executor took the attempt, and the scheduler granted it."""
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    RELEASED = "released"
    """The executor gave the attempt back: it stops, or cannot reach the shard."""
    LOST = "lost"
    """The executor died."""
    RETRIED = "retried"
    DUPLICATE = "duplicate"
    """The same statement is complete in the same context."""


PENDING: Final = frozenset({Status.QUEUED, Status.READY, Status.RUNNING})

TRANSITIONS: Final[dict[tuple[Status, Trigger], Status]] = {
    (Status.QUEUED, Trigger.ADMITTED): Status.READY,
    (Status.QUEUED, Trigger.CANCELLED): Status.CANCELLED,
    (Status.QUEUED, Trigger.FAILED): Status.FAILED,
    (Status.QUEUED, Trigger.DUPLICATE): Status.COMPLETE,
    (Status.READY, Trigger.STARTED): Status.RUNNING,
    (Status.READY, Trigger.CANCELLED): Status.CANCELLED,
    (Status.READY, Trigger.FAILED): Status.FAILED,
    (Status.RUNNING, Trigger.COMPLETED): Status.COMPLETE,
    (Status.RUNNING, Trigger.FAILED): Status.FAILED,
    (Status.RUNNING, Trigger.CANCELLED): Status.CANCELLED,
    (Status.RUNNING, Trigger.RELEASED): Status.READY,
    (Status.RUNNING, Trigger.LOST): Status.READY,
    (Status.FAILED, Trigger.RETRIED): Status.QUEUED,
    (Status.CANCELLED, Trigger.RETRIED): Status.QUEUED,
}


def after(status: Status, trigger: Trigger) -> Status | None:
    """The state that `trigger` leads to from `status`; None where it has no effect there."""
    return TRANSITIONS.get((status, trigger))


def diagram() -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {Status.QUEUED}"]
    lines += [f"    {before} --> {then}: {trigger}" for (before, trigger), then in TRANSITIONS.items()]
    lines += [f"    {status} --> [*]" for status in Status if status not in PENDING]
    return "\n".join(lines)
