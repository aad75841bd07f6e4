"""One writer's session on MySQL: carries out operations and writes down what was acknowledged.

A lost session, a deadlock, a lock that did not come, a server that is read only or away: the operation is rolled back
and the next one begins. After a COMMIT without an answer its keys are read before anything else is written: once the
old session is gone, all of it has happened or nothing.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from alterd_cli.demo.draft import Operation, Step
from alterd_cli.demo.figures import Latencies, Wait
from alterd_cli.demo.ledger import Ledger, Settled
from alterd_cli.demo.mix import Mix
from alterd_cli.demo.place import Place
from alterd_cli.demo.table import SELECTED, Row, read_row
from alterd_contracts.errors import AlterdError, Interrupted, LostSession
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.errors import DEADLOCK, LOCK_WAIT_TIMEOUT, QUERY_INTERRUPTED, UNKNOWN_THREAD, MySQLError

TABLE_CHANGED = 1412
"""The table is younger than the transaction's read view."""
ROLLED_BACK = frozenset({LOCK_WAIT_TIMEOUT, DEADLOCK, QUERY_INTERRUPTED, TABLE_CHANGED})
"""Answers that an application has to expect at any time."""
LOCK_PATIENCE = 10
"""Seconds a statement waits for a row's lock, at most."""
SURPRISES = 20
"""So many are kept of each writer."""

Wish = Callable[[], object]
"""Called before each statement; may wait."""


class Surprise(Exception):
    """The server did what it cannot have done if no row was lost or changed."""


class Waited(Exception):
    """It is not the time to write: the server is read only, or something else has to end first."""


