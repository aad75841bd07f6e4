"""A process that ends with its parent, however that ends.

``python launch.py <parent> program argument…`` becomes the program: code between fork and exec is unsafe in a process
with threads. Imports nothing but the standard library.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

NOT_FOUND = 127
_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """SIGKILL for this process when `parent` ends; also when that has happened already. Survives exec.

    Linux only; elsewhere the end of the socket to the parent must do.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)


def main(parent: str, program: str, *arguments: str) -> None:
    die_with(int(parent))
    try:
        os.execvp(program, [program, *arguments])  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.stderr.write(f"cannot start {program}: {error.strerror}\n")
        sys.exit(NOT_FOUND)


if __name__ == "__main__":
    main(*sys.argv[1:])
