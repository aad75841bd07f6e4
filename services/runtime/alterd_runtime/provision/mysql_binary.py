"""Finds a MySQL server: ``mysqld`` on the PATH, or on Debian one unpacked into a cache folder, with no root."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path

from alterd_contracts.errors import ShardUnreachable
from alterd_runtime.provision.folders import cache_folder

OLDEST = (8, 0, 19)
UNPACK_TIMEOUT = 600.0
"""Seconds for a download of about 65 MB."""


def usable(version_text: str) -> bool:
    """Whether ``mysqld --version`` speaks of a MySQL (not MariaDB) that is new enough. Pure."""
    match = re.search(r"Ver (\d+)\.(\d+)\.(\d+)", version_text)
    if match is None or "mariadb" in version_text.lower():
        return False
    return tuple(int(part) for part in match.groups()) >= OLDEST


def mysqld_on_path(progress: Callable[[str], None] = lambda _: None) -> Path | None:
    """A usable server on the PATH, None where there is none; `progress` hears of one that is not usable."""
    found = shutil.which("mysqld", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        return None
    answer = subprocess.run([found, "--version"], capture_output=True, text=True, timeout=30, check=False)
    if usable(answer.stdout):
        return Path(found)
    progress(f"{found} is not used: {answer.stdout.strip() or answer.stderr.strip()}")
    return None


def find_mysqld(progress: Callable[[str], None] = lambda _: None) -> Path:
    """The server's path; fetched once if need be. Raises `ShardUnreachable` with what to do."""
    if (on_path := mysqld_on_path(progress)) is not None:
        return on_path
    unpacked = cache_folder() / "mysql-9.7"
    if not (unpacked / "mysqld").exists():
        progress("fetching MySQL 9.7 (about 65 MB, once)")
        _unpack(unpacked)
    return unpacked / "mysqld"


def _unpack(folder: Path) -> None:
    with as_file(files("alterd_runtime.provision") / "mysql_from_debian.sh") as script:
        done = subprocess.run(
            ["bash", str(script), str(folder)], capture_output=True, text=True, timeout=UNPACK_TIMEOUT, check=False
        )
    if done.returncode:
        raise ShardUnreachable(
            f"MySQL could not be provided: {done.stderr.strip()}",
            hint="put a mysqld (8.0.19 or newer) on the PATH, or set ALTERD_TEST_MYSQL_URL for tests",
        )
