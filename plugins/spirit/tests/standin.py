"""A stand-in for spirit, for tests of the plugin's handling. It is not spirit, and shows nothing about spirit.

It takes the same flags, makes tables of the same names, writes a checkpoint, waits for the same sentinel and prints
lines of the same form; between, it copies with a few SQL statements. It reads no binary log: what is written meanwhile
it takes over under the table's lock. `programs.py` puts a first line before this text, and the version that it claims.

``--target-chunk-size`` below 1 MiB makes it slow: so many KiB, so many rows at a time, 20 times a second.
"""

from __future__ import annotations

import argparse
import configparser
import json
import sys
import time
from typing import Any, NoReturn

import pymysql

POLL = 0.1
SLOW = 1 << 20
NEEDED = ("RELOAD", "PROCESS", "REPLICATION CLIENT", "REPLICATION SLAVE", "CONNECTION_ADMIN", "LOCK TABLES", "TRIGGER")


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        fail(message, 80)


def fail(message: str, code: int = 1) -> NoReturn:
    print(f"spirit: error: {message}", file=sys.stderr, flush=True)
    sys.exit(code)


def say(level: str, text: str) -> None:
    print(f"{time.strftime('%Y/%m/%d %H:%M:%S')} {level} {text}", file=sys.stderr, flush=True)


def arguments() -> argparse.Namespace:
    parser = Parser(prog="spirit", allow_abbrev=False)
    command = parser.add_subparsers(parser_class=Parser, required=True).add_parser("migrate", allow_abbrev=False)
    for name in ("host", "username", "password", "conf", "database", "statement"):
        command.add_argument(f"--{name}", default="")
    command.add_argument("--threads", type=int, default=4)
    command.add_argument("--target-chunk-size", type=int, default=16 * SLOW)
    command.add_argument("--lock-wait-timeout", default="30s")
    command.add_argument("--defer-cutover", action="store_true")
    return parser.parse_args()


