"""Where a program is, and which version it has."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from alterd_tools.errors import ToolMissing, ToolVersion

ASKING = 10.0
"""Seconds for a program to answer."""
INHERITED = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")
"""All that a program gets of our own environment, which may name secrets."""
_VERSION = re.compile(r"\d+(?:\.\d+)+")


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """A program that runs here."""

    path: Path
    version: tuple[int, ...]

    @property
    def shown(self) -> str:
        """The version as it is written."""
        return ".".join(str(part) for part in self.version)


def find(name: str, setting: str, *, variable: str, hint: str) -> Path:
    """The program of the setting, or the one on the PATH. Raises `ToolMissing`; `hint` says how to get it."""
    if setting:
        path = Path(setting)
        if path.is_file() and os.access(path, os.X_OK):
            return path
        raise ToolMissing(f"{variable} names {setting}, which is no program here", hint=hint, setting=variable)
    found = shutil.which(name)
    if found is None:
        raise ToolMissing(f"{name} is not on the executor's PATH", hint=f"{hint}, or name it in {variable}", tool=name)
    return Path(found)


def read_version(text: str) -> tuple[int, ...] | None:
    """The first version number in what a program says of itself. Pure."""
    found = _VERSION.search(text)
    return tuple(int(part) for part in found.group().split(".")) if found else None


async def ask(path: Path, name: str, *, hint: str) -> Program:
    """Asks for the version. Raises `ToolMissing` (it does not run), `ToolVersion` (it says none)."""
    code, text = await answer(path, ("--version",), name, hint=hint)
    last = text.splitlines()[-1] if text else ""
    if code:
        raise ToolMissing(f"{path} --version ends with exit code {code}: {last[:200]}", hint=hint, tool=name)
    version = read_version(text)
    if version is None:
        raise ToolVersion(f"{path} does not say which version it is: {last[:200]!r}", hint=hint, tool=name)
    return Program(path=path, version=version)


async def answer(path: Path, arguments: Sequence[str], name: str, *, hint: str) -> tuple[int, str]:
    """Exit code and text of a call that ends at once. Raises `ToolMissing` (it does not run)."""
    try:
        process = await asyncio.create_subprocess_exec(
            path,
            *arguments,
            env={name: os.environ[name] for name in INHERITED if name in os.environ},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except OSError as error:
        raise ToolMissing(f"{path} does not run: {error.strerror}", hint=hint, tool=name) from error
    try:
        async with asyncio.timeout(ASKING):
            said, _ = await process.communicate()
    except TimeoutError:
        raise ToolMissing(f"{path} {arguments[0]} does not end within {ASKING:g} s", hint=hint, tool=name) from None
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return process.returncode or 0, said.decode(errors="replace").strip()
