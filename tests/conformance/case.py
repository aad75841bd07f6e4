"""One migration in the lab: its schema, its attempts, and what is seen of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from alterd_contracts import subjects
from alterd_contracts.declaration import Declaration
from alterd_contracts.inputs import (
    CancelledReport,
    Completed,
    Failed,
    PhaseEntered,
    ProgressReport,
    ReadyToComplete,
    ReleasedReport,
    Report,
    Throttled,
)
from alterd_contracts.testing import Attempted, Change, Ending, Point, Seen, Table, Told
from alterd_contracts.testing.lab import KNOWN, setup
from alterd_contracts.testing.orders import Orders, released
from alterd_contracts.testing.steps import Step, find, journal, read_steps, secrets_of
from tests.conformance.looking import rows_elsewhere, table_of
from tests.conformance.witness import Witness
from tests.integration.executor_support import Running, record_of
from tests.support.servers import keyspace_of
from tests.support.shop import Shop

if TYPE_CHECKING:
    from tests.conformance.lab import Throttler

PATIENCE: Final = 90.0
"""Seconds for an attempt to come to a point, or to its end."""


class LabCase:
    """`alterd_contracts.testing.Case`."""

    def __init__(
        self,
        running: Running,
        shop: Shop,
        home: Path,
        throttler: Throttler,
        *,
        keyspace: str,
        strategy: Declaration,
        change: Change,
        patience: float = PATIENCE,
    ) -> None:
        self._running, self._shop, self._throttler = running, shop, throttler
        self._scheduler, self._bus = running.scheduler, running.scheduler.bus
        self._home, self._journals = home, home / "journals"
        self._keyspace, self._declared, self._change = keyspace, strategy, change
        self._patience, self._waits = patience, 0
        self._orders = Orders()
        self.before = self.expected = Table()

    @staticmethod
    def fill(shop: Shop, change: Change) -> None:
        with shop.session() as connection, connection.cursor() as cursor:
            for sql in ("DROP TABLE IF EXISTS customer", *setup(change.rows)):
                cursor.execute(sql)

    async def prepare(self, *, postponed: bool, placed: bool, expected: Table) -> None:
        shop, change = self._shop, self._change
        self.fill(shop, change)
        self.before, self.expected = table_of(shop, change.table), expected
        kind = self._declared.kind(change.kind)
        assert kind is not None
        self._record = record_of(
            shop,
            change.kind,
            change.table,
            change.sql,
            keyspace=self._keyspace,
            strategy=self._declared.strategy,
            options=change.options,
            postpone_completion=postponed,
            exclusive_phases=kind.exclusive_phases,
            tail_phases=kind.tail_phases,
            exclusive=placed,
            resumable=self._declared.resumable,
            attempt=0,
        )
        keyspace = keyspace_of(shop, self._home / "keyspaces" / self._keyspace, self._keyspace)
        await self._bus.bucket(subjects.TOPOLOGY).put(keyspace.name, msgspec.json.encode(keyspace))
        self._witness = Witness(self._bus, shop, self._home, self._record)
        await self._witness.begin()

    async def close(self) -> None:
        """Whatever still runs is cancelled, so that the next case finds nothing of it."""
        self.release()
        if self._record.attempt and self._ending() is None:
            await self.cancel()
            with contextlib.suppress(TimeoutError):
                await self._until(lambda: self._ending() is not None)
        await self._witness.end()
        await self._scheduler.records.delete(self._record.open_key)
        await self._bus.bucket(subjects.TOPOLOGY).delete(self._keyspace)

    # What is done to it ----------------------------------------------------------------------------------------

    async def begin(self, orders: Orders) -> None:
        reached = self._record.reached
        for report in self._reports():
            if isinstance(report, ProgressReport):
                reached = reached.then(report.reached)
        further = {name: getattr(reached, name) for name in reached.__struct_fields__}
        record = self._record = self._record.evolve(attempt=self._record.attempt + 1, **further)
        self._orders = orders
        orders.write(self._journals, record.migration_uuid, record.attempt)
        self._record = await self._scheduler.grant(await self._scheduler.dispatch(record))

    def release(self) -> None:
        released(self._journals, self._record.migration_uuid, self._record.attempt).touch()

    async def place(self) -> None:
        await self._write(exclusive=True)

    async def complete(self) -> None:
        await self._write(postpone_completion=False)

    async def cancel(self) -> float:
        at = time.monotonic()
        await self._write(cancel_requested=True)
        return at

    async def throttle(self, go: bool) -> None:
        self._waits = len(self._waited())
        await self._throttler.tell(self._keyspace, go)
        await self._throttler.again()

    async def _write(self, **fields: bool) -> None:
        self._record = self._record.evolve(**fields)
        await self._scheduler.write(self._record)

    # What is waited for ----------------------------------------------------------------------------------------

    async def reached(self, point: Point) -> bool:
        found = None

        def come() -> bool:
            nonlocal found
            found = find(self._steps(), point)
            return found is not None or self._ending() is not None

        await self._patiently(come)
        return found is not None

    async def is_told(self, what: Told, name: str = "") -> bool:
        def told() -> bool:
            match what:
                case Told.PHASE:
                    return any(isinstance(each, PhaseEntered) and each.phase == name for each in self._reports())
                case Told.READY:
                    return any(isinstance(each, ReadyToComplete) and each.ready for each in self._reports())
                case Told.THROTTLED:
                    return len(self._waited()) > self._waits

        await self._patiently(lambda: told() or self._ending() is not None)
        return told()

    async def ended(self) -> Attempted:
        self.release()
        await self._patiently(lambda: self._ending() is not None)
        attempt = self._record.attempt
        reports = [report.reached for report in self._reports() if isinstance(report, ProgressReport)]
        return Attempted(
            number=attempt,
            steps=self._steps(),
            ending=self._ending(),
            after=await self.table(),
            reported=tuple(reports),
            shown=tuple(reached for number, reached in self._witness.shown if number == attempt),
            ordered=self._orders.die,
        )

    async def _patiently(self, condition: Callable[[], bool]) -> None:
        """What does not come is judged by the checks."""
        with contextlib.suppress(TimeoutError):
            await self._until(condition)

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(self._patience):
            while not condition():  # noqa: ASYNC110 - other processes make it true
                await asyncio.sleep(0.02)

    # What is seen ----------------------------------------------------------------------------------------------

    async def copied(self, times: int) -> Sequence[int]:
        found = []
        for _ in range(times):
            await self._throttler.again()
            found.append(await asyncio.to_thread(rows_elsewhere, self._shop, KNOWN))
        return found

    async def table(self) -> Table:
        return await asyncio.to_thread(table_of, self._shop, self._change.table)

    async def seen(self) -> Seen:
        return Seen(
            left=await self._witness.left(),
            log=tuple(await self._witness.log()),
            told=(*map(repr, self._reports(of_all=True)), *self._witness.words),
            command_lines=tuple(self._witness.command_lines),
            secrets=self._secrets(),
        )

    def _steps(self) -> tuple[Step, ...]:
        return read_steps(journal(self._journals, self._record.migration_uuid, self._record.attempt))

    def _reports(self, *, of_all: bool = False) -> list[Report]:
        return [
            report
            for report in self._scheduler.reports
            if report.migration_uuid == self._record.migration_uuid
            and (of_all or report.attempt == self._record.attempt)
        ]

    def _waited(self) -> list[Report]:
        return [report for report in self._reports() if isinstance(report, Throttled) and report.throttled]

    def _ending(self) -> Ending | None:
        for report in self._reports():
            match report:
                case Completed(message=message):
                    return Ending(how="completed", message=message)
                case Failed(error=error):
                    return Ending(how="failed", error=error)
                case CancelledReport():
                    return Ending(how="cancelled")
                case ReleasedReport(reason=reason, error=error, died=died):
                    return Ending(how="died" if died else "released", error=error, message=reason)
        return None

    def _secrets(self) -> tuple[str, ...]:
        """The passwords of accounts that the run has seen, and the shard's."""
        file = secrets_of(self._journals, self._record.migration_uuid)
        known = [str(json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []
        return tuple(dict.fromkeys((self._shop.password, *known)))
