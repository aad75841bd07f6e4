"""The MySQL primary that everything is measured on, and its table: made once, put back before each run.

The rows lie in a seed table that nobody else touches. A run's table is made of a copy of the seed's file, so that each
run begins with the same bytes, nothing of it dirty, and all of it in the buffer pool.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from alterd_contracts.errors import AlterdError
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.errors import MySQLError
from alterd_runtime.provision import mysql_binary
from alterd_runtime.provision.mysql_server import MySQLServer
from tests.support.shop import Shop

SCHEMA, SEEDS, TABLE = "bench", "bench_seeds", "sb"
CLAUSE = "MODIFY COLUMN pad CHAR(60) NOT NULL AFTER k"
ALTER = f"ALTER TABLE {TABLE} {CLAUSE}"
BEFORE, AFTER = ("id", "k", "c", "pad"), ("id", "k", "pad", "c")
"""The columns in their order: a rebuild, which MySQL does in place and never instantly."""

OPTIONS = (
    "--innodb-buffer-pool-size=2G",
    "--loose-innodb-redo-log-capacity=2G",
    "--innodb-buffer-pool-dump-at-shutdown=OFF",
    "--innodb-buffer-pool-load-at-startup=OFF",
    "--max-binlog-size=1G",
)
"""Beside those of every server of alterd's: GTIDs, row images in full, and each commit on disk."""

CALM = 120.0
"""Seconds that the server gets for what it still has to write and to purge."""
FILLED_AT_ONCE = 100_000
CHANGED_ROW = 1_000_000_000
"""Added to `k` of a row that belongs to the backlog."""
INSTANT_REFUSED = frozenset({1845, 1846})


class WrongRows(AlterdError):
    """A change left other rows than it found."""

    code = "wrong_rows"


class Fingerprint(msgspec.Struct, frozen=True):
    """Of a table's rows, whatever the order of its columns."""

    rows: int
    checksum: str


