"""The command line beside all those records: how long a command takes, and how much memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence

import msgspec


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """One command."""

    command: str
    seconds: float
    memory_mib: float
    """The most it had resident."""
    lines: int
    """Of its output."""
    notes: tuple[str, ...]
    """What it said on stderr."""
    exit_code: int


def read(url: str, arguments: Sequence[str], timeout: float = 600.0) -> Read:
    """Runs ``alterd`` as a user does: from the start of its process to the end of it."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("ALTERD_")}
    env |= {"ALTERD_NATS__SERVERS": url, "COLUMNS": "200"}
    begun = time.monotonic()
    # of a process of its own, so that the usage of its children is this one's alone
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, sys.executable, "-m", "alterd_cli", *arguments],
        env=env,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    seconds = time.monotonic() - begun
    *said, usage = done.stderr.splitlines()
    took, memory = usage.split()
    return Read(
        command=" ".join(("alterd", *(f'"{word}"' if " " in word else word for word in arguments))),
        seconds=min(seconds, float(took)),
        memory_mib=int(memory) / 1024,
        lines=len(done.stdout.splitlines()),
        notes=tuple(line[:100] for line in said[-3:]),
        exit_code=done.returncode,
    )


_MEASURED = """
import resource, subprocess, sys, time
begun = time.monotonic()
code = subprocess.run(sys.argv[1:]).returncode
took = time.monotonic() - begun
print(took, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)
"""
