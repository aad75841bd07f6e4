"""What the writers' process and its driver tell each other: one JSON document a line."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from alterd_cli.demo.figures import Figures, Wait
from alterd_cli.demo.ledger import Kept


class Hold(StrEnum):
    """A transaction that is held open."""

    TOUCH = "touch"
    """Has written to the table: no cut-over can happen while it is open."""
    STRADDLE = "straddle"
    """Has written to another table, and writes to the table only at its end: a cut-over may happen meanwhile."""


class HoldState(StrEnum):
    OPEN = "open"
    COMMITTED = "committed"
    ROLLED_BACK = "rolled back"
    IN_DOUBT = "in doubt"


class Start(msgspec.Struct, frozen=True, kw_only=True):
    """What the process needs to know; its text form hides the password. Travels over stdin only."""

    address: str
    user: str
    password: str
    schema: str
    table: str
    rows: int
    seed: int
    rate: float
    """Statements a second, of all writers together."""
    writers: int
    result: str
    """File that the result is written to."""

    def __repr__(self) -> str:
        return f"Start(address={self.address!r}, user={self.user!r}, table={self.schema}.{self.table}, password=***)"


class Begin(msgspec.Struct, frozen=True, tag="begin", tag_field="do"):
    hold: Hold


class End(msgspec.Struct, frozen=True, tag="end", tag_field="do"):
    hold: Hold


class Stop(msgspec.Struct, frozen=True, tag="stop", tag_field="do"):
    """All finish what they do; the result is written and the process ends."""


Command = Begin | End | Stop


class Status(msgspec.Struct, frozen=True, kw_only=True, tag="status", tag_field="tells"):
    """Once a second."""

    seconds: float
    """Since the writers began."""
    statements: int
    connected: int
    """Writers with a session."""
    longest: Wait
    surprises: int
    trouble: str = ""
    """Why somebody has no session."""


class HoldTold(msgspec.Struct, frozen=True, kw_only=True, tag="hold", tag_field="tells"):
    hold: Hold
    state: HoldState
    connection_id: int = 0
    """Of the session that holds it; known while it is open."""
    keys: tuple[int, ...] = ()
    """Rows of the table that it writes."""


class Finished(msgspec.Struct, frozen=True, tag="finished", tag_field="tells"):
    """The result is in its file."""


Told = Status | HoldTold | Finished


class LoadResult(msgspec.Struct, frozen=True, kw_only=True):
    """All that the writers know when they have stopped. `proof.prove` compares it with the table."""

    ledger: Kept
    figures: Figures
    surprises: tuple[str, ...] = ()
    """What the server did although no row can have been lost: each is a mismatch."""
    visits: tuple[int, ...] = ()
    """Rows of the journal that must be there."""
    doubtful_visits: tuple[tuple[int, int], ...] = ()
    """A key of the ledger's doubt that it belongs to, and the number."""
