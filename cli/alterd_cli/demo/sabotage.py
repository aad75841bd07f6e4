"""Alters one row behind everybody's back: the proof must name it."""

from __future__ import annotations

from itertools import islice

import msgspec

from alterd_cli.demo import Sabotage
from alterd_cli.demo.ledger import Ledger
from alterd_cli.demo.place import Place
from alterd_cli.demo.table import COLUMNS
from alterd_runtime.mysql.quoting import identifier

FREE_BADGE = 4_000_000_000
"""No writer comes so far."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, and the row that the proof must name."""

    key: int
    text: str


def sabotage(place: Place, kind: Sabotage, ledger: Ledger) -> Done:
    """Picks a row from the middle. The writers are stopped. Blocks. Raises what sessions raise."""
    [(key, row)] = islice(ledger.expected(), ledger.count() // 2, ledger.count() // 2 + 1)
    session = place.open()
    try:
        if kind is Sabotage.DROP:
            session.execute(f"DELETE FROM {place.name} WHERE id = %s", (key,))
            return Done(key=key, text=f"row id={key} was deleted")
        if kind is Sabotage.CHANGE:
            session.execute(f"UPDATE {place.name} SET balance = balance + 0.01 WHERE id = %s", (key,))
            return Done(key=key, text=f"row id={key} was given a cent")
        unique = {"email": "CONCAT('copy.of.', email)", "badge": str(FREE_BADGE)}
        cells = ", ".join(unique.get(column, identifier(column)) for column in COLUMNS)
        names = ", ".join(map(identifier, COLUMNS))
        session.execute(
            f"INSERT INTO {place.name} ({names}) SELECT {cells} FROM {place.name} WHERE email = %s", (row.email,)
        )
        copy = int(session.value("SELECT LAST_INSERT_ID()"))
        return Done(key=copy, text=f"row id={key} was copied to id={copy}")
    finally:
        session.close()
