"""Folders of attempts, and what may outlive them on this host: the folder of a dead executor, and programs that it ran.

An executor holds a lock on a file in each of its folders, which goes with its process: whoever can take it knows that
the executor is gone. That holds for others too who see the folder, in containers of their own.

A program ends with its run where the system can promise that. Where it cannot, and where the run is paused, the folder
knows the programs: each has a file in it, with its number and the time at which it began, as numbers are used again.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import structlog

from alterd_contracts.migration import Migration

log = structlog.get_logger(__name__)

OWNER = ".owner"
"""Locked while its executor lives, and says whose attempt it is; empty before it is locked."""
PROGRAMS = ".programs"
YOUNG = 60.0
"""Seconds for which a folder without an owner is left alone: it is being made."""

_FOLDER = re.compile(r"alterd-([0-9a-f_]{36})-(\d+)-\w+")


def base_of(setting: str) -> Path:
    """Where the folders are."""
    return Path(setting or tempfile.gettempdir()).absolute()


@contextlib.asynccontextmanager
async def attempt_folder(setting: str, record: Migration) -> AsyncIterator[Path]:
    """A folder that only this process's user can read, removed at the end."""
    prefix = f"alterd-{record.migration_uuid}-{record.attempt}-"
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=base_of(setting)))
    with (folder / OWNER).open("w") as owner:
        fcntl.flock(owner, fcntl.LOCK_EX)
        owner.write(_whose(record))
        owner.flush()
        try:
            yield folder
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


def note_program(folder: Path, pid: int) -> Path:
    """Writes down that a program of that number, the first of its group, runs for the folder's attempt."""
    notes = folder / PROGRAMS
    notes.mkdir(mode=0o700, exist_ok=True)
    note = notes / str(pid)
    note.write_text(_mark(pid))
    return note


def sweep(setting: str, record: Migration | None = None) -> int:
    """Ends programs whose executor is gone, and removes its folders: how many folders.

    With `record`, also the programs of its older attempts on its shard are ended, though their executor lives: it may
    be paused. Blocks for moments.
    """
    removed = 0
    for folder, uuid, attempt in _folders(base_of(setting)):
        whose, abandoned = _look(folder)
        superseded = (
            record is not None
            and uuid == record.migration_uuid
            and attempt < record.attempt
            and whose == _whose(record)
        )
        if superseded or abandoned:
            for pid in _programs(folder):
                log.warning("program.left_over", pid=pid, migration=uuid, attempt=attempt)
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
        if abandoned:
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed


def _whose(record: Migration) -> str:
    return json.dumps([record.keyspace, record.shard, record.migration_uuid])


def _folders(base: Path) -> Iterator[tuple[Path, str, int]]:
    for folder in base.glob("alterd-*-*-*"):
        match = _FOLDER.fullmatch(folder.name)
        with contextlib.suppress(OSError):
            if match and folder.is_dir() and folder.stat().st_uid == os.getuid():
                yield folder, match[1], int(match[2])


def _look(folder: Path) -> tuple[str, bool]:
    """Whose attempt it is, and whether its executor is gone."""
    try:
        with (folder / OWNER).open("r+") as owner:
            whose = owner.read()
            if not whose:
                return "", _is_old(folder)
            fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return whose, True
    except FileNotFoundError:
        return "", _is_old(folder)
    except BlockingIOError:
        return whose, False
    except OSError as error:
        log.warning("folder.unreadable", folder=str(folder), error=str(error))  # a file system without locks
        return "", False


def _is_old(folder: Path) -> bool:
    try:
        return time.time() - folder.stat().st_mtime > YOUNG
    except OSError:
        return False  # gone meanwhile


def _programs(folder: Path) -> list[int]:
    found = []
    for note in (folder / PROGRAMS).glob("*"):
        with contextlib.suppress(OSError, ValueError):
            mark, pid = note.read_text(), int(note.name)
            if pid > 1 and mark == _mark(pid) and mark.strip():
                found.append(pid)
    return found


def _mark(pid: int) -> str:
    """When a process began, in the kernel's own count, and among which processes its number counts.

    Empty where the system does not tell, or it is gone: without this it could be anybody's by now.
    """
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
        numbers = Path("/proc/self/ns/pid").readlink()
    except OSError:
        return ""
    after_the_name = text[text.rindex(")") + 2 :].split()
    return "" if after_the_name[0] == "Z" else f"{after_the_name[19]} {numbers}"
