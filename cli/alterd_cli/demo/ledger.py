"""What each key must hold, from acknowledged writes alone. Pure.

A key belongs to one owner (`key` modulo the number of owners), so no two writers write the same row. A transaction
counts from the moment its COMMIT was acknowledged. One whose COMMIT got no answer is in doubt: all of it happened or
nothing, and the ledger keeps both until somebody reads its keys. Rows that nobody has touched are computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

import msgspec

from alterd_cli.demo.table import Row, differing, row

Changes = Mapping[int, Row | None]
"""What a transaction leaves behind, by key; None: no row."""


class Settled(StrEnum):
    """What became of a transaction in doubt."""

    HAPPENED = "happened"
    NEVER = "never"
    TORN = "torn"
    """A part of it happened, or something else did: a row was lost or changed."""


class Ledger:
    """The keys of one owner, or of all. Rows 1 to `rows` are there from the beginning."""

    def __init__(
        self,
        seed: int,
        rows: int,
        touched: Changes | None = None,
        doubts: Iterable[Changes] = (),
    ) -> None:
        self.seed, self.rows = seed, rows
        self.touched: dict[int, Row | None] = dict(touched or {})
        self.doubts: list[Changes] = list(doubts)
        """In doubt; no key is in two of them."""

    def get(self, key: int) -> Row | None:
        """As acknowledged: a transaction in doubt has not happened yet."""
        if key in self.touched:
            return self.touched[key]
        return row(self.seed, key) if 1 <= key <= self.rows else None

    def acknowledge(self, changes: Changes) -> None:
        """The server has said that it is committed. Raises ValueError for a key in doubt."""
        self._check_free(changes)
        self.touched.update(changes)

    def put_in_doubt(self, changes: Changes) -> None:
        """The server was asked to commit and has not answered. Raises ValueError for a key in doubt already."""
        self._check_free(changes)
        self.doubts.append(dict(changes))

    def settle(self, doubt: Changes, found: Changes) -> Settled:
        """`found` is what the keys of `doubt` hold, the transaction's session being gone. Removes it from `doubts`.

        What is torn is taken as it was found, so that the writer can go on.
        """
        self.doubts.remove(doubt)
        if all(alike(self.get(key), found.get(key)) for key in doubt):
            return Settled.NEVER
        happened = all(alike(after, found.get(key)) for key, after in doubt.items())
        self.touched.update(doubt if happened else {key: found.get(key) for key in doubt})
        return Settled.HAPPENED if happened else Settled.TORN

    def expected(self) -> Iterator[tuple[int, Row]]:
        """All rows that must be there, by rising key."""
        at = 1
        for key in sorted(self.touched):
            yield from ((each, row(self.seed, each)) for each in range(at, min(key, self.rows + 1)))
            held = self.touched[key]
            if held is not None:
                yield key, held
            at = max(at, key + 1)
        yield from ((each, row(self.seed, each)) for each in range(at, self.rows + 1))

    def count(self) -> int:
        """How many rows must be there."""
        inside = sum(1 <= key <= self.rows for key in self.touched)
        return self.rows - inside + sum(held is not None for held in self.touched.values())

    def _check_free(self, changes: Changes) -> None:
        for doubt in self.doubts:
            if taken := sorted(doubt.keys() & changes.keys()):
                raise ValueError(f"the keys {taken} are in doubt: settle them first")


def merged(ledgers: Iterable[Ledger]) -> Ledger:
    """One of all owners. Raises ValueError where two of them touched the same key."""
    first, *others = ledgers
    whole = Ledger(first.seed, first.rows, first.touched, first.doubts)
    for each in others:
        if (each.seed, each.rows) != (whole.seed, whole.rows):
            raise ValueError("these are ledgers of different tables")
        if shared := sorted(each.touched.keys() & whole.touched.keys()):
            raise ValueError(f"two owners touched the keys {shared[:10]}")
        whole.touched.update(each.touched)
        whole.doubts.extend(each.doubts)
    return whole


def alike(one: Row | None, other: Row | None) -> bool:
    """The same row, or none both times."""
    if one is None or other is None:
        return one is other
    return not differing(one, other)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A ledger on its way between processes."""

    seed: int
    rows: int
    touched: dict[int, Row | None]
    doubts: list[dict[int, Row | None]] = []

    @classmethod
    def of(cls, ledger: Ledger) -> Kept:
        doubts = [dict(doubt) for doubt in ledger.doubts]
        return cls(seed=ledger.seed, rows=ledger.rows, touched=ledger.touched, doubts=doubts)

    def open(self) -> Ledger:
        return Ledger(self.seed, self.rows, self.touched, self.doubts)
