"""Gated completions: all shards of a migration, or none. Pure.

A gate is the rows that one ``complete --gate`` named (`Migration.gate_id`): shut while `gated`, open afterwards.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime

import msgspec

from alterd_contracts.events import Fact
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status
from alterd_scheduler.facts import Moment, changed, event_of
from alterd_scheduler.in_order import BROKEN

SHUT = "the gate is kept shut by "
"""Begins the message of a row that waits for a shard that failed."""


def decide_gate(rows: Iterable[Migration], startable: Callable[[Migration], bool], moment: Moment) -> list[Migration]:
    """The records of one migration's shut gates that change now: all holds of a gate go, or all stay.

    `rows`: on all shards, open and done. `startable`: whether a queued row could begin at once.
    """
    rows = list(rows)
    return [
        new
        for gate_id, members in _gates(rows).items()
        if _is_put_on(gate_id, members, rows)
        for new in _decided(members, startable, moment)
    ]


def finish_gate(rows: Iterable[Migration], moment: Moment) -> list[Migration]:
    """What a leader that was killed while it opened a gate has left shut."""
    return [
        _opened(row, len(members), moment)
        for members in _gates(rows).values()
        if _is_open(members)
        for row in _waiting(members)
    ]


def asks_gate(row: Migration, before: Migration | None) -> bool:
    """Whether the change from `before` to `row` may open a gate, or say something new about one that stays shut: its
    member ended, was queued again, left it by a command, or began, and no longer says what it waits for.
    """
    if before is not None and before.gated and before.gate_id != row.gate_id:
        return True
    if before is not None and before.message.startswith(SHUT) and row.gated and not row.message:
        return True
    ended = row.migration_status.terminal or (before is not None and before.migration_status.terminal)
    return ended and row.gate_id != 0


def _gates(rows: Iterable[Migration]) -> dict[int, list[Migration]]:
    gates: dict[int, list[Migration]] = {}
    for row in rows:
        if row.gate_id:
            gates.setdefault(row.gate_id, []).append(row)
    return gates


def _is_put_on(gate_id: int, members: list[Migration], rows: list[Migration]) -> bool:
    """Every shard that the gate was asked for has heard of it: who does not carry it has left it since."""
    named = {shard for shards in {row.gate_shards for row in members} for shard in shards}
    return all(row.input_seq >= gate_id for row in rows if row.shard in named)


def _is_open(members: list[Migration]) -> bool:
    """What some shards were told holds for all."""
    return any(not row.gated for row in members)


def _waiting(members: list[Migration]) -> list[Migration]:
    return [row for row in members if row.gated and row.migration_status.pending]


def _decided(members: list[Migration], startable: Callable[[Migration], bool], moment: Moment) -> list[Migration]:
    waiting = _waiting(members)
    broken = [row for row in members if row.gated and row.migration_status in BROKEN]
    if _is_open(members) or (not broken and all(_is_ready(row, startable) for row in waiting)):
        return [_opened(row, len(members), moment) for row in waiting]
    if broken:
        return _kept_shut(waiting, broken, moment)
    return [row.evolve(message="", message_timestamp=None) for row in waiting if row.message.startswith(SHUT)]


def ready_so_far(row: Migration) -> bool:
    """Whether the row alone keeps no gate shut; for a queued one the lane has the last word."""
    if row.paused or row.cancel_requested or row.in_order_completion_pending_count:
        return False
    if row.migration_status is Status.QUEUED:
        return row.is_immediate_operation and not row.postpone_launch
    return row.migration_status is Status.RUNNING and row.ready_to_complete


def _is_ready(row: Migration, startable: Callable[[Migration], bool]) -> bool:
    return ready_so_far(row) and (row.migration_status is not Status.QUEUED or startable(row))


def _opened(row: Migration, shards: int, moment: Moment) -> Migration:
    return changed(
        row,
        Fact.GATE_OPENED,
        moment,
        saying=f"the gate opens: all {shards} shards are ready",
        postpone_completion=False,
        gated=False,
        message="" if row.message.startswith(SHUT) else row.message,
    )


def _kept_shut(waiting: list[Migration], broken: list[Migration], moment: Moment) -> list[Migration]:
    who = "; ".join(
        f"shard {row.shard}, {row.migration_status}" + (f" ({row.message})" if row.message else "") for row in broken
    )
    text = f"{SHUT}{who}: retry it there, or complete the others without the gate"
    seq = max(each.input_seq for each in broken)
    return [
        _told(row, text, max(seq, row.input_seq), moment)
        for row in waiting
        if row.message != text and not row.cancel_requested
    ]


def _told(row: Migration, text: str, input_seq: int, moment: Moment) -> Migration:
    """The id of the fact has the input that broke another row, unless this one has changed since and is told again;
    what this row has seen stays as it is.
    """
    new = row.evolve(message=text, message_timestamp=moment.now)
    return new.evolve(event=event_of(new.evolve(input_seq=input_seq), Fact.GATE_SHUT, moment.now))


def with_spread(completed: Migration, rows: Iterable[Migration]) -> Migration:
    """The completed row with the milliseconds between the first completion of its gate and its own.

    By the times that the stream's leader gave the reports.
    """
    if not completed.gate_id or completed.gated or completed.completed_timestamp is None:
        return completed
    others = [
        row
        for row in rows
        if row.gate_id == completed.gate_id
        and row.shard != completed.shard
        and row.migration_status is Status.COMPLETE
        and row.completed_timestamp is not None
    ]
    times: list[datetime] = [row.completed_timestamp for row in others if row.completed_timestamp is not None]
    first = min([*times, completed.completed_timestamp])
    spread = 1000 * (completed.completed_timestamp - first).total_seconds()
    words = f"shard {len(others) + 1} of its gate, {spread:.0f} ms after the first"
    message = f"{completed.message}; {words}" if completed.message else words
    event = completed.event and msgspec.structs.replace(completed.event, message=message)
    return completed.evolve(gate_spread_ms=spread, message=message, event=event)
