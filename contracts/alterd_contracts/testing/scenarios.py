"""What is done to a strategy so that it shows whether it keeps its promises."""

from __future__ import annotations

import asyncio
import shlex
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec

from alterd_contracts.declaration import Declaration
from alterd_contracts.statement import StatementKind
from alterd_contracts.testing.lab import KNOWN, OTHERS, Case, Change, Lab, Subject, Told
from alterd_contracts.testing.observed import Attempted, Ran, Waiting
from alterd_contracts.testing.orders import Orders
from alterd_contracts.testing.promises import Promise
from alterd_contracts.testing.steps import Point, Side, points

HOSTILE: Final = "a b; $(touch hit) `touch hit` | --execute \"'"
"""A flag's value that must become no other argument, and no command."""
PRESSING: Final = 0.5
"""Seconds for which a run is kept waiting for its place."""
LOOKS: Final = 3
"""At the rows of a throttled run."""
ALWAYS: Final = (
    Promise.COMPLETES,
    Promise.PHASES,
    Promise.PROGRESS,
    Promise.SECRETS,
    Promise.ARTIFACTS,
    Promise.LEAVES_NOTHING,
)
"""What every run shows."""


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """A name, the promises that it puts to the test, and how."""

    name: str
    promises: tuple[Promise, ...]
    run: Callable[[Lab], Awaitable[list[Ran]]]
    whole: bool = False
    """All changes of one kind are in it: each declared phase must be entered."""


def scenarios(declaration: Declaration, subject: Subject) -> list[Scenario]:
    """Those that a declaration asks for; deaths are `deaths`. Pure."""
    altering = declaration.kind(StatementKind.ALTER_TABLE)
    found = [_whole(declaration, subject, change) for change in OTHERS if declaration.kind(change.kind) is not None]
    if altering is None:
        return found
    found.append(_whole(declaration, subject, *subject.alters))
    for phase in altering.phases:
        point = Point(within="run", call="phase", side=Side.DONE, name=phase.name)
        found.append(_cancelling(declaration, subject, f"cancelled in {phase.name}", subject.alters[0], point))
    if declaration.throttleable:
        found.append(_cancelling(declaration, subject, "cancelled in mid-copy", subject.slow, subject.middle))
        found.append(
            Scenario(
                name="throttled",
                promises=(*ALWAYS, Promise.THROTTLES),
                run=lambda lab: _list(throttled(lab, declaration, subject)),
            )
        )
    if declaration.throttleable or declaration.resumable:
        promises = (*ALWAYS, Promise.RECOVERS, *((Promise.RESUMES,) if declaration.resumable else ()))
        found.append(
            Scenario(
                name="dies in mid-copy", promises=promises, run=lambda lab: _list(resumed(lab, declaration, subject))
            )
        )
        found.append(
            Scenario(
                name="dies and is cancelled",
                promises=(*ALWAYS, Promise.RECOVERS, Promise.CANCELS),
                run=lambda lab: _list(died_and_cancelled(lab, declaration, subject)),
            )
        )
    if altering.postpone_completion:
        found.append(
            Scenario(
                name="cancelled while held",
                promises=(*ALWAYS, Promise.CANCELS),
                run=lambda lab: _list(cancelled_held(lab, declaration, subject)),
            )
        )
    if declaration.reserved_flags or declaration.passes_unknown_flags:
        found.append(
            Scenario(
                name="flags",
                promises=(*ALWAYS, Promise.FLAGS),
                run=lambda lab: _list(flagged(lab, declaration, subject)),
            )
        )
    return found


def deaths(declaration: Declaration, subject: Subject, steps_of: Ran) -> list[Scenario]:
    """A death at each distinct step of a run of `subject.alters[0]` that has been seen. Pure."""
    return [death(declaration, subject, point) for point in points(steps_of.steps)]


def death(declaration: Declaration, subject: Subject, point: Point) -> Scenario:
    """A death at one step, and the next attempt."""
    return Scenario(
        name=f"dies at {point}",
        promises=(*ALWAYS, Promise.RECOVERS),
        run=lambda lab: _list(died(lab, declaration, subject, point)),
    )


