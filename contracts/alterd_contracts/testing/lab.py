"""What a harness has to offer: real servers, a real executor, and a scheduler that does as it is told."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from enum import StrEnum
from typing import Final, Protocol

import msgspec

from alterd_contracts.statement import StatementKind
from alterd_contracts.testing.observed import Attempted, Left, Table
from alterd_contracts.testing.orders import Orders
from alterd_contracts.testing.steps import Point, Side

TABLE: Final = "item"
ROWS: Final = 300
"""Of `item`, unless a change says otherwise."""


def setup(rows: int) -> tuple[str, ...]:
    """What a case's schema holds before its change; tables are named by `KNOWN`."""
    tens = "SELECT 0 AS n" + "".join(f" UNION ALL SELECT {n}" for n in range(1, 10))
    numbers = (
        f"SELECT a.n + 10 * b.n + 100 * c.n + 1000 * d.n + 1 AS n FROM ({tens}) a, ({tens}) b, ({tens}) c, ({tens}) d"
    )
    return (
        f"CREATE TABLE {TABLE} (id INT NOT NULL PRIMARY KEY, u INT, b VARCHAR(30))",
        f"INSERT INTO {TABLE} SELECT n, 2 * n, CONCAT('row ', n) FROM ({numbers}) s WHERE n <= {min(rows, 10_000)}",
        "CREATE TABLE gone (id INT NOT NULL PRIMARY KEY, b VARCHAR(10))",
        "INSERT INTO gone VALUES (1, 'a'), (2, 'b')",
        f"CREATE VIEW seen AS SELECT id, u FROM {TABLE}",
        f"ANALYZE TABLE {TABLE}",
    )


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One statement, and flags behind the strategy's name."""

    kind: StatementKind
    table: str
    sql: str
    options: str = ""
    rows: int = ROWS


ALTER: Final = Change(
    kind=StatementKind.ALTER_TABLE,
    table=TABLE,
    sql=f"ALTER TABLE {TABLE} ADD COLUMN c INT NOT NULL DEFAULT 7, ADD INDEX by_u (u)",
)
OTHERS: Final = (
    Change(
        kind=StatementKind.CREATE_TABLE, table="made", sql="CREATE TABLE made (id INT NOT NULL PRIMARY KEY, b CHAR(3))"
    ),
    Change(kind=StatementKind.DROP_TABLE, table="gone", sql="DROP TABLE gone"),
    Change(kind=StatementKind.CREATE_VIEW, table="looked", sql=f"CREATE VIEW looked AS SELECT id, b FROM {TABLE}"),
    Change(kind=StatementKind.ALTER_VIEW, table="seen", sql=f"ALTER VIEW seen AS SELECT id, b FROM {TABLE}"),
    Change(kind=StatementKind.DROP_VIEW, table="seen", sql="DROP VIEW seen"),
)
KNOWN: Final = (TABLE, "gone", "seen", "made", "looked")


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """A strategy, and what its scenarios need to know of it."""

    strategy: str
    alters: tuple[Change, ...] = (ALTER,)
    """So many that each declared phase is entered by one of them. The first one is cancelled and killed too."""
    slow: Change = ALTER
    """One that takes a while to copy, or asks often."""
    middle: Point = Point(within="run", call="throttle.wait", side=Side.BEGUN, nth=3)
    """Where it is in the middle of its copy. The run is held there if that is a call that waits."""
    lasting: Change | None = None
    """One whose copy lasts longer than `work_kept_after`; `slow` unless told otherwise."""
    work_kept_after: float = 0.0
    """Seconds after `middle` from which on a resumable one has something to go on with."""
    probes: tuple[str, ...] = ("conformance-probe",)
    """Flags that it does not know, to be passed on."""


class Told(StrEnum):
    """What executors report of a run."""

    PHASE = "phase"
    READY = "ready"
    THROTTLED = "throttled"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What a harness sees of a case once its last attempt is over; as in `Ran`."""

    left: Left
    log: tuple[str, ...]
    told: tuple[str, ...]
    command_lines: tuple[str, ...]
    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Seen({self.left!r})"


class Case(Protocol):
    """One migration, of `Change.sql` in a fresh schema with `setup`. All waits have a deadline."""

    @property
    def before(self) -> Table: ...
    @property
    def expected(self) -> Table:
        """As the statement leaves it when MySQL carries it out in a schema of the same kind."""
        ...

    async def begin(self, orders: Orders) -> None:
        """The next attempt begins, as the scheduler would have it."""
        ...

    async def reached(self, point: Point) -> bool:
        """Waits until the attempt's journal has the point: whether it came before the attempt's end."""
        ...

    async def is_told(self, what: Told, name: str = "") -> bool:
        """Waits until the executor has reported it of this attempt: whether it came before the attempt's end."""
        ...

    def release(self) -> None:
        """A held run goes on."""
        ...

    async def place(self) -> None:
        """The shard's exclusive place is given to it."""
        ...

    async def complete(self) -> None:
        """Its completion is held no more."""
        ...

    async def cancel(self) -> float:
        """A user cancels it; when, by the host's monotonic clock."""
        ...

    async def throttle(self, go: bool) -> None:
        """What the throttler says from now on; it has been heard by the executor when this returns."""
        ...

    async def copied(self, times: int) -> Sequence[int]:
        """Rows in copies of the user's table, looked at so many times, each after the throttler was asked again."""
        ...

    async def table(self) -> Table:
        """The change's table as it is now."""
        ...

    async def ended(self) -> Attempted:
        """Waits for the end of the attempt."""
        ...

    async def seen(self) -> Seen:
        """Once the last attempt is over. What takes a moment to be gone is given that moment."""
        ...


class Lab(Protocol):
    """Where cases are run."""

    def case(
        self, strategy: str, change: Change, *, postponed: bool = False, placed: bool = True
    ) -> AbstractAsyncContextManager[Case]:
        """A migration that has not begun. `placed`: an exclusive phase may begin at once."""
        ...

    async def refusal(self, strategy: str, options: str) -> str:
        """The words by which these flags are refused before anything is queued; empty where they are taken."""
        ...
