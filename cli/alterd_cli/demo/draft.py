"""Transactions as they are written: statements, and what they leave behind. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from alterd_cli.demo.ledger import Changes, Ledger
from alterd_cli.demo.place import Place
from alterd_cli.demo.table import COLUMNS, Row
from alterd_runtime.mysql.quoting import identifier


class Step(NamedTuple):
    """A statement."""

    sql: str
    params: tuple[Any, ...] = ()
    changes: int | None = None
    """Rows that it must change; None: it is no DML."""
    keyed: Row | None = None
    """The row that it inserts under a key of the server's choice."""


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """Something a writer does as a whole."""

    kind: str
    steps: tuple[Step, ...]
    changes: Changes
    """What it leaves behind, but for rows whose key the server chooses."""
    transaction: bool = True
    """START TRANSACTION before and COMMIT after; False: one statement by itself."""
    commits: bool = True
    """False: ROLLBACK in place of COMMIT."""
    pause: int | None = None
    """Index of the step before which a held transaction waits."""
    visit: int | None = None
    """Number of the journal's row that it writes."""


class Draft:
    """Collects the statements of one operation on top of a ledger."""

    def __init__(self, ledger: Ledger, place: Place) -> None:
        self._ledger, self._place = ledger, place
        self.steps: list[Step] = []
        self.changes: dict[int, Row | None] = {}
        self._marks: dict[str, dict[int, Row | None]] = {}

    def get(self, key: int) -> Row | None:
        """As this transaction sees it."""
        return self.changes[key] if key in self.changes else self._ledger.get(key)

    def held(self, key: int) -> Row:
        """Raises ValueError where there is no row."""
        found = self.get(key)
        if found is None:
            raise ValueError(f"there is no row {key}")
        return found

    def update(self, key: int, **values: Any) -> None:
        """Writes the columns that differ; a cent more of balance where none does."""
        old = self.held(key)
        changed = {column: value for column, value in values.items() if value != getattr(old, column)}
        changed = changed or {"balance": plus(old.balance, "0.01")}
        cells = ", ".join(f"{identifier(column)} = {_place_of(column)}" for column in changed)
        self._add(f"UPDATE {self._place.name} SET {cells} WHERE id = %s", (*changed.values(), key), 1)
        self.changes[key] = msgspec.structs.replace(old, **changed)

    def add_to_balances(self, keys: list[int], amount: str) -> None:
        """One statement for several rows."""
        places = ", ".join(["%s"] * len(keys))
        self._add(
            f"UPDATE {self._place.name} SET balance = balance + %s WHERE id IN ({places})",
            (Decimal(amount), *keys),
            len(keys),
        )
        for key in keys:
            old = self.held(key)
            self.changes[key] = msgspec.structs.replace(old, balance=plus(old.balance, amount))

    def move(self, key: int, to: int) -> None:
        """Changes the primary key. Raises ValueError where `to` is taken."""
        self._check_free(to)
        row = self.held(key)
        self._add(f"UPDATE {self._place.name} SET id = %s WHERE id = %s", (to, key), 1)
        self.changes[key], self.changes[to] = None, row

    def delete(self, key: int) -> None:
        self.held(key)
        self._add(f"DELETE FROM {self._place.name} WHERE id = %s", (key,), 1)
        self.changes[key] = None

    def insert(self, key: int, row: Row) -> None:
        """Raises ValueError where `key` is taken."""
        self._check_free(key)
        names = ", ".join(identifier(column) for column in ("id", *COLUMNS))
        places = ", ".join(["%s", *map(_place_of, COLUMNS)])
        values = msgspec.structs.astuple(row)
        self._add(f"INSERT INTO {self._place.name} ({names}) VALUES ({places})", (key, *values), 1)
        self.changes[key] = row

    def append(self, row: Row) -> None:
        """Inserts `row` under a key that the server chooses."""
        names = ", ".join(map(identifier, COLUMNS))
        places = ", ".join(map(_place_of, COLUMNS))
        statement = f"INSERT INTO {self._place.name} ({names}) VALUES ({places})"
        self.steps.append(Step(statement, msgspec.structs.astuple(row), 1, row))

    def visit(self, number: int, what: str) -> None:
        """A row of the journal."""
        self._add(f"INSERT INTO {self._place.journal} (number, what) VALUES (%s, %s)", (number, what), 1)

    def savepoint(self, name: str) -> None:
        self._marks[name] = dict(self.changes)
        self._add(f"SAVEPOINT {identifier(name)}")

    def rollback_to(self, name: str) -> None:
        self.changes = dict(self._marks[name])
        self._add(f"ROLLBACK TO SAVEPOINT {identifier(name)}")

    def done(self, kind: str, **more: Any) -> Operation:
        return Operation(kind=kind, steps=tuple(self.steps), changes=self.changes, **more)

    def _add(self, sql: str, params: tuple[Any, ...] = (), changes: int | None = None) -> None:
        self.steps.append(Step(sql, params, changes))

    def _check_free(self, key: int) -> None:
        if self.get(key) is not None:
            raise ValueError(f"the key {key} is taken")


def plus(balance: str, amount: str) -> str:
    """A balance as the ledger writes it."""
    return f"{Decimal(balance) + Decimal(amount):.4f}"


def _place_of(column: str) -> str:
    return "UNHEX(%s)" if column == "token" else "%s"
