"""The application: four sessions that write to the table, in a process of their own, and time each write.

``python -m tests.bench.writers`` reads a `Task` from its input, says ``writing`` once all its sessions have written for
a moment, goes on until its input ends, and prints a `Written`. Writes are autocommitted; a session whose write came
late leaves out what it missed, so that no burst follows a stall.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pymysql

from alterd_contracts.errors import AlterdError
from alterd_runtime.mysql.connect import connect
from tests.bench.stand import SCHEMA, TABLE, Stand

SESSIONS = 4
RATE = 1000
"""Writes a second, of all sessions."""
INSERTS = 0.2
"""Share of the writes; the others update one row each."""
WARM = 100
"""Writes of each session before it counts as going on."""
ENDING = 60.0
"""Seconds for the process to end."""
PAD = "written meanwhile"


class WritersFailed(AlterdError):
    """The writers' process did not do its work."""

    code = "writers_failed"


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What to write to. Goes through a pipe: the password is never on a command line."""

    host: str
    port: int
    user: str
    password: str
    rows: int
    """Ids from 1 on that may be updated."""
    seed: int


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What was done. Moments are of the monotonic clock, which all processes of a machine share."""

    writes: list[tuple[float, float]]
    """When each was sent, and the seconds until its answer."""
    updated: dict[int, int]
    """By id the last `k`."""
    inserted: dict[int, int]
    """By id the `k`, which `c` repeats."""
    refused: list[str]
    """What MySQL said to writes that it did not do."""

    def longest(self, since: float, until: float) -> float:
        """Seconds of the longest write that was under way in that time; 0 where there was none."""
        return max((took for sent, took in self.writes if sent <= until and sent + took >= since), default=0.0)

    def count(self, since: float, until: float) -> int:
        """Writes that were sent in that time."""
        return sum(since <= sent <= until for sent, _ in self.writes)

    def applied_to(self, rows: dict[int, tuple[int, str, str]]) -> dict[int, tuple[int, str, str]]:
        """What a table of those rows (by id: k, c, pad) must hold after the writes."""
        expected = dict(rows)
        for number, k in self.inserted.items():
            expected[number] = (k, text_of(k), PAD)
        for number, k in self.updated.items():
            expected[number] = (k, *expected[number][1:])
        return expected


def text_of(k: int) -> str:
    """The `c` of a row that was inserted with that `k`."""
    return f"inserted {k:020}"


class Application:
    """A process of writers, as the bench sees it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._written: Written | None = None

    @property
    def written(self) -> Written:
        """Once it has ended."""
        assert self._written is not None
        return self._written

    async def end(self) -> None:
        """Raises `WritersFailed`."""
        output, _ = await asyncio.wait_for(self._process.communicate(b""), ENDING)  # and closes its input
        if self._process.returncode:
            raise WritersFailed(f"the writers ended with {self._process.returncode}")
        self._written = msgspec.json.decode(output, type=Written)


@contextlib.asynccontextmanager
async def writing(stand: Stand, rows: int, seed: int) -> AsyncIterator[Application]:
    """The application at work; its account is there after the block. Raises `WritersFailed`."""
    endpoint = stand.server.endpoint
    task = Task(
        host=endpoint.address.host,
        port=endpoint.address.port,
        user=endpoint.credentials.user,
        password=endpoint.credentials.password,
        rows=rows,
        seed=seed,
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", __name__, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=2**30
    )
    assert process.stdin is not None
    assert process.stdout is not None
    application = Application(process)
    try:
        process.stdin.write(msgspec.json.encode(task) + b"\n")
        await process.stdin.drain()
        if await asyncio.wait_for(process.stdout.readline(), ENDING) != b"writing\n":
            raise WritersFailed("the writers did not begin")
        yield application
        await application.end()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


class _Session(threading.Thread):
    """One of them."""

    def __init__(self, task: Task, number: int, stopping: threading.Event) -> None:
        super().__init__(name=f"writer-{number}")
        self._task, self._number, self._stopping = task, number, stopping
        self._chance = random.Random(task.seed * SESSIONS + number)
        self.warm = threading.Event()
        self.writes: list[tuple[float, float]] = []
        self.updated: dict[int, int] = {}
        self.inserted: dict[int, int] = {}
        self.refused: list[str] = []
        self.broke: BaseException | None = None

    def run(self) -> None:
        try:
            self._write()
        except BaseException as error:  # noqa: BLE001 - the process's main thread ends with it
            self.broke = error
        finally:
            self.warm.set()

    def _write(self) -> None:
        task = self._task
        connection = connect(task.host, task.port, task.user, task.password, database=SCHEMA, program_name="writer")
        pause = SESSIONS / RATE
        due = time.monotonic() + pause * self._number / SESSIONS
        with contextlib.closing(connection), connection.cursor() as cursor:
            while not self._stopping.is_set():
                time.sleep(max(0.0, due - time.monotonic()))
                self._one(cursor)
                due = max(due + pause, time.monotonic())
                if len(self.writes) >= WARM:
                    self.warm.set()

    def _one(self, cursor: Any) -> None:
        k = self._chance.randrange(1, 1_000_000_000)
        inserting = self._chance.random() < INSERTS
        # a session's own rows, so that the last word on a row is known
        number = self._chance.randrange(self._task.rows // SESSIONS) * SESSIONS + self._number + 1
        if inserting:
            sql = f"INSERT INTO {TABLE} (k, c, pad) VALUES ({k}, '{text_of(k)}', '{PAD}')"
        else:
            sql = f"UPDATE {TABLE} SET k = {k} WHERE id = {number}"
        sent = time.monotonic()
        try:
            cursor.execute(sql)
        except pymysql.OperationalError as error:
            self.refused.append(str(error))
            if not cursor.connection.open:
                raise
        else:
            if inserting:
                self.inserted[cursor.lastrowid] = k
            else:
                self.updated[number] = k
        self.writes.append((sent, time.monotonic() - sent))


def main() -> None:
    task = msgspec.json.decode(sys.stdin.buffer.readline(), type=Task)
    gc.disable()  # its pauses would be taken for the server's
    sys.setswitchinterval(0.0005)
    stopping = threading.Event()
    sessions = [_Session(task, number, stopping) for number in range(SESSIONS)]
    for session in sessions:
        session.start()
    for session in sessions:
        session.warm.wait()
    print("writing", flush=True)
    sys.stdin.buffer.read()
    stopping.set()
    for session in sessions:
        session.join()
    for session in sessions:
        if session.broke is not None:
            raise session.broke
    written = Written(
        writes=sorted(write for session in sessions for write in session.writes),
        updated={number: k for session in sessions for number, k in session.updated.items()},
        inserted={number: k for session in sessions for number, k in session.inserted.items()},
        refused=[words for session in sessions for words in session.refused],
    )
    sys.stdout.buffer.write(msgspec.json.encode(written))


if __name__ == "__main__":
    main()