def representative(declaration: Declaration, subject: Subject) -> list[Scenario]:
    """Deaths at steps that nearly every strategy comes to; one that it does not come to is none."""
    at = (
        Point(within="run", call="phase", side=Side.DONE),
        Point(within="run", call="may_complete", side=Side.DONE),
        Point(within="run", call="run", side=Side.DONE),
    )
    return [death(declaration, subject, point) for point in at]


async def completed(lab: Lab, declaration: Declaration, subject: Subject, change: Change, *, held: bool = True) -> Ran:
    """A whole run: it waits for its place, and its completion is held, where that is declared."""
    kind = declaration.kind(change.kind)
    assert kind is not None, f"{subject.strategy} declares no {change.kind}"
    postponed, placed = held and kind.postpone_completion, not kind.exclusive_phases
    seen: dict[str, Any] = {}
    async with lab.case(subject.strategy, change, postponed=postponed, placed=placed) as case:
        await case.begin(Orders(known=KNOWN))
        if not placed:
            began = time.monotonic()
            told = await case.is_told(Told.PHASE, kind.exclusive_phases[0])
            await asyncio.sleep(PRESSING)  # that nothing comes is seen over time only
            table = await case.table()
            seen["placed"] = Waiting(told=told, table=table, from_=began, until=time.monotonic())
            await case.place()
        if postponed:
            told = await case.is_told(Told.READY)
            await case.reached(Point(within="run", call="may_complete", side=Side.DONE))
            seen["held"] = Waiting(told=told, table=await case.table(), until=time.monotonic())
            await case.complete()
        return await _ran(case, declaration, change, "completed", await case.ended(), **seen)


async def cancelled(
    lab: Lab, declaration: Declaration, subject: Subject, name: str, change: Change, point: Point
) -> Ran:
    """Cancelled at a point, `recover` and `cleanup` called twice."""
    orders = Orders(known=KNOWN, twice=True, hold=point if point.side is not Side.TOLD else None)
    async with lab.case(subject.strategy, change) as case:
        await case.begin(orders)
        asked = await case.cancel() if await case.reached(point) else 0.0
        ended = await case.ended()
        missed = Promise.CANCELS if not asked and point == subject.middle else None
        return await _ran(
            case, declaration, change, name, ended, cancelled_at=asked, ended_at=time.monotonic(), missed=missed
        )


async def cancelled_held(lab: Lab, declaration: Declaration, subject: Subject) -> Ran:
    """Cancelled while only the completion is left."""
    change = subject.alters[0]
    async with lab.case(subject.strategy, change, postponed=True) as case:
        await case.begin(Orders(known=KNOWN, twice=True))
        await case.is_told(Told.READY)
        asked = await case.cancel()
        ended = await case.ended()
        return await _ran(
            case, declaration, change, "cancelled while held", ended, cancelled_at=asked, ended_at=time.monotonic()
        )


async def throttled(lab: Lab, declaration: Declaration, subject: Subject) -> Ran:
    """Told to wait in the middle of its copy, and released."""
    change, point = subject.slow, subject.middle
    async with lab.case(subject.strategy, change) as case:
        await case.begin(Orders(known=KNOWN, hold=point if point.side is not Side.TOLD else None))
        waiting = Waiting(told=False)
        if await case.reached(point):
            await case.throttle(False)
            case.release()
            told = await case.is_told(Told.THROTTLED)
            waiting = Waiting(told=told, copied=tuple(await case.copied(LOOKS)) if told else ())
            await case.throttle(True)
        return await _ran(case, declaration, change, "throttled", await case.ended(), throttled=waiting)


async def resumed(lab: Lab, declaration: Declaration, subject: Subject) -> Ran:
    """Dies in the middle of its copy."""
    point = msgspec.structs.replace(subject.middle, after=subject.work_kept_after)
    change = subject.lasting or subject.slow
    ran = await died(lab, declaration, subject, point, change=change, name="dies in mid-copy")
    if len(ran.attempts) == 1:
        return msgspec.structs.replace(ran, missed=Promise.RESUMES if declaration.resumable else Promise.RECOVERS)
    return msgspec.structs.replace(ran, resumable=True)


