"""Follows the change and does what `course` says: a lagging replica, a transaction in the way, one across the swap."""

from __future__ import annotations

import asyncio
import time

from alterd_cli.demo.course import Act, Course
from alterd_cli.demo.load import Load
from alterd_cli.demo.messages import Hold
from alterd_cli.demo.show import Show
from alterd_cli.records import find_migration
from alterd_contracts.migration import Migration
from alterd_runtime.bus import Bus
from alterd_runtime.provision.endpoint import Endpoint

LOOK_INTERVAL = 0.2
"""Seconds between looks at the record."""


class Interlude:
    """What the demo does to the servers and the load while the change runs."""

    def __init__(self, course: Course, load: Load, replica: Endpoint, show: Show) -> None:
        self._course, self._load, self._replica, self._show = course, load, replica, show

    async def play(self, bus: Bus, uuid: str) -> Migration:
        """Until the change has ended, however: the record then. Raises `LoadFailed`, and what sessions raise."""
        reason = ""
        while True:
            [record] = await find_migration(bus, uuid)
            for act in self._course.see(record, time.monotonic()):
                await self._do(act, record)
            if not reason and self._course.reason:
                reason = self._course.reason
                self._show.moment(f"throttled: {reason}")
            if record.migration_status.terminal:
                return record
            await asyncio.sleep(LOOK_INTERVAL)

    async def _do(self, act: Act, record: Migration) -> None:
        show = self._show
        match act:
            case Act.STOP_REPLICA:
                show.moment("the replica's applier is stopped: its lag grows")
                await asyncio.to_thread(self._on_replica, "STOP REPLICA SQL_THREAD")
            case Act.START_REPLICA:
                await asyncio.to_thread(self._on_replica, "START REPLICA SQL_THREAD")
                show.moment("the replica's applier goes on")
            case Act.END_TOUCH:
                if blocked := self._course.blocked:
                    show.moment(f"the swap waits: {blocked}")
                told = await self._load.end(Hold.TOUCH)
                show.moment(f"the transaction that was in its way: {told.state}")
            case Act.END_STRADDLE:
                status = record.migration_status
                when = f"the change is {status}" if status.terminal else "no swap has happened for a while"
                told = await self._load.end(Hold.STRADDLE)
                show.moment(f"{when}; the transaction that was open all the time writes to the table: {told.state}")

    def _on_replica(self, statement: str) -> None:
        session = self._replica.open(name="alterd:demo:lag")
        try:
            session.execute(statement)
        finally:
            session.close()
