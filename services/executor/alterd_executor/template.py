"""The process from which runs are forked: ``python -m alterd_executor.template --fd N --parent PID``.

Interpreter and plugins cost a third of a second and 50 MB; a fork of a process that has loaded them costs milliseconds
and the pages it writes to. The template has one thread and no event loop, so a fork is a whole process. It ends when
its executor does, and every run with it.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import errno
import gc
import os
import select
import signal
import socket
import struct
import sys
import traceback
from typing import Any, NoReturn

from alterd_executor import child
from alterd_executor.launch import die_with
from alterd_runtime.plugins import Plugins, Strategies

WORD = struct.Struct("!cii")
"""What goes both ways: kind, process id, exit code."""
FORK, REAP = b"f", b"r"
"""Asked of the template: a run, on the two descriptors that come along (its channel, its output); to forget one."""
FORKED, ENDED = b"p", b"e"
"""Told by the template. One that has ended keeps its id until it may be forgotten, so nobody else is killed by it."""
NAME = b"alterd-run"
"""What `ps -o comm` shows, at most 15 bytes."""

_PR_SET_NAME = 15


class Template:
    """Forks runs on demand, and tells how they end."""

    def __init__(self, asked: socket.socket, strategies: Strategies) -> None:
        self._asked, self._strategies = asked, strategies
        self._pid = os.getpid()
        self._runs: set[int] = set()
        self._ended: set[int] = set()

    def serve(self) -> None:
        """Until the executor closes its end."""
        wake, woken = os.pipe()
        for end in (wake, woken):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._ours = (wake, woken)
        watched: list[Any] = [self._asked, wake]
        while True:
            ready, _, _ = select.select(watched, [], [])
            if wake in ready:
                os.read(wake, 4096)
                self._look()
            if self._asked in ready and not self._answer():
                return

    def _answer(self) -> bool:
        word, ends, _, _ = socket.recv_fds(self._asked, WORD.size, 2)
        if len(word) < WORD.size:
            return False
        kind, pid, _ = WORD.unpack(word)
        if kind == FORK:
            self._fork(ends)
        elif pid in self._ended:
            self._ended.discard(pid)
            os.waitpid(pid, 0)
        return True

    def _fork(self, ends: list[int]) -> None:
        with contextlib.ExitStack() as stack:
            for end in ends:
                stack.callback(os.close, end)
            if len(ends) < 2:  # the system had no descriptor left for us
                self._tell(FORKED, 0, errno.EMFILE)
                return
            try:
                begun, begins = os.pipe()
                stack.callback(os.close, begun)
                with os.fdopen(begins, "wb", buffering=0):
                    pid = os.fork()
                    if pid == 0:
                        os.close(begun)
                        self._become(ends[0], ends[1], begins)
            except OSError as error:
                self._tell(FORKED, 0, error.errno or errno.EAGAIN)
                return
            os.read(begun, 1)  # a group of its own from here on, or dead
        self._runs.add(pid)
        self._tell(FORKED, pid)

    def _become(self, channel: int, output: int, begins: int) -> NoReturn:
        """In the new process."""
        code = 1
        try:
            os.setsid()
            die_with(self._pid)
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for end in self._ours:
                os.close(end)
            self._asked.close()
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
            _call_it(NAME)
            os.write(begins, b"1")
            os.close(begins)
            child.main(socket.socket(fileno=channel), self._strategies)
            code = 0
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        except BaseException:  # noqa: BLE001 - the last frame of a process: it goes to the run's log
            traceback.print_exc()
        finally:
            with contextlib.suppress(OSError):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(code)

    def _look(self) -> None:
        for pid in list(self._runs):
            found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None:
                continue
            self._runs.discard(pid)
            self._ended.add(pid)
            self._tell(ENDED, pid, found.si_status if found.si_code == os.CLD_EXITED else -found.si_status)

    def _tell(self, kind: bytes, pid: int, code: int = 0) -> None:
        self._asked.sendall(WORD.pack(kind, pid, code))


def _call_it(name: bytes) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_NAME, name, 0, 0, 0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--parent", type=int, required=True)
    options = parser.parse_args()
    die_with(options.parent)
    # a service manager may signal the whole group; the executor says when to stop
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: None)
    strategies = Plugins().load().strategies()
    gc.collect()
    gc.freeze()  # what is loaded stays shared
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the executor is gone
        Template(socket.socket(fileno=options.fd), strategies).serve()


if __name__ == "__main__":
    main()
