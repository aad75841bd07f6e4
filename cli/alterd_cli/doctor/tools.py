"""Programs that strategies run: is there one, which version, and how to get it. As seen from this host."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from alterd_cli.doctor.findings import Finding, ok, warn
from alterd_cli.services_seen import local_strategies
from alterd_contracts.declaration import Declaration, ToolDeclaration
from alterd_runtime.plugins import Plugins

PART = "tools"
_VERSION = re.compile(r"\d+(?:\.\d+)+")
PATIENCE = 30.0
"""Seconds for a program to say its version."""


def check_tools() -> list[Finding]:
    """One finding for each program that a plugin here declares; without it only its own strategy cannot run."""
    return judge(local_strategies(Plugins().load()))


def judge(strategies: Iterable[Declaration]) -> list[Finding]:
    """Runs each program for its version."""
    return [_tool(tool, declared.strategy) for declared in strategies for tool in declared.tools]


def _tool(tool: ToolDeclaration, strategy: str) -> Finding:
    if not tool.path:
        return ok(PART, f"{tool.name} is not on this host: the strategy {strategy} needs it. {tool.mend}")
    if shutil.which(tool.path) is None:
        return warn(PART, f"{tool.name} is set to {tool.path}, which is no program here", tool.mend)
    said = version(tool.path)
    if not said:
        return warn(PART, f"{tool.path} does not run here", tool.mend)
    return ok(PART, f"{tool.name}: {tool.path}, version {said}")


def version(path: str) -> str:
    """The first version number in what it says of itself; empty where it does not run."""
    try:
        done = subprocess.run(
            [Path(path), "--version"], check=False, capture_output=True, text=True, timeout=PATIENCE, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    number = _VERSION.search(done.stdout)
    return number.group() if done.returncode == 0 and number else ""
