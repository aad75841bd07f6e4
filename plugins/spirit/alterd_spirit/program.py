"""The spirit on this host: where it is, which version it has, and which flags it knows.

spirit has no flag that tells its version (`cmd/spirit`). Go writes it into every program that it builds of a released
module, and `go version -m` reads it there; so does this module.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import mmap
import os
import re
import shutil
from pathlib import Path
from typing import Final

import msgspec
from alterd_contracts.declaration import ToolDeclaration

from alterd_spirit.errors import SpiritMissing, SpiritVersion

NAME: Final = "spirit"
VARIABLE: Final = "ALTERD_SPIRIT_PATH"
"""Of a plugin's own: alterd's own settings have two underscores, and it knows them all."""
MINIMUM: Final = (0, 15, 0)
"""Earlier ones read a changed row again and may read it too early, which loses the change (its issue 746); and they
compare old and new table after the cut-over was let go, not before (`docs/migrate.md` "Two-checksum model")."""
HINT: Final = "`plugins/spirit/scripts/get-spirit` builds it where Go is; or put spirit 0.15.0 or newer on the PATH"
NEEDED: Final = frozenset({"conf", "host", "database", "statement", "defer-cutover"})
ASKING: Final = 10.0
"""Seconds for it to show its flags."""

_BUILT_OF: Final = re.compile(rb"\n(?:mod|dep)\tgithub\.com/block/spirit\tv(\d+(?:\.\d+)+)")
_FLAGS: Final = re.compile(r"(?<![\w-])--(?:\[no-\])?([a-z][a-z0-9-]*)")


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A spirit that runs here."""

    path: Path
    version: tuple[int, ...]
    digest: str
    """Of the file. spirit takes up no work of another version of its own (README "Resume from Checkpoint")."""
    flags: frozenset[str]

    @property
    def shown(self) -> str:
        """The version as it is written."""
        return ".".join(str(part) for part in self.version)


def find() -> Path | None:
    """The program of the variable, of the PATH, or the one that `scripts/get-spirit` has built."""
    if named := os.environ.get(VARIABLE, ""):
        return Path(named)
    if found := shutil.which(NAME):
        return Path(found)
    built = sorted(_cache().glob("spirit-v*/spirit"), key=lambda path: read_version(path) or ())
    return built[-1] if built else None


def declared() -> ToolDeclaration:
    """For `alterd doctor`."""
    return ToolDeclaration(name=NAME, path=str(find() or ""), mend=f"{HINT}; or name one in {VARIABLE}")


async def locate() -> Program:
    """Raises `SpiritMissing`, `SpiritVersion`."""
    path = find()
    if path is None:
        raise SpiritMissing("spirit is not on the executor's PATH", hint=f"{HINT}; or name it in {VARIABLE}", tool=NAME)
    if not (path.is_file() and os.access(path, os.X_OK)):
        raise SpiritMissing(f"{VARIABLE} names {path}, which is no program here", hint=HINT, setting=VARIABLE)
    version, digest = await asyncio.to_thread(lambda: (read_version(path), _digest(path)))
    if version is None:
        raise SpiritVersion(f"{path} does not say of which version of block/spirit it is built", hint=HINT, tool=NAME)
    if version < MINIMUM:
        shown = ".".join(str(part) for part in version)
        raise SpiritVersion(f"{path} is spirit {shown}: before 0.15.0 rows can be lost unseen", hint=HINT, tool=NAME)
    flags = await _flags(path)
    if lacking := sorted(NEEDED - flags):
        raise SpiritVersion(f"{path} has no --{', --'.join(lacking)}", hint=HINT, tool=NAME)
    return Program(path=path, version=version, digest=digest, flags=flags)


def read_version(path: Path) -> tuple[int, ...] | None:
    """The version of block/spirit that a program was built of; None where it does not say."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            found = _BUILT_OF.search(content)
            return tuple(int(part) for part in found[1].split(b".")) if found else None
    except (OSError, ValueError):  # unreadable, or empty
        return None


def flags_in(text: str) -> frozenset[str]:
    """The flags that a help text names."""
    return frozenset(_FLAGS.findall(text))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _cache() -> Path:
    xdg = os.environ.get("XDG_CACHE_HOME", "")
    caches = Path(xdg) if xdg.startswith("/") else Path.home() / ".cache"
    return Path(os.environ.get("ALTERD_CACHE_DIR") or caches / "alterd")


async def _flags(path: Path) -> frozenset[str]:
    try:
        process = await asyncio.create_subprocess_exec(
            path,
            *("migrate", "--help"),
            env={name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},  # ours may name secrets
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except OSError as error:
        raise SpiritMissing(f"{path} does not run: {error.strerror}", hint=HINT, tool=NAME) from error
    try:
        async with asyncio.timeout(ASKING):
            said, _ = await process.communicate()
    except TimeoutError:
        raise SpiritMissing(f"{path} migrate --help does not end", hint=HINT, tool=NAME) from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    text = said.decode(errors="replace")
    if process.returncode:
        last = (text.strip().splitlines() or [""])[-1]
        raise SpiritVersion(f"{path} migrate --help ends with {process.returncode}: {last[:200]}", hint=HINT, tool=NAME)
    return flags_in(text)
