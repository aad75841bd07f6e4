"""Seeded writers on one table, each of which knows what its own rows must hold."""

from __future__ import annotations

import multiprocessing
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import pymysql

from tests.support.shop import Shop

Row = tuple[int, int, str]
"""A unique value, a number, a text."""


def _word(n: int) -> tuple[str]:
    """In no order of `n`, and in cases and accents that a collation may not tell apart."""
    return (f"'{'aAäÄ'[n % 4]}{n * 7919 % 10007:04}'",)


@dataclass(frozen=True)
class KeyShape:
    """The key of the table: its columns, and their SQL literals for the number of a row."""

    name: str
    columns: str
    primary: str
    literals: Callable[[int], tuple[str, ...]]

    @property
    def names(self) -> list[str]:
        return [part.strip(" `") for part in self.primary.split(",")]


SHAPES = {
    shape.name: shape
    for shape in (
        KeyShape("int", "id INT NOT NULL", "id", lambda n: (str(n),)),
        KeyShape("unsigned", "id BIGINT UNSIGNED NOT NULL", "id", lambda n: (str(2**63 + n * 7),)),
        KeyShape("signed", "id SMALLINT NOT NULL", "id", lambda n: (str(n - 5000),)),
        KeyShape("decimal", "id DECIMAL(12,3) NOT NULL", "id", lambda n: (f"{(n - 700) * 1.125:.3f}",)),
        KeyShape("datetime", "id DATETIME(3) NOT NULL", "id", lambda n: (_moment(n),)),
        KeyShape("timestamp", "id TIMESTAMP(2) NOT NULL", "id", lambda n: (f"FROM_UNIXTIME({n * 3600 + 1}.25)",)),
        KeyShape("binary", "id BINARY(4) NOT NULL", "id", lambda n: (f"0x{n:04x}0000",)),
        KeyShape("varbinary", "id VARBINARY(8) NOT NULL", "id", lambda n: (f"0x00{n:x}" if n % 2 else f"0x{n:04x}00",)),
        KeyShape("text", "id VARCHAR(20) NOT NULL", "id", _word),
        KeyShape("latin", "id CHAR(12) CHARACTER SET latin1 NOT NULL", "id", lambda n: (f"'Ä {n * 37 % 8191:x} ñ'",)),
        KeyShape("set", "id SET('a','b','c','d','e','f','g','h','i','j','k','l') NOT NULL", "id", lambda n: (str(n),)),
        KeyShape("bit", "id BIT(14) NOT NULL", "id", lambda n: (str(n),)),
        KeyShape(
            "enum",
            "kind ENUM('z','y','x','Ü') NOT NULL, no INT NOT NULL",
            "kind, no",
            lambda n: (str(n % 4 + 1), str(n)),
        ),
        KeyShape(
            "texts",
            "aa VARCHAR(9) NOT NULL, no INT NOT NULL, z CHAR(9) COLLATE utf8mb4_bin NOT NULL",
            "no, aa, z",
            lambda n: (str(n % 11), _word(n)[0], f"'{n}'"),
        ),
        KeyShape(
            "composite",
            "day DATE NOT NULL, part VARBINARY(6) NOT NULL, no INT UNSIGNED NOT NULL",
            "no, day, part",
            lambda n: (str(n % 37), f"'2024-{n % 12 + 1:02d}-01'", f"0x{n:06x}00"),
        ),
    )
}


def _moment(n: int) -> str:
    return f"'2024-01-{n % 28 + 1:02d} {n // 28 % 24:02d}:{n // 672 % 60:02d}:07.{n % 1000:03d}'"


