"""Folders of attempts, and what may outlive them on this host: the folder of a dead executor, and programs that it ran.

A program ends with its run where the system can promise that. Where it cannot, and where the run is paused, the folder
knows the programs: each has a file in it, with its number and the time at which it began, as numbers are used again.
"""

from __future__ import annotations

import asyncio
import contextlib
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
PROGRAMS = ".programs"
YOUNG = 60.0
"""Seconds for which a folder without an owner is left alone: it is being made."""

_FOLDER = re.compile(r"alterd-([0-9a-f_]{36})-(\d+)-\w+")


def base_of(setting: str) -> Path:
    """Where the folders are."""
    return Path(setting or tempfile.gettempdir())


@contextlib.asynccontextmanager
async def attempt_folder(setting: str, record: Migration) -> AsyncIterator[Path]:
    """A folder that only this process's user can read, removed at the end."""
    prefix = f"alterd-{record.migration_uuid}-{record.attempt}-"
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=setting or None))
    (folder / OWNER).write_text(_mark(os.getpid()))
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

    With `record`, also the programs of its older attempts are ended, though their executor lives: it may be paused.
    Blocks for moments.
    """
    removed = 0
    for folder, uuid, attempt in _folders(base_of(setting)):
        superseded = record is not None and uuid == record.migration_uuid and attempt < record.attempt
        abandoned = _abandoned(folder)
        if superseded or abandoned:
            for pid in _programs(folder):
                log.warning("program.left_over", pid=pid, migration=uuid, attempt=attempt)
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
        if abandoned:
            shutil.rmtree(folder, ignore_errors=True)
            removed += 1
    return removed


def _folders(base: Path) -> Iterator[tuple[Path, str, int]]:
    for folder in base.glob("alterd-*-*-*"):
        match = _FOLDER.fullmatch(folder.name)
        with contextlib.suppress(OSError):
            if match and folder.is_dir() and folder.stat().st_uid == os.getuid():
                yield folder, match[1], int(match[2])


def _abandoned(folder: Path) -> bool:
    try:
        return not _is_there((folder / OWNER).read_text())
    except OSError:
        try:
            return time.time() - folder.stat().st_mtime > YOUNG
        except OSError:
            return False  # gone meanwhile


def _programs(folder: Path) -> list[int]:
    found = []
    for note in (folder / PROGRAMS).glob("*"):
        with contextlib.suppress(OSError):
            mark = note.read_text()
            number, began = [*mark.split(), ""][:2]
            if began and _is_there(mark):  # without its time it could be anybody's by now
                found.append(int(number))
    return found


def _mark(pid: int) -> str:
    return f"{pid} {_began(pid)}"


def _is_there(mark: str) -> bool:
    """Whether the process that a mark was made of runs."""
    number, _, began = mark.partition(" ")
    if not number.isdecimal() or int(number) <= 1:
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return False  # another user's: the number was used again
    return _began(int(number)) == began


def _began(pid: int) -> str:
    """When a process began, in the kernel's own count; empty where the system does not tell, or it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    after_the_name = text[text.rindex(")") + 2 :].split()
    return "" if after_the_name[0] == "Z" else after_the_name[19]