class Migration:
    def __init__(self, asked: argparse.Namespace) -> None:
        self.asked = asked
        conf = configparser.ConfigParser(interpolation=None)
        conf.read(asked.conf)
        host, _, port = asked.host.rpartition(":")
        self.connection: Any = pymysql.connect(
            host=host,
            port=int(port),
            user=conf["client"]["user"],
            password=conf["client"]["password"],
            database=asked.database,
            autocommit=True,
        )
        words = asked.statement.split(None, 3)
        self.table, self.change = words[2].strip("`"), words[3]
        self.new, self.old, self.checkpoint = (f"_{self.table}_{end}" for end in ("new", "old", "chkpnt"))
        self.do(f"SET SESSION lock_wait_timeout = {asked.lock_wait_timeout.rstrip('s')}")

    def do(self, sql: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, values)
            return list(cursor.fetchall())

    def there(self, name: str) -> bool:
        sql = "SELECT 1 FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = %s"
        return bool(self.do(sql, (name,)))

    def columns(self) -> str:
        shared = self.do(
            "SELECT column_name FROM information_schema.columns WHERE table_schema = DATABASE()"
            " AND table_name IN (%s, %s) GROUP BY column_name HAVING COUNT(*) = 2",
            (self.table, self.new),
        )
        return ", ".join(f"`{name}`" for (name,) in shared)

    def run(self) -> None:
        say("INFO", "Starting spirit migration version=stand-in")
        if self.do("SELECT GET_LOCK(%s, 0)", (f"spirit.{self.table}",)) != [(1,)]:
            fail("could not acquire metadata lock")
        try:
            self.do(f"ALTER TABLE `{self.table}` ALGORITHM=INSTANT, {self.change}")
        except pymysql.MySQLError:
            say("INFO", "unable to use INPLACE")
        else:
            say("INFO", "apply complete instant-ddl=true inplace-ddl=false")
            return
        granted = " ".join(text for (text,) in self.do("SHOW GRANTS"))
        if lacking := [word for word in NEEDED if word not in granted]:
            fail(f"insufficient privileges to run a migration. Needed: {', '.join(lacking)}")
        begin = self.resumed()
        if begin is None:
            self.start()
            begin = 0
        self.copy(begin)
        say("INFO", "copy rows complete")
        self.locked(rename=False)
        self.wait()
        self.do(f"DROP TABLE IF EXISTS `{self.old}`")
        self.locked(rename=True)
        self.do(f"DROP TABLE IF EXISTS `{self.old}`")
        say("INFO", f"successfully dropped old table table={self.old}")
        say("INFO", "apply complete instant-ddl=false inplace-ddl=false total-chunks=1")
        self.do(f"DROP TABLE IF EXISTS `{self.checkpoint}`")

    def resumed(self) -> int | None:
        if not (self.there(self.new) and self.there(self.checkpoint)):
            say("INFO", "could not resume from checkpoint reason=none")
            return None
        found = self.do(f"SELECT copier_watermark, statement FROM `{self.checkpoint}` ORDER BY id DESC LIMIT 1")
        if not found or found[0][1] != self.asked.statement:
            say("INFO", "could not resume from checkpoint reason=statement")
            return None
        say("WARN", f"resuming from checkpoint copier-watermark={found[0][0]}")
        return int(json.loads(found[0][0]))

    def start(self) -> None:
        for name in (self.new, self.checkpoint):
            self.do(f"DROP TABLE IF EXISTS `{name}`")
        self.do(f"CREATE TABLE `{self.new}` LIKE `{self.table}`")
        self.do(f"ALTER TABLE `{self.new}` {self.change}, ALGORITHM=COPY")
        self.do(
            f"CREATE TABLE `{self.checkpoint}` (id int PRIMARY KEY, copier_watermark text, statement text,"
            " created_at datetime DEFAULT CURRENT_TIMESTAMP)"
        )
        if self.asked.defer_cutover:
            self.do("CREATE TABLE IF NOT EXISTS _spirit_sentinel (id int NOT NULL PRIMARY KEY)")

    def copy(self, place: int) -> None:
        [(total, end)] = self.do(f"SELECT COUNT(*), MAX(id) FROM `{self.table}`")
        columns, slow = self.columns(), self.asked.target_chunk_size < SLOW
        size = max(1, self.asked.target_chunk_size // 1024)
        while rows := self.do(
            "SELECT MAX(id), COUNT(*) FROM"
            f" (SELECT id FROM `{self.table}` WHERE id > %s AND id <= %s ORDER BY id LIMIT {size}) AS chunk",
            (place, end),
        ):
            upto, count = rows[0]
            if not count:
                return
            self.do(
                f"INSERT IGNORE INTO `{self.new}` ({columns}) SELECT {columns} FROM `{self.table}`"
                " WHERE id > %s AND id <= %s",
                (place, upto),
            )
            place = int(upto)
            self.do(
                f"REPLACE INTO `{self.checkpoint}` (id, copier_watermark, statement) VALUES (1, %s, %s)",
                (json.dumps(place), self.asked.statement),
            )
            if slow:
                [(done,)] = self.do(f"SELECT COUNT(*) FROM `{self.new}`")
                say("INFO", "migration status: state=copyRows total-time=1s copier-time=1s")
                row = f"  copier   {100 * done / total:.2f}%  {done}/{total}  chunk-size={size}  eta=TBD"
                print(row, file=sys.stderr, flush=True)
                time.sleep(0.05)

    def locked(self, *, rename: bool) -> None:
        """Takes over under the lock what was written meanwhile; compares."""
        columns = self.columns()
        self.do(f"LOCK TABLES `{self.table}` WRITE, `{self.new}` WRITE")
        self.do(f"DELETE FROM `{self.new}` WHERE id NOT IN (SELECT id FROM `{self.table}`)")
        self.do(f"REPLACE INTO `{self.new}` ({columns}) SELECT {columns} FROM `{self.table}`")
        counts = {self.do(f"SELECT COUNT(*) FROM `{name}`")[0][0] for name in (self.table, self.new)}
        if len(counts) > 1:
            fail(
                "checksum failed after several attempts. This is likely related to your statement adding a UNIQUE"
                " index on non-unique data: checksum found differences"
            )
        if rename:
            self.do(f"RENAME TABLE `{self.table}` TO `{self.old}`, `{self.new}` TO `{self.table}`")
        self.do("UNLOCK TABLES")

    def wait(self) -> None:
        if not self.asked.defer_cutover or not self.there("_spirit_sentinel"):
            return
        say("WARN", "cutover deferred while sentinel table exists; will wait sentinel-table=_spirit_sentinel")
        while self.there("_spirit_sentinel"):
            time.sleep(POLL)
        say("INFO", "sentinel table dropped")


if __name__ == "__main__":
    Migration(arguments()).run()
