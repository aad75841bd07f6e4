"""The writers' threads: those that write all the time, and those that hold one transaction open."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from random import Random

from alterd_cli.demo.client import ROLLED_BACK, Client, Waited, code_of
from alterd_cli.demo.messages import Hold, HoldState, HoldTold
from alterd_contracts.errors import AlterdError, LostSession, ShardUnreachable
from alterd_runtime.mysql.errors import MySQLError, ReadOnlyServer

FIRST_PAUSE, LAST_PAUSE = 0.05, 1.0
"""Seconds before a session is opened again; doubles from the first to the last."""
BEHIND = 1.0
"""Seconds of delay that are caught up; what is later than that is left out."""
LAST_SETTLING = 10.0
"""Seconds for which a transaction in doubt is looked after when a thread ends."""


class Pace:
    """Deadlines of one writer."""

    def __init__(self, rate: float, stopping: threading.Event) -> None:
        """`rate`: statements a second."""
        self._interval, self._stopping = 1 / rate, stopping
        self._due = time.monotonic()

    def wait(self) -> None:
        """Returns when the next statement is due; at once when the writers stop."""
        now = time.monotonic()
        self._due = max(self._due + self._interval, now - BEHIND)
        if self._due > now:
            self._stopping.wait(self._due - now)


class Writer(threading.Thread):
    """Writes until `stopping`, to the end of the operation."""

    def __init__(self, client: Client, rate: float, stopping: threading.Event, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self.client = client
        self._rate, self._stopping = rate, stopping

    def run(self) -> None:
        pace, client = Pace(self._rate, self._stopping), self.client
        try:
            while not self._stopping.is_set():
                if connect(client, self._stopping.wait, self._stopping.is_set):
                    client.perform(client.mix.next(), wish=pace.wait)
            settle_last(client)
            client.close()
        except Exception as error:
            client.surprise(f"{self.name} ended: {type(error).__name__}: {error}")
            raise


class Holder:
    """Begins a transaction, and ends it when told to."""

    def __init__(self, hold: Hold, client: Client, tell: Callable[[HoldTold], None]) -> None:
        self.client = client
        self._hold, self._tell = hold, tell
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        """`tell` hears when it is open. Does nothing while one is open; waits for one that is told to end."""
        if self._thread is not None and self._ending.is_set():
            self._thread.join()  # it may have told its end, and not ended yet
        if self._thread is None or not self._thread.is_alive():
            self._ending.clear()
            self._thread = threading.Thread(target=self._run, name=f"hold {self._hold}", daemon=True)
            self._thread.start()

    def end(self) -> None:
        """Returns at once; `tell` hears when it is committed."""
        self._ending.set()

    def join(self, timeout: float) -> None:
        if self._thread is not None:
            self._thread.join(timeout)

    def _run(self) -> None:
        try:
            self._hold_one()
        except Exception as error:
            self.client.surprise(f"the held transaction {self._hold} ended: {type(error).__name__}: {error}")
            raise

    def _hold_one(self) -> None:
        client = self.client
        if not connect(client, self._ending.wait, self._ending.is_set):
            self._tell(HoldTold(hold=self._hold, state=HoldState.ROLLED_BACK))
            return
        operation = client.mix.touching() if self._hold is Hold.TOUCH else client.mix.straddling()
        keys = tuple(sorted(operation.changes))

        def pause() -> None:
            told = HoldTold(hold=self._hold, state=HoldState.OPEN, connection_id=client.connection_id, keys=keys)
            self._tell(told)
            self._ending.wait()

        committed = client.perform(operation, pause=pause)
        state = HoldState.COMMITTED if committed else HoldState.ROLLED_BACK
        if client.in_doubt is not None:
            state = HoldState.IN_DOUBT
            settle_last(client)
        client.close()
        self._tell(HoldTold(hold=self._hold, state=state, keys=keys))


def connect(client: Client, sleep: Callable[[float], object], enough: Callable[[], bool]) -> bool:
    """Makes `client` ready, for as long as it takes: whether that was before `enough`."""
    pause, dice = FIRST_PAUSE, Random()
    while True:
        try:
            client.ready()
        except (LostSession, ShardUnreachable, ReadOnlyServer, Waited) as error:
            client.trouble = str(error)
        except MySQLError as error:
            client.trouble = error.message
            client.counts[f"error:{code_of(error)}"] += 1
            if error.errno not in ROLLED_BACK:
                client.surprise(error.message)
        except AlterdError as error:
            client.trouble = error.message
            client.surprise(error.message)
        else:
            return True
        if enough():
            return False
        sleep(pause * dice.uniform(0.7, 1.0))
        pause = min(2 * pause, LAST_PAUSE)


def settle_last(client: Client) -> None:
    """Looks after a transaction in doubt for a while; if that is too short, the proof does it."""
    if client.in_doubt is not None:
        deadline = time.monotonic() + LAST_SETTLING
        connect(client, time.sleep, lambda: time.monotonic() > deadline)
