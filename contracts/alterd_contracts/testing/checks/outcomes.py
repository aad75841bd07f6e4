"""How runs end: by themselves, by a cancel, after a death. Pure."""

from __future__ import annotations

from itertools import takewhile
from typing import Final

from alterd_contracts.testing.observed import Attempted, Ran, Table
from alterd_contracts.testing.steps import Side, Step

CANCEL_WITHIN: Final = 30.0
"""Seconds from a cancel to its report."""


def completes(ran: Ran) -> list[str]:
    """One that nobody cancels, kills or gives a flag that its tool may refuse has to end well."""
    if ran.cancelled_at or ran.fails or len(ran.attempts) > 1:
        return []
    return _ended_well(ran)


def cancels(ran: Ran) -> list[str]:
    """It ends soon, and the table is as it was; one that had completed by then says so."""
    if not ran.cancelled_at:
        return []
    ending = ran.last.ending
    if ending is None:
        return ["it does not end"]
    found = []
    if ran.ended_at > ran.cancelled_at + CANCEL_WITHIN:
        found.append(f"it takes {ran.ended_at - ran.cancelled_at:.1f} s to end")
    match ending.how:
        case "cancelled":
            found += _same(ran.last.after, ran.before, "the table is not as it was")
        case "completed":
            found += _same(ran.last.after, ran.expected, "it says that it has completed, and the table tells otherwise")
        case _:
            found.append(f"it is {ending.how}{_why(ran.last)}")
    return found


def recovers(ran: Ran) -> list[str]:
    """What `recover` answers fits the facts, again and again; what died ends well."""
    found = []
    for attempt in ran.attempts:
        found += _answers(ran, attempt)
    found += [
        f"cleanup raises {step.answer}: {step.said}"
        for step in ran.steps
        if step.within == "cleanup" and step.call == "cleanup" and step.side is Side.RAISED
    ]
    if len(ran.attempts) > 1 and not ran.cancelled_at:
        found += [f"{words} (it died at: {ran.attempts[0].ordered})" for words in _ended_well(ran)]
    return found


def _answers(ran: Ran, attempt: Attempted) -> list[str]:
    """Between an attempt's recover and what went before nothing works on the table."""
    answered = [step for step in attempt.steps if step.call == step.within == "recover"]
    found = [
        f"recover raises {step.answer}: {step.said}"
        for step in answered
        if step.side is Side.RAISED and step.answer != "CancelledError"
    ]
    given = [step for step in answered if step.side is Side.DONE]
    found += [
        f"recover answers {first.answer}, and asked again {second.answer}"
        for first, second in zip(given[::2], given[1::2], strict=False)
        if first.answer != second.answer
    ]
    before_run = _before_run(attempt)
    if attempt.number > 1 and before_run:
        dead = ran.attempts[attempt.number - 2].after
        answer = before_run[0].answer
        if answer == "AlreadyCompleted" and dead != ran.expected:
            found.append("recover answers AlreadyCompleted, and the table is not as it shall be")
        if answer in {"StartOver", "Resume"} and dead != ran.before:
            found.append(f"recover answers {answer}, and the table is not as it was")
    return found


def _before_run(attempt: Attempted) -> list[Step]:
    """The answers of `recover` before the run began."""
    before = takewhile(lambda step: step.call != "run", attempt.steps)
    return [step for step in before if step.call == step.within == "recover" and step.side is Side.DONE]


def resumes(ran: Ran) -> list[str]:
    """Whether a dead attempt's work is taken up, as declared."""
    found = []
    answered = [step.answer for attempt in ran.attempts for step in _before_run(attempt)]
    if not ran.declaration.resumable and "Resume" in answered:
        found.append("recover answers Resume, which is not declared")
    if not ran.resumable or not ran.declaration.resumable or len(ran.attempts) < 2:
        return found
    dead, last = ran.attempts[0], ran.attempts[-1]
    copied = max((step.rows for step in dead.steps if step.call == "progress"), default=0)
    answers = [step.answer for step in _before_run(last)]
    if "Resume" not in answers:
        found.append(f"{copied} rows were copied, and recover answers {answers[0] if answers else 'nothing'}")
    first = next((step.rows for step in last.steps if step.call == "progress" and step.within == "run"), None)
    if first == 0:
        found.append(f"{copied} rows were copied, and the next attempt begins with none")
    return found


def _ended_well(ran: Ran) -> list[str]:
    ending = ran.last.ending
    if ending is None:
        return ["it does not end"]
    if ending.how != "completed":
        return [f"it is {ending.how}{_why(ran.last)}"]
    return _same(ran.last.after, ran.expected, "the table is not as MySQL's own statement leaves it")


def _same(found: Table, wanted: Table, words: str) -> list[str]:
    if found == wanted:
        return []
    if found.definition != wanted.definition:
        return [f"{words}: {found.definition or 'it is not there'}"]
    return [f"{words}: {found.rows} rows where {wanted.rows} should be, or others"]


def _why(attempt: Attempted) -> str:
    ending = attempt.ending
    return f": {ending.error.message}" if ending is not None and ending.error is not None else ""
