"""Programs that a run starts: in a process group of their own, their output in the log, gone with the run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from alterd_executor.folders import note_program

LAUNCHER = Path(__file__).with_name("launch.py")
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""All that a program gets of our own environment, which may name secrets."""
GRACE = 10.0
"""Seconds between SIGTERM and SIGKILL."""
LINE = 16 * 1024
"""Bytes after which a line of output is cut."""


async def run_program(argv: Sequence[str], env: Mapping[str, str], cwd: Path, tell: Callable[[str], None]) -> int:
    """Runs `argv`; its exit code. Cancelling ends the whole process group."""
    inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        "-S",
        str(LAUNCHER),
        str(os.getpid()),
        *argv,
        env={**inherited, **env},
        cwd=cwd,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    note = note_program(cwd, process.pid)
    telling = asyncio.create_task(pump(process.stdout, tell))
    try:
        code = await process.wait()
        await telling
        return code
    except asyncio.CancelledError:
        _signal(process.pid, signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GRACE):
                await process.wait()
        raise
    finally:
        _signal(process.pid, signal.SIGKILL)  # whatever is left of the group
        await process.wait()
        note.unlink(missing_ok=True)
        telling.cancel()


async def pump(stream: asyncio.StreamReader, tell: Callable[[str], None]) -> None:
    """Hands out lines until the stream ends; long ones in pieces."""
    rest = b""
    while chunk := await stream.read(LINE):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            tell(line.decode(errors="replace").rstrip("\r"))
        if len(rest) >= LINE:
            tell(rest.decode(errors="replace"))
            rest = b""
    if rest:
        tell(rest.decode(errors="replace"))


def _signal(group: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
