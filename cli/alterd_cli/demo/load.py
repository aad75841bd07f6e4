"""The load as tests and the demo use it: writers in a process of their own, ``python -m alterd_cli.demo.load``.

place = Place.of("127.0.0.1:3306", user, password, schema)
await asyncio.to_thread(make_table, place, rows=5_000, seed=7)
async with Load(place, rows=5_000, seed=7) as load:
    ...  # what they should live through
    result = await load.stop()
proof = await asyncio.to_thread(prove, place, result)
assert not proof.mismatches, str(proof.mismatches)
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Self

import msgspec

from alterd_cli.demo.errors import LoadFailed
from alterd_cli.demo.messages import (
    Begin,
    Command,
    End,
    Finished,
    Hold,
    HoldState,
    HoldTold,
    LoadResult,
    Start,
    Status,
    Stop,
    Told,
)
from alterd_cli.demo.place import Place

START_TIMEOUT = 30.0
"""Seconds for all writers to have a session."""
STOP_TIMEOUT = 120.0
"""Seconds for the writers to finish, to settle doubts, and to write their result."""
KILL_AFTER = 5.0
"""Seconds that the process has to end when its orders end."""

_told: msgspec.json.Decoder[Told] = msgspec.json.Decoder(Told)


class Load:
    """Writers on the table at `place`, which `make_table` has filled with the same `rows` and `seed`.

    As a context it ends the process, whatever happens; without `stop` there is no result.
    """

    def __init__(
        self,
        place: Place,
        *,
        rows: int,
        seed: int,
        rate: float = 500,
        writers: int = 4,
        start_timeout: float = START_TIMEOUT,
    ) -> None:
        """`rate`: statements a second of all `writers` together."""
        self.place = place
        self.status: Status | None = None
        """The last that was told."""
        self._rows, self._seed, self._rate, self._writers = rows, seed, rate, writers
        self._start_timeout = start_timeout
        self._process: asyncio.subprocess.Process | None = None
        self._reading: asyncio.Task[None] | None = None
        self._folder = contextlib.ExitStack()
        self._result = Path()
        self._changed = asyncio.Condition()
        self._holds: dict[Hold, HoldTold] = {}
        self._finished = self._ended = False

    @property
    def pid(self) -> int | None:
        """Of the writers' process, once it was started."""
        return self._process.pid if self._process is not None else None

    @property
    def exit_code(self) -> int | None:
        """Of the writers' process, once it has ended."""
        return self._process.returncode if self._process is not None else None

    async def start(self) -> None:
        """Returns when all write. Raises `LoadFailed`."""
        self._result = Path(self._folder.enter_context(tempfile.TemporaryDirectory(prefix="alterd-load-"))) / "result"
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "alterd_cli.demo.load"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is ours to pass on, in order
        )
        self._reading = asyncio.create_task(self._read(self._process))
        credentials = self.place.credentials
        start = Start(
            address=str(self.place.address),
            user=credentials.user,
            password=credentials.password,
            schema=self.place.schema,
            table=self.place.table,
            rows=self._rows,
            seed=self._seed,
            rate=self._rate,
            writers=self._writers,
            result=str(self._result),
        )
        await self._send(start)
        await self._until(
            lambda: self.status is not None and self.status.connected == self._writers, self._start_timeout
        )

    async def begin(self, hold: Hold) -> HoldTold:
        """Begins a held transaction: once it is open, who holds which rows. Raises `LoadFailed`."""
        self._holds.pop(hold, None)
        await self._send(Begin(hold))
        await self._until(lambda: hold in self._holds, START_TIMEOUT)
        return self._holds[hold]

    async def end(self, hold: Hold) -> HoldTold:
        """Lets it write the rest and commit: what became of it. Raises `LoadFailed`."""
        await self._send(End(hold))
        await self._until(lambda: hold in self._holds and self._holds[hold].state is not HoldState.OPEN, STOP_TIMEOUT)
        return self._holds[hold]

    async def stop(self) -> LoadResult:
        """Ends all transactions and the process. Raises `LoadFailed`."""
        await self._send(Stop())
        await self._until(lambda: self._finished, STOP_TIMEOUT)
        result = msgspec.msgpack.decode(await asyncio.to_thread(self._result.read_bytes), type=LoadResult)
        await self.close()
        return result

    async def close(self) -> None:
        """Ends the process. Idempotent."""
        if self._process is not None and self._reading is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                async with asyncio.timeout(KILL_AFTER):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
            await self._reading
            await self._process.wait()
        self._folder.close()

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _send(self, message: Start | Command) -> None:
        """A process that has ended is seen by who waits for its answer."""
        assert self._process is not None
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._process.stdin.write(msgspec.json.encode(message) + b"\n")
            await self._process.stdin.drain()

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        try:
            async for line in process.stdout:
                match _told.decode(line):
                    case Status() as status:
                        self.status = status
                    case HoldTold() as told:
                        self._holds[told.hold] = told
                    case Finished():
                        self._finished = True
                async with self._changed:
                    self._changed.notify_all()
        finally:
            self._ended = True
            async with self._changed:
                self._changed.notify_all()

    async def _until(self, condition: Callable[[], bool], timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout), self._changed:
                await self._changed.wait_for(lambda: condition() or self._ended)
        except TimeoutError:
            raise LoadFailed(f"the writers have not answered in {timeout:g} s{self._trouble()}") from None
        if not condition():
            raise LoadFailed(f"the process of the writers has ended{self._trouble()}", hint="its words stand above")

    def _trouble(self) -> str:
        return f": {self.status.trouble}" if self.status is not None and self.status.trouble else ""


if __name__ == "__main__":
    from alterd_cli.demo.crew import main

    main()
