"""What the model of the engine is made of."""

from __future__ import annotations

from dataclasses import dataclass, field

from alterd_vitess.ranges import Range


@dataclass
class Transaction:
    """In the binlog, perhaps not visible yet."""

    rows: dict[int, int | None]
    """What it changes when it is visible; of a prepared one: when it is committed."""
    touched: set[int]
    visible: bool = False
    """Of a prepared one its GTID only."""
    prepared: bool = False
    ends: int | None = None
    """The prepared one that it commits, or rolls back."""


@dataclass
class Chunk:
    """A copy statement on the server."""

    range: Range
    seen: dict[int, int] | None = None
    """The rows its snapshot has; None before the statement has started."""
    committed: bool = False
    registered: bool = True


@dataclass
class Batch:
    """An apply transaction on the server."""

    keys: list[bytes]
    seen: dict[int, int] | None = None
    committed: bool = False


@dataclass
class Delivered:
    """What the reader sends at once."""

    gtids: list[tuple[str, int, int]] = field(default_factory=list)
    needed: set[int] = field(default_factory=set)
    keys: set[int] = field(default_factory=set)
    prepared: list[tuple[str, int, int]] = field(default_factory=list)


class Loss(AssertionError):
    """The tables differ, or the server refused what must never be refused."""
