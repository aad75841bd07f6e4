"""When the demo gets in the way of the running change, and when it makes way again. Pure."""

from __future__ import annotations

from enum import StrEnum

from alterd_contracts.migration import Migration
from alterd_contracts.states import Status

THROTTLED_FOR = 4.0
"""Seconds of throttling after which it goes on."""
LAG_AT_MOST = 12.0
"""Seconds after which it goes on in any case."""
NEARLY = 90.0
"""Percent of the copy beyond which it is not worth stopping it any more."""
BLOCKED_FOR = 3.0
"""Seconds for which the open transaction goes on to hold up a cut-over, once that has named it."""
UNNAMED_FOR = 12.0
"""Seconds for which it goes on to hold up one that names nobody."""
HELD_AT_MOST = 900.0
"""Seconds of running after which it is committed in any case."""
STRADDLED_AT_MOST = 60.0
"""Seconds after that commit at which the other open transaction has to end too, swap or no swap."""


class Act(StrEnum):
    """What the demo does."""

    STOP_REPLICA = "stop replica"
    START_REPLICA = "start replica"
    END_TOUCH = "end touch"
    END_STRADDLE = "end straddle"


class Course:
    """What was seen of the migration so far. Times are seconds of one monotonic clock."""

    def __init__(self, *, online: bool, touching: int) -> None:
        """`online`: the change can be throttled and waits for its cut-over. `touching`: the connection that blocks."""
        self.done: dict[Act, float] = {}
        self.throttled = 0.0
        """Seconds of waiting that were seen."""
        self.reason = ""
        """Of the last waiting."""
        self.blocked = ""
        """What the record said while the open transaction held up the cut-over."""
        self._online, self._touching = online, touching
        self._running: float | None = None
        self._waiting: float | None = None
        self._held_up: float | None = None
        self._named: float | None = None

    def see(self, record: Migration, now: float) -> list[Act]:
        """What is to be done now; it counts as done."""
        status = record.migration_status
        if status is Status.RUNNING and self._running is None:
            self._running = now
        self._see_throttle(record, now)
        if self._wants_cut_over(record):
            self._held_up = now if self._held_up is None else self._held_up
            if self._names(record):
                self._named = now if self._named is None else self._named
                self.blocked = record.message
            elif self._named is None:
                self.blocked = record.message or self.blocked
        over = status.terminal
        wanted = {
            Act.STOP_REPLICA: not over and self._is_time_to_lag(record),
            Act.START_REPLICA: Act.STOP_REPLICA in self.done and (over or self._has_lagged(now)),
            Act.END_TOUCH: over or self._has_held(now),
            Act.END_STRADDLE: over or self._since(Act.END_TOUCH, now) > STRADDLED_AT_MOST,
        }
        acts = [act for act, due in wanted.items() if due and act not in self.done]
        self.done.update(dict.fromkeys(acts, now))
        return acts

    def _see_throttle(self, record: Migration, now: float) -> None:
        throttled = record.migration_status is Status.RUNNING and bool(record.reason_throttled)
        if throttled:
            self.reason = record.reason_throttled
            self._waiting = now if self._waiting is None else self._waiting
        elif self._waiting is not None:
            self.throttled += now - self._waiting
            self._waiting = None

    def _wants_cut_over(self, record: Migration) -> bool:
        if record.migration_status is not Status.RUNNING or Act.END_TOUCH in self.done:
            return False
        return record.cutover_attempts > 0 or record.ready_to_complete or self._names(record)

    def _names(self, record: Migration) -> bool:
        return bool(self._touching) and f"connection {self._touching} " in f"{record.message} "

    def _is_time_to_lag(self, record: Migration) -> bool:
        """In the middle of a copy that nothing else holds up."""
        return self._online and record.rows_copied > 0 and record.progress < NEARLY and self._waiting is None

    def _has_lagged(self, now: float) -> bool:
        throttled = now - self._waiting if self._waiting is not None else 0.0
        return throttled >= THROTTLED_FOR or self._since(Act.STOP_REPLICA, now) >= LAG_AT_MOST

    def _has_held(self, now: float) -> bool:
        if self._running is None:
            return False
        if not self._online:
            return now - self._running >= BLOCKED_FOR
        waits = ((self._named, BLOCKED_FOR), (self._held_up, UNNAMED_FOR), (self._running, HELD_AT_MOST))
        return any(since is not None and now - since >= seconds for since, seconds in waits)

    def _since(self, act: Act, now: float) -> float:
        return now - self.done.get(act, now)
