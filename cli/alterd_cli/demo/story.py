"""The demo: a table of many rows is altered under load, on a MySQL of its own, by the commands a user would type."""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from pathlib import Path

import msgspec

from alterd_cli.demo import ONLINE, Sabotage
from alterd_cli.demo.course import Course
from alterd_cli.demo.errors import ProofFailed
from alterd_cli.demo.interlude import Interlude
from alterd_cli.demo.load import Load
from alterd_cli.demo.messages import Hold, LoadResult
from alterd_cli.demo.proof import Form, Proof, prove
from alterd_cli.demo.sabotage import Done, sabotage
from alterd_cli.demo.show import Show, span, told
from alterd_cli.demo.stage import Stage, open_stage
from alterd_cli.demo.table import AFTER, ALTER, make_table
from alterd_cli.demo.typist import Typist
from alterd_cli.link import until_caught_up
from alterd_cli.running import everything
from alterd_contracts import subjects
from alterd_contracts.errors import MigrationFailed
from alterd_contracts.migration import Migration
from alterd_runtime.bus import Bus, NatsSettings

SEED = 20_240_229
MAX_LAG = 1.0
"""Seconds of replica lag above which the demo's throttler says wait: less than the default, to be quicker."""
BEFORE_CHANGE = 2.0
AFTER_CHANGE = 4.0
"""Seconds of writing before the change and after the swap."""


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller wants to see."""

    rows: int
    rate: float
    """Statements a second."""
    strategy: str
    sabotage: Sabotage | None = None

    @property
    def online(self) -> bool:
        return self.strategy.split(" ", 1)[0] in ONLINE


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The change as it went."""

    record: Migration
    seconds: float
    """From the submission to the end."""
    course: Course
    result: LoadResult
    events: int


async def tell(folder: Path, wishes: Wishes) -> None:
    """Plays it all below `folder`, and stops everything again, whatever happens.

    Raises `MigrationFailed`, `ProofFailed`, `LoadFailed`, `Unreachable` where a server does not start.
    """
    show = Show()
    show.step("Starting MySQL, a primary and a replica (the first time it may have to be fetched)")
    async with open_stage(folder / "sandbox", show) as stage:
        show.step(f"Filling the table {stage.place.table} with {wishes.rows:,} rows")
        began = time.monotonic()
        await asyncio.to_thread(make_table, stage.place, rows=wishes.rows, seed=SEED)
        show.line(f"filled in {time.monotonic() - began:.1f} s")
        await asyncio.to_thread(stage.catch_up)
        show.step("Starting NATS and the services")
        environ = {"ALTERD_THROTTLER__MAX_LAG": f"{MAX_LAG:g}"}
        async with everything(folder, 0, show.line, environ=environ) as (nats, _):
            typist = Typist(nats.url, folder, show)
            async with Bus.open(NatsSettings(servers=(nats.url,)), "demo", str(os.getpid()), patience=10) as bus:
                outcome = await _change(stage, wishes, show, typist, bus)
        altered = None
        if wishes.sabotage is not None:
            show.step("Altering a row behind everybody's back")
            ledger = outcome.result.ledger.open()
            altered = await asyncio.to_thread(sabotage, stage.place, wishes.sabotage, ledger)
            show.line(altered.text)
        show.step("Reading the whole table back, and comparing every row with the ledger")
        proof = await asyncio.to_thread(prove, stage.place, outcome.result, form=Form.AFTER)
        show.line(f"{proof.found:,} rows read and compared in {proof.seconds:.1f} s")
    _conclude(show, wishes, outcome, proof, altered)


