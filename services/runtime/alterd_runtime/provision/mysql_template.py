"""An initialised, never started data folder: copying it takes a tenth of a second, making one three seconds."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from alterd_contracts.errors import ShardUnreachable
from alterd_runtime.provision.folders import cache_folder
from alterd_runtime.provision.locks import exclusive
from alterd_runtime.provision.mysql_binary import MySQLBinary

INITIALIZE_TIMEOUT = 300.0
"""Seconds; it takes 3 on an idle disk."""


def run_as() -> tuple[str, ...]:
    """mysqld runs as root only when told to."""
    return ("--user=root",) if os.geteuid() == 0 else ()


def fill(data: Path, binary: MySQLBinary) -> None:
    """Makes `data` a data folder without anybody's data: root has no password and no server uuid is set.

    It appears at once or not at all. Raises `ShardUnreachable`.
    """
    template = _template(binary)
    partial = data.with_name(f"{data.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        data.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(template, partial)
        partial.rename(data)
    except (OSError, shutil.Error) as error:
        raise ShardUnreachable(
            f"the data folder {data} cannot be made: {error}", hint="it needs 100 MB of room", folder=data
        ) from error


def _template(binary: MySQLBinary) -> Path:
    key = hashlib.sha256(f"{binary.path}\n{binary.build}".encode()).hexdigest()[:12]
    folder = cache_folder() / f"mysql-data-{'.'.join(map(str, binary.version))}-{key}"
    try:
        with exclusive(folder.with_name(f"{folder.name}.lock")):
            if not folder.exists():
                _initialize(folder, binary)
    except OSError as error:
        raise ShardUnreachable(
            f"the cache folder {folder.parent} cannot be used: {error.strerror or error}",
            hint="make it writable, or set ALTERD_CACHE_DIR",
            folder=folder.parent,
        ) from error
    return folder


def _initialize(folder: Path, binary: MySQLBinary) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}.") as work:
        data = Path(work) / "data"
        argv = [
            *binary.command("--no-defaults"),
            "--initialize-insecure",
            f"--datadir={data}",
            "--skip-log-bin",
            *run_as(),
        ]
        try:
            done = subprocess.run(
                argv, check=False, capture_output=True, text=True, errors="replace", timeout=INITIALIZE_TIMEOUT, cwd="/"
            )
            said = f"{done.stdout}{done.stderr}" if done.returncode else ""
        except (OSError, subprocess.TimeoutExpired) as error:
            said = str(error)
        if said:
            raise ShardUnreachable(
                f"{binary} cannot initialise a data folder:\n{errors_of(said)}",
                hint="a security profile (AppArmor, SELinux) may keep it to its own folders",
                folder=folder.parent,
            )
        (data / "auto.cnf").unlink(missing_ok=True)  # each server makes a uuid of its own
        data.rename(folder)


def errors_of(log: str, lines: int = 5) -> str:
    """The errors in mysqld's log, or its last lines when it names none."""
    said = log.strip().splitlines()
    return "\n".join(([line for line in said if "[ERROR]" in line] or said)[-lines:])
