"""Writes an attempt's journal, and does what the harness ordered at its steps."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from alterd_contracts.errors import AlterdError
from alterd_contracts.names import SIDECAR_SCHEMA
from alterd_contracts.strategy import Task
from alterd_contracts.testing.orders import read_orders, released
from alterd_contracts.testing.steps import Found, Side, Step, journal, secrets_of

T = TypeVar("T")
LOOK_EVERY = 0.2
"""Seconds between two looks at the tables while a program runs."""
LOOK_AGAIN = 0.01
"""Seconds between two looks whether a held run may go on."""

_TABLES = "SELECT TABLE_NAME AS `name` FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s"
_DECLARED = f"SELECT `name` FROM {SIDECAR_SCHEMA}.artifacts WHERE `table_schema` = %s AND `collected_at` IS NULL"


class Recorder:
    """The journal of one attempt."""

    def __init__(self, folder: Path, task: Task) -> None:
        self._folder, self._task = folder, task
        uuid = task.migration.migration_uuid
        self._orders = read_orders(folder, uuid, task.attempt)
        self._die = Found(self._orders.die) if self._orders.die else None
        self._hold = Found(self._orders.hold) if self._orders.hold else None
        self._secrets = secrets_of(folder, uuid)
        self._released = released(folder, uuid, task.attempt)
        self._file = os.open(journal(folder, uuid, task.attempt), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._phase = ""

    @property
    def twice(self) -> bool:
        return self._orders.twice

    def enters(self, phase: str) -> None:
        """Steps from now on belong to it."""
        self._phase = phase

    def tell(self, within: str, call: str, side: Side = Side.TOLD, **details: Any) -> Step:
        """Writes a step down; the process ends here where that was ordered."""
        step = Step(
            attempt=self._task.attempt,
            at=time.monotonic(),
            within=within,
            call=call,
            side=side,
            phase=self._phase,
            **details,
        )
        os.write(self._file, msgspec.json.encode(step) + b"\n")
        if self._die is not None and self._die.at(step):
            os.kill(os.getpid(), signal.SIGKILL)
        return step

    async def around(
        self,
        within: str,
        call: str,
        action: Callable[[], Awaitable[T]],
        *,
        look: bool = False,
        tells: Callable[[T], dict[str, Any]] = lambda _: {},
        **details: Any,
    ) -> T:
        """Writes down when a call begins and ends. `look`: which tables nobody has declared then."""
        found = await self._undeclared(within) if look else None
        seen = {} if found is None else {"looked": True, "undeclared": found}
        await self._held(self.tell(within, call, Side.BEGUN, **details, **seen))
        try:
            answer = await action()
        except BaseException as error:
            self.tell(within, call, Side.RAISED, **details, answer=type(error).__name__, said=str(error))
            raise
        await self._held(self.tell(within, call, Side.DONE, **details, **tells(answer)))
        return answer

    async def looking(self, within: str) -> None:
        """Looks at the tables again and again, until cancelled: a program makes its own while nobody is asked."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            if found := await self._undeclared(within):
                self.tell(within, "look", looked=True, undeclared=found)

    def secret(self, text: str) -> None:
        """It must be seen nowhere; the harness reads it in a file that is its own."""
        line = json.dumps(text) + "\n"
        file = os.open(self._secrets, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)

    async def _held(self, step: Step) -> None:
        if self._hold is None or not self._hold.at(step):
            return
        self._hold = None
        self.tell(step.within, "held", Side.BEGUN, name=step.call)
        while not self._released.exists():  # noqa: ASYNC110 - another process makes it
            await asyncio.sleep(LOOK_AGAIN)
        self.tell(step.within, "held", Side.DONE, name=step.call)

    async def _undeclared(self, within: str) -> tuple[str, ...] | None:
        """Tables first, then the list: what is on neither was made before it was written down."""
        schema = self._task.migration.mysql_schema
        try:
            session = await self._task.primary()
            try:
                there = await session.query(_TABLES, (schema,))
                declared = await session.query(_DECLARED, (schema,))
            finally:
                await session.close()
        except AlterdError as error:  # the call itself will meet it too
            self.tell(within, "look", Side.RAISED, said=error.message)
            return None
        names = {str(row["name"]) for row in there} - {str(row["name"]) for row in declared}
        return tuple(sorted(names - set(self._orders.known)))
