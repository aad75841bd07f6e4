"""Reads the table back and compares it with the ledger: every row, every column."""

from __future__ import annotations

import time
from collections.abc import Iterator
from enum import StrEnum
from itertools import groupby
from typing import Any

import msgspec

from alterd_cli.demo.ledger import Ledger, Settled
from alterd_cli.demo.messages import LoadResult
from alterd_cli.demo.mismatch import Mismatches, compare, shown
from alterd_cli.demo.place import Place
from alterd_cli.demo.table import (
    ADDED,
    AFTER,
    BEFORE,
    INDEXES,
    INDEXES_AFTER,
    SELECTED,
    SELECTED_ADDED,
    Row,
    read_row,
)
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.errors import MySQLError
from alterd_runtime.mysql.quoting import identifier

CHUNK = 5_000
"""Rows that are read by one statement."""


class Form(StrEnum):
    """Which of its two definitions the table has."""

    BEFORE = "before"
    AFTER = "after"


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What was compared, and what does not match."""

    form: Form | None
    """None: the table has neither definition."""
    expected: int
    """Rows that must be there."""
    found: int
    """Rows that are there."""
    touched: int
    """Keys that writers have written to; the other rows are as they were filled in."""
    seconds: float
    mismatches: Mismatches


def prove(place: Place, result: LoadResult, *, form: Form | None = None) -> Proof:
    """Compares the table with `result`, in one snapshot; the writers are stopped. Blocks.

    `form`: the definition that the table must have; None: either. Raises what sessions raise.
    """
    began, mismatches = time.monotonic(), Mismatches()
    for text in result.surprises:
        mismatches.add(f"a writer saw: {text}")
    session = place.open(variables={"transaction_isolation": "REPEATABLE-READ"})
    try:
        session.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        found_form = _form(session, place, form, mismatches)
        ledger, visits = result.ledger.open(), list(result.visits)
        try:
            visits += _settle(session, place, ledger, result, mismatches)
            counts = compare(ledger.expected(), _rows(session, place, found_form, mismatches), mismatches)
            _check_indexes(session, place, counts[1], mismatches)
            _check_journal(session, place, visits, mismatches)
        except MySQLError as error:
            mismatches.add(f"the table cannot be read: {error.message}")
            counts = ledger.count(), 0
    finally:
        session.close()
    return Proof(
        form=found_form,
        expected=counts[0],
        found=counts[1],
        touched=len(ledger.touched),
        seconds=time.monotonic() - began,
        mismatches=mismatches,
    )


def _form(session: BlockingSession, place: Place, wanted: Form | None, mismatches: Mismatches) -> Form | None:
    """Columns in their order, their types, and the indexes."""
    described = session.query(
        "SELECT COLUMN_NAME AS name, COLUMN_TYPE AS type FROM information_schema.COLUMNS"
        " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION",
        (place.schema, place.table),
    )
    parts = session.query(
        "SELECT INDEX_NAME AS name, COLUMN_NAME AS part FROM information_schema.STATISTICS"
        " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY INDEX_NAME, SEQ_IN_INDEX",
        (place.schema, place.table),
    )
    found = tuple((each["name"], each["type"]) for each in described)
    indexes = {name: tuple(part["part"] for part in those) for name, those in groupby(parts, lambda part: part["name"])}
    definitions = {Form.BEFORE: (BEFORE, INDEXES), Form.AFTER: (AFTER, INDEXES_AFTER)}
    form = next((form for form, definition in definitions.items() if definition == (found, indexes)), None)
    if form is None or (wanted is not None and form is not wanted):
        columns, keys = definitions[wanted or Form.AFTER]
        why = [f"{name} {kind} is missing" for name, kind in columns if (name, kind) not in found]
        why += [f"{name} {kind} is there" for name, kind in found if (name, kind) not in columns]
        why += [f"the indexes are {indexes}, not {keys}"] if indexes != keys else []
        told = "; ".join(why) or "the columns have another order"
        mismatches.add(f"the table's definition is not the one {wanted or Form.AFTER} the change: {told}")
    return form


def _settle(
    session: BlockingSession, place: Place, ledger: Ledger, result: LoadResult, mismatches: Mismatches
) -> list[int]:
    """Transactions that were in doubt to the end; numbers of the journal's rows that came with them."""
    visits: list[int] = []
    for doubt in list(ledger.doubts):
        places = ", ".join(["%s"] * len(doubt))
        rows = session.query(f"SELECT {SELECTED} FROM {place.name} WHERE id IN ({places})", tuple(doubt))
        settled = ledger.settle(doubt, {int(each["id"]): read_row(each) for each in rows})
        if settled is Settled.TORN:
            keys = sorted(doubt)
            mismatches.add(f"a transaction in doubt on the rows {keys} has happened in part", keys[0])
        if settled is Settled.HAPPENED:
            visits += [number for key, number in result.doubtful_visits if key in doubt]
    return visits


def _rows(
    session: BlockingSession, place: Place, form: Form | None, mismatches: Mismatches
) -> Iterator[tuple[int, Row]]:
    """All rows by rising key; looks at the added columns in passing."""
    selected = f"{SELECTED}, {SELECTED_ADDED}" if form is Form.AFTER else SELECTED
    last = -1
    while True:
        rows = session.query(
            f"SELECT {selected} FROM {place.name} FORCE INDEX (PRIMARY) WHERE id > %s ORDER BY id LIMIT {CHUNK}",
            (last,),
        )
        for each in rows:
            key = int(each["id"])
            if form is Form.AFTER:
                _check_added(key, each, mismatches)
            yield key, read_row(each)
            last = key
        if len(rows) < CHUNK:
            return


def _check_added(key: int, found: dict[str, Any], mismatches: Mismatches) -> None:
    for column, value in ADDED.items():
        if found[column] != value:
            mismatches.add(f"row id={key}: {column} is {shown(found[column])} and must be {shown(value)}", key)


def _check_indexes(session: BlockingSession, place: Place, rows: int, mismatches: Mismatches) -> None:
    """Every index has every row; unique values are unique, whatever their index thinks."""
    names = session.query(
        "SELECT DISTINCT INDEX_NAME AS name FROM information_schema.STATISTICS"
        " WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s",
        (place.schema, place.table),
    )
    counted = {f"index {each['name']}": f"FORCE INDEX ({identifier(each['name'])})" for each in names}
    for told, hint in {"table": "", **counted}.items():
        count = session.value(f"SELECT COUNT(*) FROM {place.name} {hint}")
        if count != rows:
            mismatches.add(f"the {told} counts {count:,} rows, {rows:,} were read")
    for column in ("email", "badge"):
        twice = session.query(
            f"SELECT MIN(id) AS one, MAX(id) AS other FROM {place.name} IGNORE INDEX (email, badge)"
            f" GROUP BY {column} HAVING COUNT(*) > 1 LIMIT 10"
        )
        for each in twice:
            mismatches.add(f"rows id={each['one']} and id={each['other']} have the same {column}", each["one"])


def _check_journal(session: BlockingSession, place: Place, visits: list[int], mismatches: Mismatches) -> None:
    found = {int(each["number"]) for each in session.query(f"SELECT number FROM {place.journal}")}
    for number in sorted(set(visits) - found):
        mismatches.add(f"the journal's row {number} is missing, its transaction was committed")
    for number in sorted(found - set(visits)):
        mismatches.add(f"the journal's row {number} is there, its transaction was not committed")
