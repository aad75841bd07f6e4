"""The table: its definitions before and after the ALTER, and its rows, made alike by MySQL and by Python.

A row's values are text as MySQL casts them, in the widest of the two forms: ``12.5000`` for a balance that is still
DECIMAL(12,2). So one way of reading fits the table before, during and after the change, and loses nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec

from alterd_cli.demo.place import Place

CREATE = """\
CREATE TABLE {table} (
  id bigint unsigned NOT NULL AUTO_INCREMENT,
  email varchar(120) NOT NULL,
  badge int unsigned NOT NULL,
  given_name varchar(40) NOT NULL,
  family_name varchar(60) NOT NULL,
  balance decimal(12,2) NOT NULL,
  joined datetime(3) NOT NULL,
  seen timestamp NOT NULL,
  tier enum('free','silver','gold') NOT NULL,
  settings json NOT NULL,
  note text,
  token varbinary(24) NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY email (email),
  UNIQUE KEY badge (badge)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci"""
CREATE_JOURNAL = """\
CREATE TABLE {journal} (
  number bigint unsigned NOT NULL PRIMARY KEY,
  what varchar(80) NOT NULL
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci"""
ALTER = """\
ALTER TABLE {table}
  ADD COLUMN points int NOT NULL DEFAULT 25 AFTER tier,
  ADD COLUMN region varchar(16) NOT NULL DEFAULT 'süd',
  MODIFY COLUMN badge bigint unsigned NOT NULL AFTER family_name,
  MODIFY COLUMN balance decimal(16,4) NOT NULL,
  MODIFY COLUMN joined datetime(6) NOT NULL AFTER id,
  MODIFY COLUMN tier enum('free','bronze','silver','gold') NOT NULL,
  ADD INDEX by_name (family_name, given_name)"""
ADDED = {"points": "25", "region": "süd"}
"""Columns that only the altered table has, and what they hold in every row."""

BEFORE = (
    *(("id", "bigint unsigned"), ("email", "varchar(120)"), ("badge", "int unsigned"), ("given_name", "varchar(40)")),
    *(("family_name", "varchar(60)"), ("balance", "decimal(12,2)"), ("joined", "datetime(3)"), ("seen", "timestamp")),
    *(("tier", "enum('free','silver','gold')"), ("settings", "json"), ("note", "text"), ("token", "varbinary(24)")),
)
AFTER = (
    *(("id", "bigint unsigned"), ("joined", "datetime(6)"), ("email", "varchar(120)"), ("given_name", "varchar(40)")),
    *(("family_name", "varchar(60)"), ("badge", "bigint unsigned"), ("balance", "decimal(16,4)")),
    *(("seen", "timestamp"), ("tier", "enum('free','bronze','silver','gold')"), ("points", "int")),
    *(("settings", "json"), ("note", "text"), ("token", "varbinary(24)"), ("region", "varchar(16)")),
)
"""Columns and types, in order."""
INDEXES = {"PRIMARY": ("id",), "email": ("email",), "badge": ("badge",)}
INDEXES_AFTER = {**INDEXES, "by_name": ("family_name", "given_name")}

GIVEN = ("Ann", "Zoë", "花子", "Łukasz", "Дмитрий", "José", "Conor", "Ayşe", "Þóra", "नेहा", "Nguyên", "Renée")
FAMILY = ("O'Neil", "Müller", "佐藤", "Núñez", "Иванова", "Ødegård", "Smith", "Back\\slash", "Öztürk", "Ng", "Kovač 🦊")
SLUGS = ("Ann", "zoe", "Hanako", "lukasz", "Dmitri", "jose", "Conor", "ayse", "thora", "Neha", "nguyen")
DOMAINS = ("example.com", "example.org", "Example.net")
TIERS = ("free", "silver", "gold")
LANGUAGES = ("de", "en", "ja", "français", "русский")
FIRST_BADGE = 1_000_000
_JOINED, _JOINED_SECONDS = datetime(2012, 1, 1), 400_000_000  # noqa: DTZ001 - DATETIME has no zone
_SEEN, _SEEN_SECONDS = datetime(2021, 1, 1), 150_000_000  # noqa: DTZ001 - sessions are in UTC

CHUNK = 5_000
"""Rows that are filled in by one statement."""


class Row(msgspec.Struct, frozen=True, array_like=True):
    """What one key holds. Text as MySQL casts it, `token` in hexadecimal digits."""

    email: str
    badge: int
    given_name: str
    family_name: str
    balance: str
    joined: str
    seen: str
    tier: str
    settings: str
    note: str | None
    token: str


COLUMNS = Row.__struct_fields__
_READ = {
    "balance": "CAST(CAST(balance AS DECIMAL(16,4)) AS CHAR)",
    "joined": "CAST(CAST(joined AS DATETIME(6)) AS CHAR)",
    "seen": "CAST(seen AS CHAR)",
    "tier": "CAST(tier AS CHAR)",
    "settings": "CAST(settings AS CHAR)",
    "token": "HEX(token)",
}
SELECTED = ", ".join(["id", *(f"{_READ.get(column, column)} AS {column}" for column in COLUMNS)])
"""The select list that reads keys and rows without loss, in a session with time_zone '+00:00'."""
SELECTED_ADDED = ", ".join(f"CAST({column} AS CHAR) AS {column}" for column in ADDED)


def row(seed: int | str, key: int) -> Row:
    """What `key` holds when the table has just been filled."""
    digest = sha256(f"{seed}:{key}".encode()).hexdigest()

    def number(at: int, width: int, below: int) -> int:
        return int(digest[at : at + width], 16) % below

    cents = number(0, 6, 16_000_000) - 4_000_000
    joined = _JOINED + timedelta(seconds=number(6, 9, _JOINED_SECONDS), milliseconds=number(15, 4, 1000))
    dark = "true" if number(32, 2, 2) else "false"
    length = number(40, 2, 12)
    language = LANGUAGES[number(50, 2, len(LANGUAGES))]
    return Row(
        f"{SLUGS[number(28, 4, len(SLUGS))]}.{key}@{DOMAINS[number(31, 2, len(DOMAINS))]}",
        FIRST_BADGE + key,
        GIVEN[number(19, 4, len(GIVEN))],
        FAMILY[number(23, 4, len(FAMILY))],
        f"{'-' if cents < 0 else ''}{abs(cents) // 100}.{abs(cents) % 100:02}00",
        f"{joined:%Y-%m-%d %H:%M:%S.%f}",
        f"{_SEEN + timedelta(seconds=number(34, 9, _SEEN_SECONDS)):%Y-%m-%d %H:%M:%S}",
        TIERS[number(43, 4, len(TIERS))],
        f'{{"n": {number(47, 3, 1000)}, "lang": "{language}", "theme": {{"dark": {dark}}}}}',
        f"Grüße, {digest[: number(54, 2, 48)]}" if number(52, 2, 4) else None,
        f"{digest[: 2 * length]}00".upper(),
    )


def make_table(place: Place, *, rows: int, seed: int) -> None:
    """Creates the table and its journal, and fills the keys 1 to `rows`. Blocks. Raises what sessions raise."""
    session = place.open()
    try:
        session.execute(CREATE.format(table=place.name))
        session.execute(CREATE_JOURNAL.format(journal=place.journal))
    finally:
        session.close()
    fill(place, range(1, rows + 1), seed)


def fill(place: Place, keys: range, seed: int) -> None:
    """Lets MySQL make the rows of `keys`, the same as `row` does. Blocks."""
    statement, words = _filling(place, seed)
    session = place.open(variables={"cte_max_recursion_depth": CHUNK + 1, "sql_mode": "STRICT_ALL_TABLES"})
    try:
        for first in range(keys.start, keys.stop, CHUNK):
            last = min(first + CHUNK, keys.stop) - 1
            session.execute(statement, (*words, first, last))
    finally:
        session.close()


def _filling(place: Place, seed: int) -> tuple[str, tuple[Any, ...]]:
    """The statement and its values but for the first and the last key."""
    values: list[Any] = []

    def number(at: int, width: int, below: int) -> str:
        return f"MOD(CAST(CONV(SUBSTR(h, {at + 1}, {width}), 16, 10) AS SIGNED), {below})"

    def pick(at: int, width: int, words: tuple[str, ...]) -> str:
        values.extend(words)
        return f"ELT(1 + {number(at, width, len(words))}, {', '.join(['%s'] * len(words))})"

    def after(start: datetime, micros: str) -> str:
        return f"DATE_ADD(CAST('{start:%Y-%m-%d}' AS DATETIME(6)), INTERVAL {micros} MICROSECOND)"

    cells = {
        "id": "n",
        "email": f"CONCAT({pick(28, 4, SLUGS)}, '.', n, '@', {pick(31, 2, DOMAINS)})",
        "badge": f"{FIRST_BADGE} + n",
        "given_name": pick(19, 4, GIVEN),
        "family_name": pick(23, 4, FAMILY),
        "balance": f"({number(0, 6, 16_000_000)} - 4000000) / 100",
        "joined": after(_JOINED, f"{number(6, 9, _JOINED_SECONDS)} * 1000000 + {number(15, 4, 1000)} * 1000"),
        "seen": after(_SEEN, f"{number(34, 9, _SEEN_SECONDS)} * 1000000"),
        "tier": pick(43, 4, TIERS),
        "settings": f"JSON_OBJECT('n', {number(47, 3, 1000)}, 'lang', {pick(50, 2, LANGUAGES)}, 'theme',"
        f" JSON_OBJECT('dark', CAST(IF({number(32, 2, 2)}, 'true', 'false') AS JSON)))",
        "note": f"IF({number(52, 2, 4)}, CONCAT('Grüße, ', LEFT(h, {number(54, 2, 48)})), NULL)",
        "token": f"UNHEX(CONCAT(LEFT(h, 2 * {number(40, 2, 12)}), '00'))",
    }
    statement = (
        f"INSERT INTO {place.name} ({', '.join(cells)}) SELECT {', '.join(cells.values())} FROM ("
        f"SELECT n, SHA2(CONCAT('{int(seed)}:', n), 256) AS h FROM ("
        "WITH RECURSIVE keys_ AS (SELECT %s AS n UNION ALL SELECT n + 1 FROM keys_ WHERE n < %s) SELECT n FROM keys_"
        ") AS numbered) AS hashed"
    )
    return statement, tuple(values)


def read_row(found: Mapping[str, Any]) -> Row:
    """Out of what `SELECTED` gave."""
    return Row(*(found[column] for column in COLUMNS))


def differing(one: Row, other: Row) -> list[str]:
    """Names of the columns that differ. JSON is compared by what it means."""
    return [column for column in COLUMNS if not _same(column, getattr(one, column), getattr(other, column))]


def _same(column: str, one: Any, other: Any) -> bool:
    return one == other or (column == "settings" and _canonical(one) == _canonical(other))


def _canonical(text: Any) -> Any:
    try:
        return msgspec.json.encode(msgspec.json.decode(text), order="deterministic")
    except (msgspec.DecodeError, TypeError):
        return text
