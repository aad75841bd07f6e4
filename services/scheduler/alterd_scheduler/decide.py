"""Which decision an input needs. Pure: the same records and the same input always give the same decision."""

from __future__ import annotations

from alterd_contracts.inputs import Collected, Control, Input, RefusedRequest, Submission
from alterd_scheduler.controls import decide_control
from alterd_scheduler.decisions import Decision, Known
from alterd_scheduler.facts import Moment
from alterd_scheduler.reports import Limits, decide_collected, decide_report
from alterd_scheduler.submissions import decide_submission, refuse


def decide(message: Input, known: Known, moment: Moment, *, next_id: int, limits: Limits) -> Decision:
    """The decision about `message`; `known` holds every record it names."""
    if isinstance(message, Submission):
        return decide_submission(message, known, moment, next_id)
    if isinstance(message, RefusedRequest):
        return refuse(message, moment)
    if isinstance(message, Control):
        return decide_control(message, known, moment)
    if isinstance(message, Collected):
        return decide_collected(message, known, moment)
    return decide_report(message, known, moment, limits)
