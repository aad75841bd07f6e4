"""The mysqld to run: one on the PATH, or Debian's unpacked into the cache folder."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import msgspec

from alterd_contracts.errors import ShardUnreachable
from alterd_runtime.mysql.server import OLDEST
from alterd_runtime.provision.folders import CACHE_VARIABLE, cache_folder
from alterd_runtime.provision.scripts import run_script

CACHED = "mysql-9.7"
"""Folder within the cache folder; its `mysqld` is a wrapper."""

_SCRIPT = Path(__file__).with_name("mysql_from_debian.sh")
_NEEDED = ("apt-get", "apt-config", "dpkg-deb", "flock", "bash")
_VERSION = re.compile(r"\bVer (\d+)\.(\d+)\.(\d+)")
# An ordinary user's PATH on Debian leaves these out, and distributions install mysqld there.
_SYSTEM_FOLDERS = "/usr/sbin:/usr/local/sbin:/usr/local/mysql/bin"


class Origin(StrEnum):
    PATH = "path"
    DEBIAN = "debian"


class MySQLBinary(msgspec.Struct, frozen=True, kw_only=True):
    """A server program that alterd supports."""

    path: Path
    version: tuple[int, int, int]
    build: str
    """As it calls itself: the same text, the same program."""
    origin: Origin

    def command(self, defaults: str) -> list[str]:
        """How the server is called; `defaults` is its first option, and keeps the machine's option files out.

        ``--no-defaults`` ignores what SET PERSIST stored, too: a server that starts again needs ``--defaults-file=…``.
        """
        if self.origin is Origin.PATH:
            return [str(self.path), defaults]
        # what the wrapper does, but for its --no-defaults
        folder = self.path.parent
        loader = next(folder.glob("usr/lib/*-linux-gnu/ld-linux-*.so.*"))
        share = folder / "usr" / "share" / "mysql"
        return [
            *(str(loader), "--library-path", f"{loader.parent}:{loader.parent / 'mysql'}"),
            *(str(folder / "usr" / "sbin" / "mysqld"), defaults),
            f"--lc-messages-dir={share}",
            f"--character-sets-dir={share / 'charsets'}",
            f"--plugin-dir={folder / 'usr' / 'lib' / 'mysql' / 'plugin'}",
            "--secure-file-priv=",
        ]

    def __str__(self) -> str:
        return f"MySQL {'.'.join(map(str, self.version))} ({self.path})"


def parse_version(text: str) -> tuple[int, int, int] | None:
    """The version in the output of ``mysqld --version``; None for MariaDB and whatever else is not MySQL."""
    match = _VERSION.search(text)
    if match is None or "mariadb" in text.lower():
        return None
    major, minor, patch = map(int, match.groups())
    return major, minor, patch


def usable(version_text: str) -> bool:
    """Whether ``mysqld --version`` speaks of a MySQL (not MariaDB) that is new enough."""
    version = parse_version(version_text)
    return version is not None and version >= OLDEST


def on_path(progress: Callable[[str], None] = lambda _: None) -> MySQLBinary | None:
    """The mysqld on the PATH; None where there is none. `progress` hears of one that is not usable."""
    found = shutil.which("mysqld") or shutil.which("mysqld", path=_SYSTEM_FOLDERS)
    return _inspect(Path(found), Origin.PATH, progress) if found else None


def cached(progress: Callable[[str], None] = lambda _: None) -> MySQLBinary | None:
    """The mysqld that was unpacked earlier."""
    program = cache_folder() / CACHED / "mysqld"
    return _inspect(program, Origin.DEBIAN, progress) if program.exists() else None


def can_unpack() -> bool:
    """Whether this machine has Debian's tools. Whether its archive answers is known by trying."""
    return Path("/etc/debian_version").exists() and all(shutil.which(program) for program in _NEEDED)


def from_debian(progress: Callable[[str], None]) -> MySQLBinary:
    """The cached mysqld, unpacked from Debian's unstable suite first if need be (10 s, 350 MB on disk).

    Raises `ShardUnreachable` with what is missing: Debian's tools, the archive, the network.
    """
    found = cached(progress)
    if found is not None:
        return found
    folder = cache_folder() / CACHED
    progress(f"unpacking MySQL into {folder}")
    if why := run_script(_SCRIPT, folder, progress):
        raise _cannot(why)
    found = cached(progress)
    if found is None:
        raise _cannot(f"{folder} holds no usable mysqld: remove it and try again")
    return found


def _cannot(reason: str) -> ShardUnreachable:
    return ShardUnreachable(
        f"MySQL cannot be unpacked from Debian: {reason}",
        hint=f"put a mysqld on the PATH, start Docker, or set {CACHE_VARIABLE} to a folder with {CACHED}/mysqld",
        folder=cache_folder(),
    )


def _inspect(program: Path, origin: Origin, progress: Callable[[str], None]) -> MySQLBinary | None:
    command = [str(program), "--version"]
    try:
        # in the root folder: nothing that lies in the user's has a say
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30, cwd="/")
        said = done.stdout.strip() or done.stderr.strip()
        works = done.returncode == 0
    except (OSError, subprocess.TimeoutExpired) as error:
        said, works = str(error), False
    version = parse_version(said)
    if not works or version is None or not usable(said):
        progress(f"{program} is not used: {said}")
        return None
    return MySQLBinary(path=program, version=version, build=said, origin=origin)
