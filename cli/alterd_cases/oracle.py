"""What MySQL's own ALTER makes of the same rows, in a schema beside the case's."""

from __future__ import annotations

from alterd_cases.case import Case
from alterd_cases.comparing import (
    Column,
    Definition,
    Row,
    counters_differ,
    definitions_differ,
    expression,
    rows_differ,
)
from alterd_contracts.errors import StatementFailed
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.errors import MySQLError
from alterd_runtime.mysql.quoting import identifier, qualified
from alterd_runtime.sql import ClauseKind, split_alter

ZERO_DATES = frozenset({"NO_ZERO_DATE", "NO_ZERO_IN_DATE"})
ALLOW_ZERO = "--allow-zero-in-date"
_NO_COPY = frozenset({1845, 1846})
"""MySQL has no ALGORITHM=COPY for it, as for some partition clauses."""
_TAILS = frozenset({ClauseKind.PARTITION_BY, ClauseKind.REMOVE_PARTITIONING})


def show_create(session: BlockingSession, schema: str, table: str) -> str:
    """As the server shows it, with the counter. Leaves the session with ``sql_mode=''``."""
    session.execute("SET SESSION sql_mode = ''")
    [row] = session.query(f"SHOW CREATE TABLE {qualified(schema, table)}")
    return str(row["Create Table"])


def columns_of(session: BlockingSession, schema: str, table: str) -> list[Column]:
    """In their order."""
    rows = session.query(
        "SELECT COLUMN_NAME AS name, DATA_TYPE AS kind, GENERATION_EXPRESSION <> '' AS computed"
        " FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s ORDER BY ORDINAL_POSITION",
        (schema, table),
    )
    return [Column(row["name"], row["kind"].lower(), bool(row["computed"])) for row in rows]


def read_rows(session: BlockingSession, schema: str, table: str, columns: list[Column]) -> list[Row]:
    """Every row, each value as text that shows its bytes."""
    session.execute("SET SESSION time_zone = '+00:00'")
    values = ", ".join(f"{expression(each, identifier(each.name))} AS c{at}" for at, each in enumerate(columns))
    rows = session.query(f"SELECT {values} FROM {qualified(schema, table)}")
    return [tuple(None if value is None else str(value) for value in row.values()) for row in rows]


def copied(session: BlockingSession, schema: str, source: str, definition: str, wanted: str, table: str) -> None:
    """Makes `table` in the schema `wanted` by its `definition`, with the rows and the counter of `source`."""
    counter = Definition.of(show_create(session, schema, source)).counter
    session.execute(
        "SET SESSION sql_mode = 'NO_AUTO_VALUE_ON_ZERO', foreign_key_checks = 0, innodb_strict_mode = 0,"
        " time_zone = '+00:00'"
    )
    session.execute(f"USE {identifier(wanted)}")
    session.execute(definition)
    names = ", ".join(identifier(each.name) for each in columns_of(session, schema, source) if not each.generated)
    target = qualified(wanted, table)
    session.execute(f"INSERT INTO {target} ({names}) SELECT {names} FROM {qualified(schema, source)}")
    if counter:
        session.execute(f"ALTER TABLE {target} AUTO_INCREMENT = {counter}")


def altered(session: BlockingSession, case: Case, wanted: str) -> None:
    """Runs the case's ALTER in the schema `wanted` by MySQL's own copy, under strict mode. Raises `MySQLError`."""
    session.execute(f"USE {identifier(wanted)}")
    modes = set(str(session.value("SELECT @@global.sql_mode")).split(",")) - {""}
    modes |= {"STRICT_ALL_TABLES", "NO_AUTO_VALUE_ON_ZERO"}
    if ALLOW_ZERO in case.options:
        modes -= ZERO_DATES
    session.execute(
        "SET SESSION sql_mode = %s, time_zone = @@global.time_zone, innodb_strict_mode = @@global.innodb_strict_mode",
        (",".join(sorted(modes)),),
    )
    try:
        session.execute(by_copy(case.alter))
    except MySQLError as error:
        if error.errno not in _NO_COPY:
            raise
        session.execute(by_copy(case.alter, algorithm=""))


def by_copy(alter: str, algorithm: str = "ALGORITHM=COPY") -> str:
    """The same ALTER with MySQL's own copy in place of what its author wrote on algorithm and lock."""
    read = split_alter(alter)
    kept = [clause for clause in read.clauses if clause.kind not in (ClauseKind.ALGORITHM, ClauseKind.LOCK)]
    text = f"{read.head} {algorithm}"
    for number, clause in enumerate(kept):
        bare = clause.kind in _TAILS or (number == 0 and not algorithm)
        text += (" " if bare else ", ") + clause.text
    return text


def compared(
    session: BlockingSession, case: Case, found: tuple[str, str], wanted: tuple[str, str], *, counter: bool
) -> str:
    """How the table `found` (schema and name) differs from `wanted`; empty where it does not."""
    ours, theirs = (Definition.of(show_create(session, *place)) for place in (found, wanted))
    difference = definitions_differ(ours, theirs)
    if difference:
        return difference
    numbers = counters_differ(ours, theirs) if counter else ""
    columns = columns_of(session, *wanted)
    if case.after_columns:
        chosen = {each.name for each in columns} & set(case.after_columns)
        lost = set(case.after_columns) - chosen
        if lost:
            return f"after_columns names what is not there: {', '.join(sorted(lost))}"
        columns = [each for each in columns if each.name in chosen]
    names = [each.name for each in columns]
    rows = rows_differ(
        read_rows(session, *found, columns), read_rows(session, *wanted, columns), names, case.order_by or names[:1]
    )
    return "; ".join(filter(None, (rows, numbers)))


def carried(session: BlockingSession, case: Case, old: tuple[str, str], new: tuple[str, str]) -> str:
    """How `after_columns` of the new table differ from `before_columns` of the old one; empty where they do not."""
    if not case.before_columns:
        return ""
    rows = []
    for place, names in ((old, case.before_columns), (new, case.after_columns)):
        known = {each.name: each for each in columns_of(session, *place)}
        if missing := [name for name in names if name not in known]:
            return f"{place[1]} has no column {missing[0]}"
        rows.append(read_rows(session, *place, [known[name] for name in names]))
    before, after = rows
    return rows_differ(after, before, case.after_columns, case.order_by or case.after_columns[:1])


def refused(session: BlockingSession, case: Case, wanted: str) -> str:
    """MySQL's own word against the ALTER; empty where it takes it."""
    try:
        altered(session, case, wanted)
    except StatementFailed as error:
        return error.message
    return ""
