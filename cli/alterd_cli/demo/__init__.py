"""``alterd demo``: a large table is altered while it is written to, and a ledger outside of MySQL proves every row.

* `table`    the table, the ALTER, and what a row holds before anybody writes to it
* `ledger`   what each key must hold, from acknowledged writes alone; pure
* `mix`      what a writer does, seeded; pure
* `client`   does it on MySQL, through lost sessions and outages
* `load`     the writers' process and how it is driven; tests use it too
* `proof`    reads the table back and compares
* `course`   when the demo gets in the way of the change; pure
* `story`    the demo itself, `show` what is seen of it
"""

from __future__ import annotations

from enum import StrEnum

STRATEGY = "vitess"
"""The strategy that the demo shows."""
ONLINE = frozenset({"vitess", "online"})
"""Strategies that copy in the background: they can be throttled, and wait with the swap for a good moment."""
ROWS = 500_000
RATE = 500
"""Statements a second."""


class Sabotage(StrEnum):
    """A row that is altered behind everybody's back, so that the proof is seen to find it."""

    DROP = "drop"
    DOUBLE = "double"
    CHANGE = "change"
