"""A server process that is found again by its pid file, by whoever started it and by later commands."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from alterd_runtime.provision import launch
from alterd_runtime.provision.waiting import wait_until

KILL_TIMEOUT = 10.0
"""Seconds for a killed process to leave the table of processes; it may wait for its disk."""

# The kernel's "die with your parent" means the thread that forked: this one lives as long as the program.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="alterd-spawner")


class ServerProcess:
    """One server and its files: `pid_file`, and `log` with what it prints.

    `marker` is an argument of the server's command line that no other process has, such as ``--datadir=…``: a pid
    that was given to another process since is not mistaken for the server.
    """

    def __init__(self, pid_file: Path, log: Path, marker: str) -> None:
        self.pid_file = pid_file
        self.log = log
        self.marker = marker
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """The server's pid, None when it does not run. While it ends it runs: it holds its port and its locks."""
        if self._child is not None:
            if self._child.poll() is None:
                return self._child.pid
            self._child = None
            return None
        try:
            pid = int(self.pid_file.read_text())
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        return pid if runs(pid, self.marker) else None

    def start(self, argv: Sequence[str], *, die_with_parent: bool) -> None:
        """Starts `argv`; returns before it is ready. With `die_with_parent` it is killed when this program ends."""
        mode = "attached" if die_with_parent else "detached"
        command = [
            *(sys.executable, "-I", "-S", launch.__file__, str(self.pid_file), mode, str(os.getpid())),
            *argv,
        ]
        self._reap()
        self.pid_file.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            child = _SPAWNER.submit(
                subprocess.Popen[bytes],
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the command, which stops its servers in order
            ).result()
        if die_with_parent:
            self._child = child
            wait_until(lambda: self.pid_file.exists() or child.poll() is not None, KILL_TIMEOUT)
        else:
            child.wait()

    def stop(self, timeout: float) -> bool:
        """Asks the server to end, and kills it after `timeout` seconds: whether it ended by itself."""
        if self._end(timeout, signal.SIGTERM, signal.SIGCONT):
            return True
        self.kill()
        return False

    def kill(self) -> None:
        """kill -9, and waits until the process is gone."""
        self._end(KILL_TIMEOUT, signal.SIGKILL)

    def _end(self, timeout: float, *numbers: signal.Signals) -> bool:
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                for number in numbers:
                    os.kill(pid, number)
            # Its ports and locks are free once it is gone, not once it seems to be.
            if not wait_until(lambda: self._is_gone(pid), timeout):
                return False
        self._reap()
        self.pid_file.unlink(missing_ok=True)
        return True

    def _is_gone(self, pid: int) -> bool:
        return has_ended(pid) if self._child is None else self._child.poll() is not None

    def _reap(self) -> None:
        if self._child is not None:
            self._child.wait(KILL_TIMEOUT)
            self._child = None

    def last_words(self, lines: int = 5) -> str:
        """The end of the log."""
        if not self.log.exists():
            return ""
        with self.log.open(errors="replace") as log:
            return "".join(deque(log, maxlen=lines)).strip()


def runs(pid: int, argument: str) -> bool:
    """Whether a process of that pid runs and has `argument` on its command line."""
    if not Path("/proc/self").exists():
        return not has_ended(pid) and argument in _ps("command", pid)
    line = _proc(pid, "cmdline")
    if line:
        return argument in line.split("\0")
    # While a process becomes another program, or ends, its command line is empty; a kernel thread never has one.
    stat = _stat(pid)
    return bool(stat) and not has_ended(pid) and not int(stat[_FLAGS]) & _KERNEL_THREAD


def has_ended(pid: int) -> bool:
    """Whether nothing of a process runs any more; its exit status may still wait for somebody."""
    if not Path("/proc/self").exists():
        return _ps("stat", pid).strip()[:1] in ("", "Z")
    stat = _stat(pid)
    return not stat or (stat[0] in "ZX" and int(stat[_THREADS]) <= 1)


# /proc/<pid>/stat after the name: state is 0. proc(5) counts from 1 with pid and name before it.
_FLAGS = 9 - 3
_THREADS = 20 - 3
_KERNEL_THREAD = 0x0020_0000


def _stat(pid: int) -> list[str]:
    """Empty when there is no such process."""
    return _proc(pid, "stat").rpartition(")")[2].split()


def _proc(pid: int, file: str) -> str:
    try:
        return Path(f"/proc/{pid}/{file}").read_text(errors="surrogateescape")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


def _ps(column: str, pid: int) -> str:
    """For systems without /proc; empty when there is no such process."""
    command = ["ps", "-ww", "-o", f"{column}=", "-p", str(pid)]
    return subprocess.run(command, check=False, capture_output=True, text=True).stdout