@dataclass
class Writers:
    """Several sessions; the row with number n belongs to writer n modulo their count."""

    shop: Shop
    shape: KeyShape
    table: str = "item"
    count: int = 4
    seed: int = 0
    pause: float = 0.005
    rows: dict[int, Row] = field(default_factory=dict)
    done: int = 0
    failures: list[BaseException] = field(default_factory=list)
    longest: float = 0.0
    shares: dict[int, dict[int, Row]] = field(default_factory=dict)

    def create(self, rows: int) -> None:
        """The table with its first rows."""
        self.shop.run(
            f"CREATE TABLE {self.table} ({self.shape.columns}, n INT NOT NULL, u INT NOT NULL, a INT NOT NULL,"
            f" b VARCHAR(40) NOT NULL, PRIMARY KEY ({self.shape.primary}), UNIQUE KEY u (u))"
        )
        values = []
        for n in range(rows):
            self.rows[n] = (n, n % 7, f"row {n}")
            values.append(self._values(n, self.rows[n]))
        for start in range(0, len(values), 500):
            self.shop.run(f"INSERT INTO {self.table} ({self._names}) VALUES {','.join(values[start : start + 500])}")

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Writes until the block ends, in a process of its own. Raises what a writer met."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        place = (self.shop.servers, self.shop.user, self.shop.password, self.shop.schema)
        process = context.Process(target=_process, args=(theirs, place, self._told()), daemon=True)
        process.start()
        try:
            said = ours.recv()
            assert said == "writing", said
            yield
        finally:
            ours.send("stop")
            if ours.poll(30):
                result = ours.recv()
                if isinstance(result, str):
                    raise AssertionError(result)
                self.rows, self.done, self.longest = result
            process.join(10)
            process.kill()

    def _told(self) -> dict[str, Any]:
        names = ("table", "count", "seed", "pause", "rows")
        return {"shape": self.shape.name, **{name: getattr(self, name) for name in names}}

    def write_until(self, stopping: threading.Event) -> None:
        """In the writers' own process."""
        threads = [threading.Thread(target=self._write, args=(number, stopping)) for number in range(self.count)]
        for thread in threads:
            thread.start()
        stopping.wait()
        for thread in threads:
            thread.join()
        self.rows = {n: row for mine in self.shares.values() for n, row in mine.items()}

    def check(self, more: str = "") -> None:
        """The table holds exactly what the writers were told. `more`: a condition that each row must meet."""
        found: dict[int, Row] = {}
        for n, u, a, b in self.shop.run(f"SELECT n, u, a, b FROM {self.table}"):
            assert n not in found, f"row {n} is there twice"
            found[n] = (u, a, b)
        lost = sorted(self.rows.keys() - found.keys())
        ghosts = sorted(found.keys() - self.rows.keys())
        stale = sorted(n for n in self.rows.keys() & found.keys() if self.rows[n] != found[n])
        wrong = {"lost": lost[:5], "ghosts": ghosts[:5], "stale": stale[:5]}
        assert not any(wrong.values()), wrong
        # not as rows behind IN: MySQL finds no ENUM or SET there by its number
        keys = [f"(n = {n} AND {self._where(n)})" for n in found]
        right = sum(
            int(self.shop.run(f"SELECT COUNT(*) FROM {self.table} WHERE {' OR '.join(part)}")[0][0])
            for part in (keys[start : start + 200] for start in range(0, len(keys), 200))
        )
        assert right == len(found), f"{len(found) - right} rows have another key"
        if more:
            assert self.shop.run(f"SELECT COUNT(*) FROM {self.table} WHERE NOT ({more})") == [(0,)]

    # One writer ----------------------------------------------------------------------------------------------------

    def _write(self, number: int, stopping: threading.Event) -> None:
        chance = random.Random(f"{self.seed}:{number}")
        mine = {n: row for n, row in self.rows.items() if n % self.count == number}
        space = max(200, 2 * len(self.rows))
        try:
            with self.shop.session() as connection:
                connection.autocommit(False)
                while not stopping.is_set():
                    self._transaction(connection, chance, mine, number, space)
                    if self.pause:
                        stopping.wait(self.pause)
        except BaseException as error:  # noqa: BLE001 - the test's own thread raises it
            self.failures.append(error)
        self.shares[number] = mine

    def _transaction(
        self, connection: Any, chance: random.Random, mine: dict[int, Row], number: int, space: int
    ) -> None:
        draft = dict(mine)
        try:
            with connection.cursor() as cursor:
                for _ in range(chance.choice((1, 1, 2, 4))):
                    self._operation(cursor, chance, draft, number, space)
                    self.done += 1
                if chance.random() < 0.08:
                    connection.rollback()
                    return
                connection.commit()
        except pymysql.OperationalError as error:
            if error.args[0] not in (1205, 1213):
                raise
            connection.rollback()
            return
        mine.clear()
        mine.update(draft)

    def _operation(self, cursor: Any, chance: random.Random, rows: dict[int, Row], number: int, space: int) -> None:
        kind = chance.random()
        tried = (chance.randrange(space // self.count) * self.count + number for _ in range(3))
        free = [n for n in tried if n not in rows]
        if (kind < 0.2 or len(rows) < 3) and free:
            n = free[0]
            row = (self._fresh(rows, n), chance.randrange(1000), f"new {chance.random()}")
            self._run(cursor, f"INSERT INTO {self.table} ({self._names}) VALUES {self._values(n, row)}")
            rows[n] = row
            return
        n, other = chance.sample(sorted(rows), 2)
        u, a, b = rows[n]
        where = self._where(n)
        if kind < 0.55:
            rows[n] = (u, chance.randrange(1000), b.swapcase())
            self._run(cursor, f"UPDATE {self.table} SET a = {rows[n][1]}, b = '{rows[n][2]}' WHERE {where}")
        elif kind < 0.65:
            del rows[n]
            self._run(cursor, f"DELETE FROM {self.table} WHERE {where}")
        elif kind < 0.75 and free:
            rows[free[0]] = rows.pop(n)
            sets = ", ".join(
                f"{name} = {value}" for name, value in zip(self.shape.names, self.shape.literals(free[0]), strict=True)
            )
            self._run(cursor, f"UPDATE {self.table} SET {sets}, n = {free[0]} WHERE {where}")
        elif kind < 0.9:
            u2, a2, b2 = rows[other]
            for which, value in ((n, -1 - number), (other, u), (n, u2)):
                self._run(cursor, f"UPDATE {self.table} SET u = {value} WHERE {self._where(which)}")
            rows[n], rows[other] = (u2, a, b), (u, a2, b2)
        else:
            rows[n] = (u, a + 1, "again")
            self._run(cursor, f"DELETE FROM {self.table} WHERE {where}")
            self._run(cursor, f"INSERT INTO {self.table} ({self._names}) VALUES {self._values(n, rows[n])}")

    def _run(self, cursor: Any, sql: str) -> None:
        began = time.monotonic()
        changed = cursor.execute(sql)
        self.longest = max(self.longest, time.monotonic() - began)
        assert changed == 1, f"{sql} changed {changed} rows"

    def _fresh(self, rows: dict[int, Row], n: int) -> int:
        """A unique value that is this writer's own: congruent to its number, and free."""
        taken = {row[0] for row in rows.values()}
        while n in taken:
            n += 1000 * self.count
        return n

    @property
    def _names(self) -> str:
        return ", ".join([*self.shape.names, "n", "u", "a", "b"])

    def _values(self, n: int, row: Row) -> str:
        return f"({', '.join(self.shape.literals(n))}, {n}, {row[0]}, {row[1]}, '{row[2]}')"

    def _where(self, n: int) -> str:
        return " AND ".join(
            f"{name} = {value}" for name, value in zip(self.shape.names, self.shape.literals(n), strict=True)
        )


def _process(pipe: Connection, place: tuple[tuple[str, ...], str, str, str], told: dict[str, Any]) -> None:
    writers = Writers(Shop(*place), **{**told, "shape": SHAPES[told["shape"]]})
    stopping = threading.Event()

    def heed() -> None:
        pipe.recv()
        stopping.set()

    threading.Thread(target=heed, daemon=True).start()
    pipe.send("writing")
    writers.write_until(stopping)
    if writers.failures:
        pipe.send(f"a writer met {writers.failures[0]!r}")
    else:
        pipe.send((writers.rows, writers.done, writers.longest))
