"""Sessions that run dml.sql again and again, and how they are ended at the swap."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from alterd_cases.script import Transaction
from alterd_contracts.errors import AlterdError
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.errors import UNKNOWN_THREAD, MySQLError
from alterd_runtime.mysql.quoting import qualified
from alterd_runtime.provision.endpoint import Endpoint

PACE = 0.02
"""Seconds that one round takes at least: the machine is shared with what is tried."""
GONE_WITHIN = 2.0
"""Seconds for killed sessions to be gone from the server."""
MISTAKES = frozenset({1048, 1054, 1064, 1136, 1146, 1305, 1364})
"""What no other session can cause: the script is wrong."""


class Writer(threading.Thread):
    """One session. Errors of statements roll their transaction back, and the next one begins."""

    def __init__(self, endpoint: Endpoint, schema: str, writes: Sequence[Transaction], number: int) -> None:
        super().__init__(name=f"{schema}:{number}", daemon=True)
        self._endpoint, self._schema, self._writes, self._number = endpoint, schema, writes, number
        self.stopping = threading.Event()
        self.connection_id = 0
        self.commits: list[float] = []
        """When each transaction that changed rows was committed, as Unix times."""
        self.trouble = ""
        """What ended it before its time."""
        self.last_error = ""

    def run(self) -> None:
        try:
            session = BlockingSession.open(
                self._endpoint.address,
                self._endpoint.credentials,
                database=self._schema,
                name=f"cases:{self._schema}",
                init={"time_zone": None, "innodb_lock_wait_timeout": 5},
            )
            self.connection_id = session.connection_id
            try:
                session.execute(f"SET @session = {self._number}, @round = 0")
                self._write(session)
            finally:
                session.close()
        except AlterdError as error:
            if not self.stopping.is_set():
                self.trouble = error.message

    def _write(self, session: BlockingSession) -> None:
        while not self.stopping.is_set():
            began = time.monotonic()
            session.execute("SET @round = @round + 1")
            for transaction in self._writes:
                if self.stopping.is_set():
                    return
                self._one(session, transaction)
            self.stopping.wait(max(0.0, PACE - (time.monotonic() - began)))

    def _one(self, session: BlockingSession, transaction: Transaction) -> None:
        changed = 0
        try:
            for statement in transaction.statements:
                changed += session.execute(statement)
        except MySQLError as error:
            if error.errno in MISTAKES:
                raise
            self.last_error = error.message
            session.rollback()
            return
        if changed and transaction.commits:
            self.commits.append(time.time())


class Writers:
    """All sessions of a case, and its events."""

    def __init__(self, endpoint: Endpoint, schema: str, writes: Sequence[Transaction], sessions: int) -> None:
        self._schema = schema
        self._all = [Writer(endpoint, schema, writes, number) for number in range(1, sessions + 1)] if writes else []

    def start(self) -> None:
        for each in self._all:
            each.start()

    @property
    def at_work(self) -> bool:
        """Each has committed something, or is at its end."""
        return all(each.commits or not each.is_alive() for each in self._all)

    @property
    def trouble(self) -> str:
        """Why one of them ended, or never committed."""
        for each in self._all:
            if each.trouble:
                return each.trouble
            if not each.commits and each.last_error:
                return f"no transaction of dml.sql comes through: {each.last_error}"
        return ""

    @property
    def commits(self) -> list[float]:
        return sorted(moment for each in self._all for moment in each.commits)

    def end(self, control: BlockingSession) -> bool:
        """Whether all sessions and events are gone from the server, with nothing more to come. Idempotent."""
        for each in self._all:
            each.stopping.set()
        for row in control.query(
            "SELECT EVENT_NAME AS name FROM information_schema.EVENTS WHERE EVENT_SCHEMA = %s", (self._schema,)
        ):
            control.execute(f"DROP EVENT IF EXISTS {qualified(self._schema, row['name'])}")
        deadline = time.monotonic() + GONE_WITHIN
        while True:
            left = self._left(control)
            if not left and not any(each.is_alive() for each in self._all):
                return True
            if time.monotonic() > deadline:
                return False
            for number in left:
                _kill(control, number)
            for each in self._all:
                each.join(0.02)

    def _left(self, control: BlockingSession) -> list[int]:
        known = [each.connection_id for each in self._all] or [0]
        rows = control.query(
            "SELECT PROCESSLIST_ID AS id FROM performance_schema.threads WHERE PROCESSLIST_ID IN %s"
            " OR (NAME = 'thread/sql/event_worker' AND PROCESSLIST_DB = %s)",
            (known, self._schema),
        )
        return [int(row["id"]) for row in rows if row["id"]]


def _kill(control: BlockingSession, number: int) -> None:
    try:
        control.execute(f"KILL {number}")
    except MySQLError as error:
        if error.errno != UNKNOWN_THREAD:
            raise
