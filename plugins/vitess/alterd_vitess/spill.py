"""Touched keys that are too many for the memory: a table of SQLite in the attempt's folder.

Measured with two million keys of four bytes, 20,000 at a time: 490,000 keys a second go in when they come in order,
210,000 in any order, and 1,400,000 out; 16 bytes of disk each. That is several times what is applied. A plain file of
records would take ten times as many in, but not know which keys it has already.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

from alterd_vitess.errors import KeysNotKept

CACHE_KIB: Final = 32 * 1024
"""Memory for pages."""
AT_ONCE: Final = 10_000
"""Keys of one statement: SQLite takes 32,766 values."""

_SETUP: Final = (
    "PRAGMA journal_mode = OFF",  # the file is of no use to anybody else, and to nobody after a crash
    "PRAGMA synchronous = OFF",
    "PRAGMA locking_mode = EXCLUSIVE",
    f"PRAGMA cache_size = -{CACHE_KIB}",
    "CREATE TABLE spilled (key BLOB PRIMARY KEY, sequence INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX by_sequence ON spilled (sequence)",
    "BEGIN",
)


class Spill:
    """Keys with the sequence of their last touch, each once. The file is there as long as there are keys."""

    def __init__(self, file: str = "") -> None:
        """`file`: an older one is replaced. SQLite's own temporary one unless given. Methods raise `KeysNotKept`."""
        self._file = file
        self._database: sqlite3.Connection | None = None
        self._count = 0
        self._last = b""
        """The key up to which `some` has come."""

    def __len__(self) -> int:
        return self._count

    def put(self, keys: Iterable[bytes], sequence: int) -> None:
        """They carry this sequence now."""
        with self._at_work() as database:
            for part in _parts(keys):
                rows = [(sequence, key) for key in part]
                new = database.executemany("INSERT OR IGNORE INTO spilled (sequence, key) VALUES (?, ?)", rows).rowcount
                self._count += new
                if new < len(rows):
                    self._touch_again(database, rows)

    def _touch_again(self, database: sqlite3.Connection, rows: list[tuple[int, bytes]]) -> None:
        database.executemany("UPDATE spilled SET sequence = ?1 WHERE key = ?2 AND sequence <> ?1", rows)

    def known(self, keys: Iterable[bytes]) -> set[bytes]:
        """Those of `keys` that are here."""
        found: set[bytes] = set()
        with self._at_work() as database:
            for part in _parts(keys):
                marks = ",".join("?" * len(part))
                found.update(
                    key for (key,) in database.execute(f"SELECT key FROM spilled WHERE key IN ({marks})", part)
                )
        return found

    def some(self, limit: int) -> dict[bytes, int]:
        """Takes up to `limit` keys out, each in its turn: on from those of the last call, and round again."""
        with self._at_work() as database:
            taken = self._from(database, self._last, limit)
            if len(taken) < limit and self._last:
                taken |= self._from(database, b"", limit - len(taken))
            self._last = next(reversed(taken), b"")
        self._close_if_empty()
        return taken

    def _from(self, database: sqlite3.Connection, after: bytes, limit: int) -> dict[bytes, int]:
        query = "SELECT key, sequence FROM spilled WHERE key > ? ORDER BY key LIMIT ?"
        rows: dict[bytes, int] = dict(database.execute(query, (after, limit)).fetchall())
        if rows:
            last = next(reversed(rows))
            self._count -= database.execute("DELETE FROM spilled WHERE key > ? AND key <= ?", (after, last)).rowcount
        return rows

    def oldest(self) -> int | None:
        """The least sequence; None where there are no keys."""
        if not self._count:
            return None
        with self._at_work() as database:
            (found,) = database.execute("SELECT MIN(sequence) FROM spilled").fetchone()
        least: int = found
        return least

    def close(self) -> None:
        """Forgets all keys. Idempotent."""
        database, self._database, self._count, self._last = self._database, None, 0, b""
        if database is not None:
            database.close()
            self._remove()

    def _close_if_empty(self) -> None:
        if not self._count:
            self.close()

    @contextlib.contextmanager
    def _at_work(self) -> Iterator[sqlite3.Connection]:
        try:
            if self._database is None:
                self._remove()
                self._database = sqlite3.connect(self._file, isolation_level=None)
                for statement in _SETUP:
                    self._database.execute(statement)
            yield self._database
        except (sqlite3.Error, OSError) as error:
            raise KeysNotKept(
                f"touched keys cannot be kept in {self._file or 'a temporary file'}: {error}",
                hint="make room in the executor's workdir, or raise vitess.keys_in_memory",
                file=self._file,
            ) from error

    def _remove(self) -> None:
        if self._file and self._file != IN_MEMORY:
            Path(self._file).unlink(missing_ok=True)


IN_MEMORY: Final = ":memory:"
"""As a file: none at all."""


def older(items: Mapping[bytes, int], than: Spill) -> dict[bytes, int]:
    """Those of `items` that were not touched again meanwhile."""
    known = than.known(items) if len(than) else set()
    return {key: sequence for key, sequence in items.items() if key not in known}


def _parts(keys: Iterable[bytes]) -> Iterator[list[bytes]]:
    rest = iter(keys)
    while part := list(islice(rest, AT_ONCE)):
        yield part
