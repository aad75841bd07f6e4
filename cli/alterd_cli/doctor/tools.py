"""Programs that some strategies run: is there one, which version, and how to get it. As seen from this host."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec

from alterd_cli.doctor.findings import Finding, ok, warn
from alterd_cli.link import settings
from alterd_runtime.provision import pt_osc
from alterd_runtime.settings import Settings

PART = "tools"
PATIENCE = 30.0
"""Seconds for a program to say its version."""


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A program, and who needs it."""

    name: str
    strategy: str
    configured: Callable[[Settings], str]
    found: Callable[[], str | None]
    mend: str


TOOLS = (
    Tool(
        name="gh-ost",
        strategy="gh-ost",
        configured=lambda settings: settings.ghost.path,
        found=lambda: shutil.which("gh-ost"),
        mend="`scripts/get-gh-ost` builds it where Go is; or name one in ALTERD_GHOST__PATH",
    ),
    Tool(
        name=pt_osc.NAME,
        strategy="pt-osc",
        configured=lambda settings: settings.ptosc.path,
        found=pt_osc.found,
        mend="`scripts/get-pt-osc` installs or unpacks Debian's; or name one in ALTERD_PTOSC__PATH",
    ),
)


def check_tools() -> list[Finding]:
    """One finding for each; without a program only its own strategy cannot run."""
    return [_tool(tool, settings()) for tool in TOOLS]


def _tool(tool: Tool, configured: Settings) -> Finding:
    path = tool.configured(configured) or tool.found()
    if not path:
        return ok(PART, f"{tool.name} is not on this host: the strategy {tool.strategy} needs it. {tool.mend}")
    if shutil.which(path) is None:
        return warn(PART, f"{tool.name} is set to {path}, which is no program here", tool.mend)
    said = version(path)
    if not said:
        return warn(PART, f"{path} does not run here", tool.mend)
    return ok(PART, f"{tool.name}: {path}, version {said}")


def version(path: str) -> str:
    """The last word of what it says of its version; empty where it does not run."""
    try:
        done = subprocess.run(
            [Path(path), "--version"], check=False, capture_output=True, text=True, timeout=PATIENCE, cwd="/"
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    words = done.stdout.split()
    return words[-1] if done.returncode == 0 and words else ""
