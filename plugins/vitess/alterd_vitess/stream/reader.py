"""The process that reads a binlog: ``python -m alterd_vitess.stream.reader --parent PID``.

It gets one `Watch` on its stdin, which stays open: at its end, and when the parent dies, the reader ends. On its
stdout go frames, on its stderr logs.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
import threading
from typing import Final, NoReturn

import structlog

from alterd_contracts.errors import AlterdError, LostSession
from alterd_contracts.topology import ServerAddress
from alterd_runtime import logs
from alterd_runtime.mysql.blocking import BlockingSession
from alterd_runtime.mysql.connect import Credentials
from alterd_runtime.mysql.errors import MySQLError
from alterd_vitess.gtid import GtidSet
from alterd_vitess.stream.dump import Dump
from alterd_vitess.stream.errors import StreamRefused, lost
from alterd_vitess.stream.frames import LENGTH, Ended, FromReader, Opened, Watch, packed, unpacked_watch
from alterd_vitess.stream.groups import Groups
from alterd_vitess.stream.layout import folds_names, read_layout
from alterd_vitess.stream.prepared import check_none_prepared
from alterd_vitess.stream.replica import check_replica
from alterd_vitess.stream.statements import Watched
from alterd_vitess.stream.touched import Touched
from alterd_vitess.stream.transactions import Transactions
from alterd_vitess.stream.wire import SILENCE

_PR_SET_PDEATHSIG: Final = 1
_STDIN: Final = 0
_STDOUT: Final = 1
_STDERR: Final = 2


class Output:
    """Frames to the parent."""

    def __init__(self) -> None:
        self._pipe = os.dup(_STDOUT)
        os.dup2(_STDERR, _STDOUT)  # whatever prints must not get between them

    def send(self, message: FromReader) -> None:
        """Waits while the parent takes nothing. Ends the process when it has gone."""
        left = memoryview(packed(message))
        try:
            while left:
                left = left[os.write(self._pipe, left) :]
        except BrokenPipeError:
            abandoned()


def follow(watch: Watch, output: Output) -> NoReturn:
    """Sends frames until something ends the stream, and raises that."""
    address = ServerAddress(watch.host, watch.port)
    session = BlockingSession.open(
        address, Credentials(watch.user, watch.password), name=watch.session_name, read_timeout=SILENCE
    )
    try:
        executed = check_replica(session, watch.replica_of, watch.start) if watch.replica_of else ""
        layout = read_layout(session, watch.table_schema, watch.table, watch.key)
        if watch.fresh:
            check_none_prepared(session, watch.table_schema, watch.table)
        watched = Watched(table_schema=watch.table_schema, table=watch.table, folded=folds_names(session))
        touched, groups = Touched(watched, watch.key, layout), Groups(watch.folder)
        transactions = Transactions(watched, touched, watch.marker, output.send, groups)
        dump = Dump(session)
        dump.ask(GtidSet.parse(watch.start), watch.server_id)
    except LostSession as error:
        raise lost(str(address), error.message) from error
    except MySQLError as error:
        raise StreamRefused(
            f"{address} refused what the change stream needs: {error.message}",
            hint="the account needs REPLICATION SLAVE ON *.* and SELECT ON performance_schema.*",
            server=address,
        ) from error
    try:
        dump.read(transactions)
        output.send(Opened(executed))
        while True:
            transactions.flush()
            dump.read(transactions)
    except OSError as error:  # the network's are told apart already
        raise lost(str(address), f"its reader cannot keep the keys of XA transactions: {error}") from error


def read_watch() -> Watch:
    """From stdin. Ends the process when there is none."""
    (length,) = LENGTH.unpack(_exactly(LENGTH.size))
    return unpacked_watch(_exactly(length))


def _exactly(size: int) -> bytes:
    found = b""
    while len(found) < size:
        piece = os.read(_STDIN, size - len(found))
        if not piece:
            abandoned()
        found += piece
    return found


def _watch_stdin() -> None:
    while os.read(_STDIN, 1024):
        pass
    abandoned()


def abandoned() -> NoReturn:
    """Nobody reads us any more."""
    os._exit(3)


def die_with(parent: int) -> None:
    """On Linux also when `parent` is killed while we wait for something that never comes."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        abandoned()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    die_with(parser.parse_args().parent)
    # a signal to the whole group is the run's to obey; it closes our stdin
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, signal.SIG_IGN)
    logs.configure("reader", str(os.getpid()), os.environ.get("ALTERD_LOG__LEVEL", "info"))
    output = Output()
    watch = read_watch()
    threading.Thread(target=_watch_stdin, daemon=True).start()
    try:
        follow(watch, output)
    except AlterdError as error:
        output.send(Ended(error.code, error.message, error.hint, error.where))
    except Exception as error:  # noqa: BLE001 - the parent must hear that it would fail again
        structlog.get_logger(__name__).exception("the reader failed")
        output.send(Ended(AlterdError.code, f"the reader of the binlog failed: {error!r}", "", {}))


if __name__ == "__main__":
    main()
