"""What living executors offer to users. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from alterd_contracts.declaration import Declaration
from alterd_contracts.work import ExecutorInfo


def offered(executors: Iterable[ExecutorInfo]) -> dict[str, Declaration]:
    """By name and alias what users can choose; where versions differ, the newest."""
    found: dict[str, Declaration] = {}
    for info in executors:
        for declared in info.strategies:
            if declared.hidden:
                continue
            for name in (declared.strategy, *declared.aliases):
                if name not in found or _version(found[name]) < _version(declared):
                    found[name] = declared
    return found


def _version(declaration: Declaration) -> tuple[tuple[int, ...], bool, str]:
    """0.10 is newer than 0.9, 1.0 than 1.0rc1."""
    release = re.match(r"[0-9]+(?:\.[0-9]+)*", declaration.version)
    rest = declaration.version[release.end() :] if release else declaration.version
    return tuple(int(part) for part in release[0].split(".")) if release else (), not rest, rest