async def _change(stage: Stage, wishes: Wishes, show: Show, typist: Typist, bus: Bus) -> Outcome:
    """Writers, the change in their midst, and some more writing."""
    await typist.run("keyspace", "apply", str(stage.keyspace_file))
    show.step("Starting the writers: a process of their own, with a ledger of what MySQL has acknowledged")
    async with Load(stage.place, rows=wishes.rows, seed=SEED, rate=wishes.rate) as load:
        show.line(f"{wishes.rate:g} statements a second: inserts, updates, deletes, changed keys, exchanged unique")
        show.line("values, keys deleted and inserted again, transactions, rollbacks, savepoints, changes of case")
        await asyncio.sleep(BEFORE_CHANGE)
        touch, straddle = await load.begin(Hold.TOUCH), await load.begin(Hold.STRADDLE)
        show.line(
            f"connection {touch.connection_id} has written to {stage.place.table} and keeps its transaction open: "
            "the swap will have to wait for it"
        )
        show.line(f"connection {straddle.connection_id} has begun a transaction that will write after the swap")
        began = time.monotonic()
        uuid = await typist.ask(
            *("submit", "-k", stage.keyspace.name, "--ddl-strategy", wishes.strategy, "-o", "name"),
            ALTER.format(table=stage.place.table),
        )
        if wishes.online:
            show.line(
                "in the middle of the copy the replica's applier is stopped for some seconds: above "
                f"{MAX_LAG:g} s of lag the throttler says wait"
            )
        course = Course(online=wishes.online, touching=touch.connection_id)
        interlude = Interlude(course, load, stage.replica, show)
        record = await _watch(typist, uuid, interlude, bus, show)
        seconds = time.monotonic() - began
        show.step("The new table is in place; the writers go on")
        await asyncio.sleep(AFTER_CHANGE)
        result = await load.stop()
        figures, touched = result.figures, len(result.ledger.touched)
        show.line(f"writers stopped: {figures.statements:,} statements in all, {touched:,} keys written to")
    await typist.run("events", "--uuid", uuid)
    events = await _events(bus, uuid)
    return Outcome(record=record, seconds=seconds, course=course, result=result, events=events)


async def _watch(typist: Typist, uuid: str, interlude: Interlude, bus: Bus, show: Show) -> Migration:
    """``alterd watch``, and the demo's own doings beside it: the record at the end. Raises `MigrationFailed`."""
    with show.aside():
        playing = asyncio.create_task(interlude.play(bus, uuid))
        watching = asyncio.create_task(typist.run("watch", uuid))
        try:
            await asyncio.wait({playing, watching}, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in (playing, watching):
                task.cancel()
            failures = await asyncio.gather(watching, playing, return_exceptions=True)
    for failure in failures:
        if isinstance(failure, MigrationFailed):
            await typist.run("logs", uuid)
        if isinstance(failure, Exception):
            raise failure
    return playing.result()


async def _events(bus: Bus, uuid: str) -> int:
    """How many facts the audit log has of this change."""
    tail = bus.tail(subjects.EVENTS, subjects.events(keyspace="*", entity=uuid))
    async with contextlib.aclosing(until_caught_up(tail)) as messages:
        return len([message async for message in messages])


def _conclude(show: Show, wishes: Wishes, outcome: Outcome, proof: Proof, altered: Done | None) -> None:
    """The summary and the verdict. Raises `ProofFailed`."""
    course, record, figures = outcome.course, outcome.record, outcome.result.figures
    throttled = f"{course.throttled:.1f} s: {course.reason}" if course.reason else "never"
    show.summary(
        [
            ("rows", f"{wishes.rows:,} at first, {proof.found:,} at last; {proof.touched:,} keys written to"),
            ("time", f"{show.seconds:.0f} s in all; the change took {outcome.seconds:.1f} s by {wishes.strategy}"),
            *told(figures),
            ("throttled", throttled),
            ("cut-over attempts", str(record.cutover_attempts)),
            *([("swap waited", course.blocked)] if course.blocked else []),
            ("events", f"{outcome.events} facts in the audit log"),
            ("proof", f"{proof.found:,} rows of {len(AFTER)} columns in {span(proof.seconds)}"),
        ]
    )
    if proof.mismatches:
        count = proof.mismatches.total
        show.verdict(f"{count:,} mismatch{'es' * (count > 1)} between the table and the ledger:", good=False)
        show.answer(str(proof.mismatches))
        raise ProofFailed(
            f"the table does not hold what was acknowledged: {proof.mismatches.first[0]}",
            hint=f"--sabotage did this: {altered.text}" if altered else "this is a bug in alterd: please report it",
        )
    if altered is not None:
        raise ProofFailed(f"{altered.text}, and the proof has not seen it", hint="please report it")
    show.verdict(
        f"Every row is there once and holds what it must: {proof.found:,} of {proof.expected:,}. All is stopped.",
        good=True,
    )
