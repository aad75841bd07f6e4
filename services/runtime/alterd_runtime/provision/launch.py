"""Becomes a server: ``python launch.py PID_FILE attached|detached PARENT_PID PROGRAM ARGUMENT…``

A program of its own, because what it does must happen between fork and exec of a process without threads. It writes
the pid file before the server exists, so there is never a server that nobody finds. `attached`: the server is a
child of the caller and killed when the caller's thread ends (on Linux). `detached`: the server belongs to nobody and
goes on when the caller ends. Imports the standard library only: it is run as a file.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path
from typing import NoReturn

PR_SET_PDEATHSIG = 1


def main() -> NoReturn:
    pid_file, mode, parent, *argv = sys.argv[1:]
    # Python ignores these two, and exec hands that on.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    if mode == "detached":
        _detach()
    elif sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL))
        if os.getppid() != int(parent):
            sys.exit("the caller has ended")
    try:
        fresh = Path(f"{pid_file}.new")
        fresh.write_text(f"{os.getpid()}\n")
        fresh.replace(pid_file)
        os.execv(argv[0], argv)  # noqa: S606
    except OSError as error:
        sys.exit(f"cannot start {argv[0]}: {error}")


def _detach() -> None:
    """Goes on in a child without parent; the caller's process ends when that child has become the server."""
    reading, writing = os.pipe()  # closed by exec
    if os.fork():
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    os.setsid()


if __name__ == "__main__":
    main()
