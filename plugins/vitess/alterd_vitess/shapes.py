"""What an ALTER may ask for that cannot be done online. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from alterd_contracts.errors import AlterdError
from alterd_runtime.mysql.tables import Table
from alterd_runtime.sql import Clause, ClauseKind
from alterd_vitess.errors import CannotRunOnline

DOC_ID: Final = "FTS_DOC_ID"

_OWN: Final = "use the strategy mysql: it takes moments"
_OTHER: Final = "use the strategy mysql, or gh-ost and pt-osc where they are offered"
_ROWS_GO: Final = ("rows go with the partition, and a copy would put them into another one", _OWN)
_NO_CHANGE: Final = ("it changes nothing of the table", _OWN)
_TABLESPACE: Final = ("it is about the table's files", "use the strategy direct")

_REFUSED: Final[dict[ClauseKind, tuple[str, str]]] = {
    ClauseKind.DROP_PARTITION: _ROWS_GO,
    ClauseKind.TRUNCATE_PARTITION: _ROWS_GO,
    ClauseKind.EXCHANGE_PARTITION: ("rows come from another table", _OWN),
    ClauseKind.ANALYZE_PARTITION: _NO_CHANGE,
    ClauseKind.CHECK_PARTITION: _NO_CHANGE,
    ClauseKind.REPAIR_PARTITION: _NO_CHANGE,
    ClauseKind.DISCARD_PARTITION: _TABLESPACE,
    ClauseKind.IMPORT_PARTITION: _TABLESPACE,
    ClauseKind.DISCARD_TABLESPACE: _TABLESPACE,
    ClauseKind.IMPORT_TABLESPACE: _TABLESPACE,
    ClauseKind.RENAME_TABLE: ("the table keeps its name", "rename it afterwards with the strategy direct"),
    ClauseKind.SECONDARY: ("it concerns another engine", "use the strategy mysql"),
    ClauseKind.OTHER: ("nobody here knows what it does", _OTHER),
}


def shape_obstacles(source: Table, shadow: Table, clauses: Sequence[Clause]) -> list[AlterdError]:
    """`shadow`: the table as the ALTER's `clauses` made it."""
    found: list[AlterdError] = []

    def refuse(message: str, hint: str) -> None:
        found.append(CannotRunOnline(message, hint=hint, table=source.name))

    for clause in clauses:
        if clause.kind in _REFUSED:
            why, hint = _REFUSED[clause.kind]
            refuse(f"{clause.kind.replace('_', ' ').upper()} cannot be run online: {why}", hint)
    for which, table in (("is", source), ("becomes", shadow)):
        if table.engine != "innodb":
            refuse(
                f"{source.name} {which} a table of the engine {table.engine}: only InnoDB keeps transactions",
                "use the strategy mysql",
            )
    if any(each.type == "FULLTEXT" for each in shadow.indexes) and any(c.name == DOC_ID for c in shadow.columns):
        refuse(
            f"{source.name} numbers the documents of its FULLTEXT index in a column {DOC_ID} of its own: InnoDB takes "
            "such rows in the order of their numbers only",
            "use the strategy mysql, or leave the numbers to InnoDB",
        )
    return found