async def died(
    lab: Lab,
    declaration: Declaration,
    subject: Subject,
    point: Point,
    *,
    change: Change | None = None,
    name: str = "",
) -> Ran:
    """The run's process dies at a point, and the next attempt goes to the end; `recover` is called twice there."""
    change = change or subject.alters[0]
    async with lab.case(subject.strategy, change) as case:
        await case.begin(Orders(known=KNOWN, die=point))
        attempts = [await case.ended()]
        if attempts[0].ending is not None and attempts[0].ending.how == "died":
            await case.begin(Orders(known=KNOWN, twice=True))
            attempts.append(await case.ended())
        return await _ran(case, declaration, change, name or f"dies at {point}", *attempts)


async def died_and_cancelled(lab: Lab, declaration: Declaration, subject: Subject) -> Ran:
    """Dies in the middle of its copy, and is cancelled before the next attempt begins."""
    change = subject.slow
    async with lab.case(subject.strategy, change) as case:
        await case.begin(Orders(known=KNOWN, die=subject.middle))
        attempts, asked = [await case.ended()], 0.0
        if attempts[0].ending is not None and attempts[0].ending.how == "died":
            asked = await case.cancel()
            await case.begin(Orders(known=KNOWN, twice=True))
            attempts.append(await case.ended())
        return await _ran(
            case,
            declaration,
            change,
            "dies and is cancelled",
            *attempts,
            cancelled_at=asked,
            ended_at=time.monotonic(),
            missed=None if asked else Promise.RECOVERS,
        )


async def flagged(lab: Lab, declaration: Declaration, subject: Subject) -> Ran:
    """Reserved flags are written, and unknown ones with hostile values."""
    refused = [(name, await lab.refusal(subject.strategy, f"--{name}=x")) for name in declaration.reserved_flags]
    change = subject.alters[0]
    passed: tuple[str, ...] = ()
    if declaration.passes_unknown_flags:
        passed = tuple(f"--{name}={HOSTILE}" for name in subject.probes)
        options = " ".join(shlex.quote(word) for word in passed)
        change = msgspec.structs.replace(change, options=f"{change.options} {options}".strip())
    async with lab.case(subject.strategy, change) as case:
        await case.begin(Orders(known=KNOWN))
        return await _ran(
            case,
            declaration,
            change,
            "flags",
            await case.ended(),
            passed=passed,
            refused=tuple(refused),
            fails=bool(passed),
        )


def _whole(declaration: Declaration, subject: Subject, *changes: Change) -> Scenario:
    kind = declaration.kind(changes[0].kind)
    promises = list(ALWAYS)
    promises += [Promise.HOLDS] if kind and kind.postpone_completion else []
    promises += [Promise.EXCLUSIVE] if kind and kind.exclusive_phases else []

    async def run(lab: Lab) -> list[Ran]:
        return [await completed(lab, declaration, subject, change) for change in changes]

    return Scenario(name=str(changes[0].kind), promises=tuple(promises), run=run, whole=True)


def _cancelling(declaration: Declaration, subject: Subject, name: str, change: Change, point: Point) -> Scenario:
    return Scenario(
        name=name,
        promises=(*ALWAYS, Promise.CANCELS),
        run=lambda lab: _list(cancelled(lab, declaration, subject, name, change, point)),
    )


async def _list(ran: Awaitable[Ran]) -> list[Ran]:
    return [await ran]


async def _ran(
    case: Case, declaration: Declaration, change: Change, scenario: str, *attempts: Attempted, **more: Any
) -> Ran:
    seen = await case.seen()
    return Ran(
        scenario=f"{change.kind}, {scenario}",
        declaration=declaration,
        kind=change.kind,
        before=case.before,
        expected=case.expected,
        attempts=attempts,
        **{name: getattr(seen, name) for name in seen.__struct_fields__},
        **more,
    )