class Stand:
    """`folder` is where the server keeps its data."""

    def __init__(self, folder: Path) -> None:
        binary = mysql_binary.on_path() or mysql_binary.from_debian(_say)
        self.server = MySQLServer(binary, folder / "server", durable=True, options=OPTIONS)

    @property
    def build(self) -> str:
        return ".".join(map(str, self.server.binary.version))

    @property
    def shop(self) -> Shop:
        endpoint = self.server.endpoint
        return Shop((str(endpoint.address),), endpoint.credentials.user, endpoint.credentials.password, SCHEMA)

    @contextlib.contextmanager
    def running(self) -> Iterator[Stand]:
        """With two empty schemas, and without its data in the end."""
        self.server.start()
        try:
            with self.session(database=None) as session:
                session.execute(f"CREATE SCHEMA {SCHEMA}")
                session.execute(f"CREATE SCHEMA {SEEDS}")
            yield self
        finally:
            self.server.remove()

    @contextlib.contextmanager
    def session(self, *, database: str | None = SCHEMA, logged: bool = True) -> Iterator[BlockingSession]:
        """`logged`: what it changes goes into the binlog."""
        session = self.server.endpoint.open(database=database, name="bench")
        try:
            if not logged:
                session.execute("SET SESSION sql_log_bin = 0")
            yield session
        finally:
            session.close()

    def make_seed(self, rows: int) -> int:
        """Its rows, always the same for a number; the size of its file in bytes."""
        name = seed_of(rows)
        with self.session(logged=False) as session:
            session.execute(
                f"CREATE TABLE {name} (id INT UNSIGNED NOT NULL AUTO_INCREMENT, k INT UNSIGNED NOT NULL,"
                " c CHAR(130) NOT NULL, pad CHAR(60) NOT NULL, PRIMARY KEY (id))"
            )
            session.execute(f"SET SESSION cte_max_recursion_depth = {FILLED_AT_ONCE + 1}")
            for start in range(0, rows, FILLED_AT_ONCE):
                session.execute(
                    f"INSERT INTO {name} WITH RECURSIVE n (id) AS (SELECT {start + 1} UNION ALL"
                    f" SELECT id + 1 FROM n WHERE id < {min(start + FILLED_AT_ONCE, rows)})"
                    f" SELECT id, CRC32(CONCAT('k', id)) % {rows} + 1, RPAD(SHA2(id, 512), 130, '-'),"
                    " LEFT(SHA2(CONCAT('pad', id), 256), 60) FROM n"
                )
            session.execute(f"ALTER TABLE {name} ADD INDEX k (k)")
            session.query(f"ANALYZE TABLE {name}")
        return self._file(name).stat().st_size

    def reset(self, rows: int) -> None:
        """The run's table as the seed of that size is, alone in its schema, and the server at rest."""
        seed = seed_of(rows)
        with self.session(logged=False) as session:
            for table in _tables(session):
                session.execute(f"DROP TABLE `{table}`")
            session.execute(f"CREATE TABLE {TABLE} LIKE {seed}")
            session.execute(f"ALTER TABLE {TABLE} DISCARD TABLESPACE")
            session.query(f"FLUSH TABLES {seed} FOR EXPORT")
            for ending in (".ibd", ".cfg"):
                shutil.copyfile(self._file(seed, ending), self._file(f"{SCHEMA}.{TABLE}", ending))
            session.execute("UNLOCK TABLES")
            session.execute(f"ALTER TABLE {TABLE} IMPORT TABLESPACE")
            session.query(f"ANALYZE TABLE {TABLE}")
            if fingerprint(session, TABLE) != Fingerprint(*self.seed_fingerprint(rows)):
                raise WrongRows(f"{TABLE} is not what its seed is")
            session.value(f"SELECT COUNT(*) FROM {TABLE} FORCE INDEX (k) WHERE k >= 0")
            session.execute("FLUSH BINARY LOGS")
            logs = session.query("SHOW BINARY LOGS")
            session.execute("PURGE BINARY LOGS TO %s", (logs[-1]["Log_name"],))
            _await_calm(session)

    def seed_fingerprint(self, rows: int, k: str = "k") -> tuple[int, str]:
        """`k`: what that column's value is taken for."""
        with self.session() as session:
            found = fingerprint(session, seed_of(rows), k)
        return found.rows, found.checksum

    def seed_rows(self, rows: int) -> dict[int, tuple[int, str, str]]:
        """By id: k, c, pad."""
        return self._rows(seed_of(rows))

    def table_rows(self) -> dict[int, tuple[int, str, str]]:
        """Of the run's table."""
        return self._rows(TABLE)

    def check_changed(self) -> None:
        """Raises `WrongRows` unless the run's table has its columns in the new order and no index less."""
        with self.session() as session:
            shown = session.query(
                "SELECT COLUMN_NAME AS name FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s"
                " ORDER BY ORDINAL_POSITION",
                (SCHEMA, TABLE),
            )
            indexes = session.query(f"SHOW INDEX FROM {TABLE}")
        columns = tuple(row["name"] for row in shown)
        if columns != AFTER or {row["Key_name"] for row in indexes} != {"PRIMARY", "k"}:
            raise WrongRows(f"{TABLE} was not changed: its columns are {', '.join(columns)}")

    def check_rows(self, rows: int, k: str = "k") -> None:
        """Raises `WrongRows` unless the run's table has the seed's rows, in the new form."""
        self.check_changed()
        wanted = Fingerprint(*self.seed_fingerprint(rows, k))
        with self.session() as session:
            found = fingerprint(session, TABLE)
        if found != wanted:
            raise WrongRows(f"{TABLE} has {found.rows} rows, checksum {found.checksum}; the source had {wanted}")

    def check_not_instant(self) -> None:
        """Raises `WrongRows` if the server would make the change without a rebuild."""
        with self.session() as session:
            try:
                session.execute(f"{ALTER}, ALGORITHM=INSTANT")
            except MySQLError as error:
                if error.errno in INSTANT_REFUSED:
                    return
                raise
        raise WrongRows("the change is an instant one: there is nothing to measure")

    def _rows(self, table: str) -> dict[int, tuple[int, str, str]]:
        with self.session() as session, session.connection.cursor() as cursor:
            cursor.execute(f"SELECT id, k, c, pad FROM {table}")
            return {row[0]: (row[1], row[2], row[3]) for row in cursor.fetchall()}

    def _file(self, table: str, ending: str = ".ibd") -> Path:
        schema, name = table.split(".")
        with self.session(database=None) as session:
            return Path(session.value("SELECT @@datadir")) / schema / f"{name}{ending}"


def seed_of(rows: int) -> str:
    """The name of the seed table."""
    return f"{SEEDS}.rows_{rows}"


def fingerprint(session: BlockingSession, table: str, k: str = "k") -> Fingerprint:
    [row] = session.query(
        "SELECT COUNT(*) AS `rows`, HEX(BIT_XOR(UNHEX(SHA2(CONCAT_WS('#', id, k, c, pad), 224)))) AS `checksum`"
        f" FROM (SELECT id, {k} AS k, c, pad FROM {table} FORCE INDEX (PRIMARY)) AS t"
    )
    return Fingerprint(row["rows"], row["checksum"])


def _tables(session: BlockingSession) -> list[str]:
    rows = session.query("SELECT TABLE_NAME AS name FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s", (SCHEMA,))
    return [row["name"] for row in rows]


def _await_calm(session: BlockingSession) -> None:
    """Until next to nothing is left to write back and to purge."""
    deadline = time.monotonic() + CALM
    while time.monotonic() < deadline:
        pages = {
            row["Variable_name"]: int(row["Value"])
            for row in session.query("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_%'")
            if row["Value"].isdigit()
        }
        history = session.value(
            "SELECT COUNT FROM information_schema.INNODB_METRICS WHERE NAME = 'trx_rseg_history_len'"
        )
        if pages["Innodb_buffer_pool_pages_dirty"] * 200 < pages["Innodb_buffer_pool_pages_total"] and history < 1000:
            return
        time.sleep(0.1)
    _say("the server does not come to rest; going on")


def _say(text: str) -> None:
    print(text, file=sys.stderr)
