"""Which decision an input needs. Pure: the same records and the same input always give the same decision."""

from __future__ import annotations

import msgspec

from alterd_contracts.inputs import Collected, Control, Input, RefusedRequest, RuleChanged, Submission
from alterd_contracts.migration import Migration
from alterd_contracts.states import Status
from alterd_scheduler.controls import decide_control, decide_rule
from alterd_scheduler.decisions import Decision, Known
from alterd_scheduler.facts import Moment
from alterd_scheduler.in_order import with_dependents
from alterd_scheduler.reports import Limits, decide_collected, decide_report
from alterd_scheduler.submissions import decide_submission, refuse


def decide(message: Input, known: Known, moment: Moment, *, next_id: int, limits: Limits) -> Decision:
    """The decision about `message`; `known` holds every record it names."""
    return with_dependents(_decided(message, known, moment, next_id=next_id, limits=limits), known, moment)


def _decided(message: Input, known: Known, moment: Moment, *, next_id: int, limits: Limits) -> Decision:
    if isinstance(message, Submission):
        return _held(decide_submission(message, known, moment, next_id), known)
    if isinstance(message, RefusedRequest):
        return refuse(message, moment)
    if isinstance(message, Control):
        return _held(decide_control(message, known, moment), known)
    if isinstance(message, RuleChanged):
        return decide_rule(message, moment)
    if isinstance(message, Collected):
        return decide_collected(message, known, moment)
    return decide_report(message, known, moment, limits)


def _held(decision: Decision, known: Known) -> Decision:
    """What is queued anew where a hold stands is held from the start."""
    records = tuple(
        record.evolve(held=True, paused=True)
        if record.migration_status is Status.QUEUED
        and not record.held
        and not _was_pending(known, record)
        and any(hold.covers(record.keyspace, record.shard) for hold in known.holds)
        else record
        for record in decision.records
    )
    return msgspec.structs.replace(decision, records=records)


def _was_pending(known: Known, record: Migration) -> bool:
    before = known.get(record.keyspace, record.shard, record.migration_uuid)
    return before is not None and before.migration_status.pending
