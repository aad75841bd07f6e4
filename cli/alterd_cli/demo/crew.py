"""The writers' process from inside: reads its orders, writes, and leaves its result in a file."""

from __future__ import annotations

import os
import secrets
import sys
import threading
import time
from pathlib import Path

import msgspec

from alterd_cli.demo.client import Client
from alterd_cli.demo.figures import Latencies, figures
from alterd_cli.demo.ledger import Kept, Ledger, merged
from alterd_cli.demo.messages import Begin, Command, End, Finished, Hold, LoadResult, Start, Status, Stop, Told
from alterd_cli.demo.mix import Mix
from alterd_cli.demo.place import Place
from alterd_cli.demo.writers import LAST_SETTLING, Holder, Writer

STATUS_INTERVAL = 1.0
"""Seconds between status lines."""
PATIENCE = 30.0
"""Seconds for a writer to finish its operation; then its connection is cut."""
LEVELS = ("REPEATABLE-READ", "READ-COMMITTED")
LEAST_ROWS = 20
"""For each owner of keys."""
ORPHANED = 3
"""Exit code when nobody is there any more to be told."""


class Crew:
    """Writers and holders. The owners of keys: the writers, then one for each kind of held transaction."""

    def __init__(self, start: Start) -> None:
        place = Place.of(start.address, start.user, start.password, start.schema, start.table)
        owners = start.writers + len(Hold)
        if start.rows < LEAST_ROWS * owners:
            raise ValueError(f"{start.rows} rows are too few for {owners} owners of keys")
        token = secrets.token_hex(4)
        self._stopping = threading.Event()
        self._telling = threading.Lock()
        self._began = time.monotonic()

        def client(owner: int, isolation: str) -> Client:
            mix = Mix(Ledger(start.seed, start.rows), place, owner, owners)
            return Client(place, mix, owner, owners, f"alterd:demo:{token}:{owner}", isolation)

        self._writers = [
            Writer(client(owner, LEVELS[owner % 2]), start.rate / start.writers, self._stopping, f"writer {owner}")
            for owner in range(start.writers)
        ]
        self._holders = {
            # a transaction with a read view of before the swap would keep the swap waiting: it would see half a table
            hold: Holder(hold, client(start.writers + number, LEVELS[hold is Hold.STRADDLE]), self.tell)
            for number, hold in enumerate(Hold)
        }
        self._threads: list[Writer | Holder] = [*self._writers, *self._holders.values()]
        self._clients = [each.client for each in self._threads]
        self._status_thread = threading.Thread(target=self._tell_status, name="status", daemon=True)

    def begin(self) -> None:
        """Returns at once."""
        for writer in self._writers:
            writer.start()
        self._status_thread.start()

    def obey(self, command: Begin | End) -> None:
        """Returns at once."""
        holder = self._holders[command.hold]
        if isinstance(command, Begin):
            holder.begin()
        else:
            holder.end()

    def finish(self) -> LoadResult:
        """Everybody ends; what hangs is cut."""
        self._stopping.set()
        self._status_thread.join()
        for holder in self._holders.values():
            holder.end()
        self._join(PATIENCE)
        for each in self._threads:
            each.client.abandon()
        self._join(2 * LAST_SETTLING)
        seconds = time.monotonic() - self._began
        clients = self._clients
        doubtful = [
            (next(iter(each.in_doubt.changes)), each.in_doubt.visit)
            for each in clients
            if each.in_doubt is not None and each.in_doubt.visit is not None
        ]
        return LoadResult(
            ledger=Kept.of(merged(each.ledger for each in clients)),
            figures=figures(
                seconds, [writer.client.latencies for writer in self._writers], [each.counts for each in clients]
            ),
            surprises=tuple(text for each in clients for text in each.surprises),
            visits=tuple(sorted(number for each in clients for number in each.visits)),
            doubtful_visits=tuple(doubtful),
        )

    def _join(self, timeout: float) -> None:
        deadline = time.monotonic() + timeout
        for each in self._threads:
            each.join(max(0.0, deadline - time.monotonic()))

    def tell(self, told: Told) -> None:
        """A line on stdout. Ends the process where nobody reads it."""
        with self._telling:
            try:
                sys.stdout.buffer.write(msgspec.json.encode(told) + b"\n")
                sys.stdout.buffer.flush()
            except BrokenPipeError:
                os._exit(ORPHANED)

    def _connected(self) -> int:
        return sum(bool(writer.client.connection_id) for writer in self._writers)

    def _tell_status(self) -> None:
        while not self._stopping.wait(STATUS_INTERVAL if self._connected() else STATUS_INTERVAL / 10):
            self.tell(self._status())

    def _status(self) -> Status:
        whole = Latencies.merged(writer.client.latencies for writer in self._writers)
        return Status(
            seconds=time.monotonic() - self._began,
            statements=whole.count,
            connected=self._connected(),
            longest=whole.longest,
            surprises=sum(each.counts["surprises"] for each in self._clients),
            trouble=next((each.trouble for each in self._clients if each.trouble), ""),
        )


def main() -> None:
    """Orders on stdin: a `Start`, then `Command`s. Where it ends without a `Stop`, the process ends at once."""
    start = msgspec.json.decode(sys.stdin.buffer.readline(), type=Start)
    crew = Crew(start)
    crew.begin()
    decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Command)
    for line in sys.stdin.buffer:
        command = decoder.decode(line)
        if isinstance(command, Stop):
            break
        crew.obey(command)
    else:
        os._exit(ORPHANED)  # open transactions are rolled back by the server
    result = Path(start.result)
    draft = result.with_name(result.name + ".new")
    draft.write_bytes(msgspec.msgpack.encode(crew.finish()))
    draft.replace(result)
    crew.tell(Finished())
