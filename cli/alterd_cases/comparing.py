"""Two tables compared: their definitions by text, their rows by bytes. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import msgspec

SHOWN = 3
"""Rows of each kind that a report names."""
_CHECK = re.compile(r"^\s*CONSTRAINT (?:`(?:[^`]|``)*` )?(CHECK .*?),?$")
_COUNTER = re.compile(r"^(\) (?:/\*!.*?\*/ )?ENGINE=\w+) AUTO_INCREMENT=(\d+)", re.MULTILINE)
_HEAD = re.compile(r"^CREATE TABLE `(?:[^`]|``)*`")

Row = tuple[str | None, ...]


class Column(msgspec.Struct, frozen=True):
    """A column as information_schema has it."""

    name: str
    data_type: str
    generated: bool = False


class Definition(msgspec.Struct, frozen=True):
    """A SHOW CREATE TABLE, taken apart."""

    lines: tuple[str, ...]
    """Without the table's name, the counter and the CHECK constraints."""
    checks: tuple[str, ...]
    """Sorted, without their names: these are unique in a schema, so the new table's differ."""
    counter: int
    """The next AUTO_INCREMENT number; 0 where none is shown."""

    @classmethod
    def of(cls, shown: str) -> Definition:
        counter = _COUNTER.search(shown)
        text = _HEAD.sub("CREATE TABLE", _COUNTER.sub(r"\1", shown, count=1), count=1)
        lines, checks = [], []
        for line in text.split("\n"):
            check = _CHECK.match(line)
            if check:
                checks.append(check[1])
            else:
                lines.append(line.removesuffix(","))
        return cls(tuple(lines), tuple(sorted(checks)), int(counter[2]) if counter else 0)


def definitions_differ(found: Definition, wanted: Definition) -> str:
    """How `found` differs from `wanted`, but for the counter; empty where it does not."""
    missing = [*(set(wanted.lines) - set(found.lines)), *(set(wanted.checks) - set(found.checks))]
    strange = [*(set(found.lines) - set(wanted.lines)), *(set(found.checks) - set(wanted.checks))]
    if missing or strange:
        return f"the definition has {_listed(strange)} in place of {_listed(missing)}"
    if (found.lines, found.checks) != (wanted.lines, wanted.checks):
        return "the parts of the definition stand in another order"
    return ""


def counters_differ(found: Definition, wanted: Definition) -> str:
    """Whether the next AUTO_INCREMENT number of `found` is another than that of `wanted`; empty where it is not."""
    if found.counter == wanted.counter:
        return ""
    return f"the next AUTO_INCREMENT number is {found.counter}, MySQL's own is {wanted.counter}"


def rows_differ(found: Sequence[Row], wanted: Sequence[Row], columns: Sequence[str], naming: Sequence[str]) -> str:
    """How `found` differs from `wanted`, counted both ways; empty where it does not. `naming`: columns of a label."""
    ours, theirs = Counter(found), Counter(wanted)
    strange, missing = list((ours - theirs).elements()), list((theirs - ours).elements())
    if not strange and not missing:
        return ""
    places = [columns.index(name) for name in naming if name in columns] or [0]

    def label(row: Row) -> tuple[str | None, ...]:
        return tuple(row[place] for place in places)

    wanted_by = {label(row): row for row in missing}
    told: list[str] = []
    for row in strange[:SHOWN]:
        other = wanted_by.get(label(row))
        told.append(
            f"{_named(columns, places, row)} " + (_cells(columns, row, other) if other else "is there, or twice")
        )
    absent = [row for row in missing if label(row) not in {label(each) for each in strange}]
    told += [f"{_named(columns, places, row)} is missing" for row in absent[:SHOWN]]
    return (
        f"{len(strange)} rows should not be there as they are, {len(missing)} are missing"
        f" (of {len(wanted)}): {'; '.join(told)}"
    )


def expression(column: Column, quoted: str) -> str:
    """What shows a value of `column` byte by byte, as text; NULL stays NULL."""
    kind = column.data_type
    if kind.endswith(("text", "blob")):
        digest = f"CONCAT(OCTET_LENGTH({quoted}), '#', SHA2({quoted}, 256))"
        return f"IF(OCTET_LENGTH({quoted}) > 200, {digest}, HEX({quoted}))"
    shown = "HEX({0})" if kind in _BYTES else _SHOWN.get(kind, "CAST({0} AS CHAR)")
    return shown.format(quoted)


_BYTES = frozenset(
    {
        *("char", "varchar", "binary", "varbinary", "bit", "vector"),
        *("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon"),
        *("geomcollection", "geometrycollection"),
    }
)
_SHOWN = {
    "json": "CAST({0} AS CHAR CHARACTER SET utf8mb4)",
    "float": "CAST(CAST({0} AS DOUBLE) AS CHAR)",
    "double": "CAST(CAST({0} AS DOUBLE) AS CHAR)",
    "enum": "CONCAT({0} + 0, ':', HEX({0}))",
    "set": "CONCAT({0} + 0, ':', HEX({0}))",
}


def _listed(lines: Sequence[str]) -> str:
    return " | ".join(line.strip() for line in sorted(lines)) or "nothing"


def _named(columns: Sequence[str], places: Sequence[int], row: Row) -> str:
    return "row " + ", ".join(f"{columns[place]}={_short(row[place])}" for place in places)


def _cells(columns: Sequence[str], row: Row, other: Row) -> str:
    cells = [
        f"{name} is {_short(ours)}, not {_short(theirs)}"
        for name, ours, theirs in zip(columns, row, other, strict=True)
        if ours != theirs
    ]
    return ", ".join(cells[:SHOWN]) or "is there twice"


def _short(value: str | None) -> str:
    if value is None:
        return "NULL"
    return value if len(value) <= 60 else f"{value[:60]}…"