class Client:
    """The keys of one owner and one session at a time, for one thread."""

    def __init__(
        self, place: Place, mix: Mix, owner: int, owners: int, name: str, isolation: str = "REPEATABLE-READ"
    ) -> None:
        self.mix = mix
        self.latencies = Latencies()
        self.counts: Counter[str] = Counter()
        self.surprises: list[str] = []
        self.visits: list[int] = []
        """Numbers of the journal's rows that were acknowledged."""
        self.in_doubt: Operation | None = None
        self.trouble = ""
        """Why there is no session; empty when there is one."""
        self._place, self._owner, self._owners, self._name = place, owner, owners, name
        self._isolation = isolation
        self._began = time.monotonic()
        self._session: BlockingSession | None = None
        self._writing_name = ""
        self._last_key = 0

    @property
    def ledger(self) -> Ledger:
        return self.mix.ledger

    @property
    def connection_id(self) -> int:
        """Of the session that is open; 0 without one."""
        session = self._session
        return session.connection_id if session is not None and session.is_open else 0

    def ready(self) -> None:
        """Sees to it that there is a session and no doubt. Raises what sessions raise, and `Waited`."""
        name = f"{self._name}:{self.counts['sessions'] + 1}"
        if not self.connection_id:
            self._session = self._place.open(name, self._variables())
            self.counts["sessions"] += 1
        assert self._session is not None
        if self.in_doubt is not None:
            self._settle(self._session, self.in_doubt)
        self._writing_name = self._session.name
        self.trouble = ""

    def perform(self, operation: Operation, wish: Wish = lambda: None, pause: Wish = lambda: None) -> bool:
        """Carries it out once: whether it was committed, or rolled back as it is meant to be. After `ready`."""
        session = self._session
        if session is None:
            raise RuntimeError("there is no session: call ready first")
        changes, committing = dict(operation.changes), False
        try:
            if operation.transaction:
                self._send(session, Step("START TRANSACTION"), wish)
            for number, step in enumerate(operation.steps):
                if number == operation.pause:
                    pause()
                committing = not operation.transaction
                self._write(session, step, changes, wish)
            if operation.transaction:
                committing = operation.commits
                self._send(session, Step("COMMIT" if operation.commits else "ROLLBACK"), wish)
        except (AlterdError, Surprise) as error:
            # a statement by itself that was answered with an error has done nothing
            unanswered = committing and (operation.transaction or isinstance(error, LostSession))
            doubt = msgspec.structs.replace(operation, changes=changes) if unanswered else None
            self._broken_off(session, operation, error, doubt)
            return False
        if operation.commits:
            self.mix.acknowledge(changes)
            self._remember(msgspec.structs.replace(operation, changes=changes))
        self.counts[f"operation:{operation.kind}"] += 1
        return True

    def abandon(self) -> None:
        """From another thread: cuts the connection, so that a statement that waits comes back."""
        session = self._session
        if session is not None:
            session.abandon()

    def close(self) -> None:
        if self._session is not None:
            self._session.close()

    def surprise(self, text: str) -> None:
        """Writes down what proves a loss, or a bug."""
        self.counts["surprises"] += 1
        if len(self.surprises) < SURPRISES:
            self.surprises.append(text)

    def _variables(self) -> dict[str, str | int | None]:
        return {
            "auto_increment_increment": self._owners,
            "auto_increment_offset": self._owner or self._owners,
            "innodb_lock_wait_timeout": LOCK_PATIENCE,
            "transaction_isolation": self._isolation,
        }

    def _send(self, session: BlockingSession, step: Step, wish: Wish) -> int:
        wish()
        at, sent = datetime.now(UTC), time.monotonic()
        try:
            return session.execute(step.sql, step.params)
        finally:
            seconds = time.monotonic() - sent
            self.latencies.add(Wait(seconds=seconds, at=at, after=sent - self._began, statement=_words(step)))

    def _write(self, session: BlockingSession, step: Step, changes: dict[int, Row | None], wish: Wish) -> None:
        changed = self._send(session, step, wish)
        if step.changes is not None and changed != step.changes:
            raise Surprise(f"{_words(step)} changed {changed} rows, not {step.changes}")
        if step.keyed is not None:
            key = int(session.value("SELECT LAST_INSERT_ID()"))
            if key % self._owners != self._owner or key <= self._last_key or self.ledger.get(key) is not None:
                raise Surprise(f"the server chose the key {key} for a new row, which it had chosen before")
            changes[key] = step.keyed

    def _remember(self, operation: Operation) -> None:
        """Of an operation that has happened, what is not in the ledger."""
        if any(step.keyed is not None for step in operation.steps):
            self._last_key = max(self._last_key, *operation.changes)
        if operation.visit is not None:
            self.visits.append(operation.visit)

    def _broken_off(
        self, session: BlockingSession, operation: Operation, error: Exception, doubt: Operation | None
    ) -> None:
        self.counts[f"error:{code_of(error)}"] += 1
        if not isinstance(error, Interrupted) and code_of(error) not in map(str, ROLLED_BACK):
            keys = ", ".join(map(str, sorted(operation.changes)[:6]))
            self.surprise(f"{operation.kind} of {keys or 'a new row'}: {error}")
        if doubt is not None:
            self.in_doubt = doubt
            self.ledger.put_in_doubt(doubt.changes)
            self.counts["in doubt"] += 1
            session.close()
        try:
            session.rollback()
        except AlterdError:
            session.close()  # its end is a rollback too

    def _settle(self, session: BlockingSession, doubt: Operation) -> None:
        """Reads the keys in doubt. Raises what sessions raise, and `Waited`."""
        if session.value("SELECT @@global.read_only"):
            session.close()
            raise Waited("the server is read only: it may lack what the primary has")
        end_session(session, self._writing_name)
        places = ", ".join(["%s"] * len(doubt.changes))
        rows = session.query(
            # locked: what still holds these rows is waited for
            f"SELECT {SELECTED} FROM {self._place.name} WHERE id IN ({places}) FOR UPDATE",
            tuple(doubt.changes),
        )
        settled = self.mix.settle(doubt.changes, {int(each["id"]): read_row(each) for each in rows})
        self.in_doubt = None
        self.counts[f"settled:{settled}"] += 1
        if settled is Settled.HAPPENED:
            self._remember(doubt)
        if settled is Settled.TORN:
            keys = ", ".join(map(str, sorted(doubt.changes)))
            self.surprise(f"{doubt.kind} of {keys} was in doubt, and a part of it has happened")


def end_session(session: BlockingSession, name: str) -> None:
    """Ends the session of that `program_name`. Raises `Waited` as long as it is there, and what sessions raise."""
    left = session.query(
        "SELECT DISTINCT PROCESSLIST_ID AS id FROM performance_schema.session_account_connect_attrs"
        " WHERE ATTR_NAME = 'program_name' AND ATTR_VALUE = %s",
        (name,),
    )
    for each in left:
        try:
            session.execute(f"KILL {int(each['id'])}")
        except MySQLError as error:
            if error.errno != UNKNOWN_THREAD:
                raise
    if left:
        raise Waited(f"the session {name} still ends")


def code_of(error: Exception) -> str:
    """MySQL's number, or the error's code."""
    if isinstance(error, MySQLError):
        return str(error.errno)
    return error.code if isinstance(error, AlterdError) else "surprise"


def _words(step: Step) -> str:
    key = f" … id {step.params[-1]}" if " WHERE " in step.sql else ""
    return " ".join(step.sql.split()[:3]) + key
