"""How a run goes along: phases, places, holds, throttling, progress. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from alterd_contracts.testing.observed import Attempted, Ran, Waiting
from alterd_contracts.testing.steps import Side, Step
from alterd_contracts.work import Reached

QUIET: Final = frozenset({"alive", "log", "look", "held", "primary"})
"""What may come from a run that waits for its place: it looks on, and shows that it lives."""

FREEDOM: Final = 50.0
"""Percent by which an estimate may be too high."""


def _entered(attempt: Attempted) -> list[Step]:
    return [step for step in attempt.steps if step.call == "phase" and step.side is Side.BEGUN]


def phases(ran: Ran) -> list[str]:
    """Entered phases that are not declared, or come back to an earlier one before the run was ready."""
    declared = ran.declaration.kind(ran.kind)
    names = [phase.name for phase in declared.phases] if declared else []
    found = []
    for attempt in ran.attempts:
        last, ready = 0, False
        for step in attempt.steps:
            ready = ready or (step.call == "ready" and step.answer == "True")
            if step.call != "phase" or step.side is not Side.BEGUN:
                continue
            if step.name not in names:
                found.append(f"it enters {step.name!r}, which is not declared")
                continue
            place = names.index(step.name)
            if place < last and not ready:  # what only waits for its completion may come back to it
                found.append(f"it enters {step.name!r} after {names[last]!r}, declared in the other order")
            last = place
        completed = attempt.ending is not None and attempt.ending.how == "completed"
        if completed and not _entered(attempt) and _worked(attempt):
            found.append("it completes without having entered any phase")
    return found


def _worked(attempt: Attempted) -> bool:
    return any((step.within, step.call, step.side) == ("run", "run", Side.DONE) for step in attempt.steps)


def unentered(rans: Iterable[Ran]) -> list[str]:
    """Declared phases that no run has entered, of kinds that the strategy runs itself and that were tried."""
    found = []
    seen = list(rans)
    for kind in dict.fromkeys(ran.kind for ran in seen):
        of_kind = [ran for ran in seen if ran.kind == kind]
        declared = of_kind[0].declaration.kind(kind)
        entered = {step.name for ran in of_kind for attempt in ran.attempts for step in _entered(attempt)}
        missing = [phase.name for phase in declared.phases if phase.name not in entered] if declared else []
        if missing:
            found.append(f"{kind}: declared and never entered: {', '.join(missing)}")
    return found


def exclusive(ran: Ran) -> list[str]:
    """What a run does while the place for its exclusive phase is not given to it."""
    if ran.placed is None:
        return []
    found = []
    first = ran.attempts[0]
    asked = next((step for step in _entered(first) if _is_exclusive(ran, step.name)), None)
    if asked is not None:
        if ran.placed.table != ran.before:
            found.append("the table is changed before the place was given")
        early = [step for step in first.steps if asked.at < step.at < ran.placed.until and not _is_quiet(step)]
        if early:
            found.append(f"it goes on before the place for {asked.name!r} was given: {early[0].call}")
    return found


def _is_quiet(step: Step) -> bool:
    return step.call in QUIET or (step.call == "progress" and not step.rows)


def _is_exclusive(ran: Ran, phase: str) -> bool:
    declared = ran.declaration.kind(ran.kind)
    return declared is not None and phase in declared.exclusive_phases


def holds(ran: Ran) -> list[str]:
    """Whether a held completion is held, and comes once it may."""
    if ran.held is None:
        return []
    found = []
    if not ran.held.told:
        found.append("it never says that only the completion is left")
    if ran.held.table != ran.before:
        found.append("the table is changed while its completion is held")
    if not _completed(ran):
        found.append(f"it does not complete once it may: {_how(ran.last)}")
    answers = [step.answer for step in ran.steps if step.call == "may_complete" and step.side is Side.DONE]
    if _completed(ran) and answers[-1:] != ["True"]:
        found.append(f"it completes without leave: {'the last answer was no' if answers else 'it never asks'}")
    return found


def _completed(ran: Ran) -> bool:
    return ran.last.ending is not None and ran.last.ending.how == "completed"


def _how(attempt: Attempted) -> str:
    return "it does not end" if attempt.ending is None else attempt.ending.how


def throttles(ran: Ran) -> list[str]:
    """Whether a throttled run waits and says so."""
    if ran.throttled is None:
        return []
    found = []
    if not ran.throttled.told:
        found.append("it never says that it waits for the throttler")
    found += _grown(ran.throttled)
    if not _completed(ran):
        found.append(f"it does not complete once it is released: {_how(ran.last)}")
    return found


def _grown(waiting: Waiting) -> list[str]:
    if len(set(waiting.copied)) > 1:
        return [f"it copies while it is throttled: {', '.join(map(str, waiting.copied))} rows"]
    return []


def progress(ran: Ran) -> list[str]:
    """Rows as a strategy tells them, per attempt, and percent, per phase; rows as users see them, over all attempts."""
    found = []
    for attempt in ran.attempts:
        rows, percent = 0, 0.0
        for step in attempt.steps:
            if step.call == "phase":
                percent = 0.0  # each phase may count its own
            if step.call != "progress":
                continue
            if step.percent is not None and not 0.0 <= step.percent <= 100.0:
                found.append(f"it tells of {step.percent:g} percent")
            if step.percent is not None and step.rows and _overstated(step.rows, step.percent, ran.before.rows):
                found.append(
                    f"it tells of {step.percent:g} percent when {step.rows} of {ran.before.rows} rows are copied"
                )
            if 0 < step.rows < rows:
                found.append(f"its rows fall from {rows} to {step.rows}")
            if step.percent is not None and 0 < step.percent < percent:
                found.append(f"its percent falls from {percent:g} to {step.percent:g} in {step.phase!r}")
            rows, percent = max(rows, step.rows), max(percent, step.percent or 0.0)
    found += _fallen([each for attempt in ran.attempts for each in attempt.reported])
    found += _fallen([each for attempt in ran.attempts for each in attempt.shown])
    return list(dict.fromkeys(found))


def _overstated(rows: int, percent: float, whole: int) -> bool:
    """Estimates may be wrong, but not by half of the table."""
    return rows < whole and percent > 100.0 * rows / whole + FREEDOM


def _fallen(shown: list[Reached]) -> list[str]:
    return [
        f"users see its rows fall from {before.rows_copied} to {after.rows_copied}"
        for before, after in pairwise(shown)
        if after.rows_copied < before.rows_copied
    ]
