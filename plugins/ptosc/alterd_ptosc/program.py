"""The tool on this host: where it is, and whether its version is one that alterd knows."""

from __future__ import annotations

from alterd_runtime.provision import pt_osc
from alterd_tools import programs
from alterd_tools.errors import ToolVersion
from alterd_tools.programs import Program

NAME = "pt-online-schema-change"
OLDEST = (3, 2, 1)
NEWEST = (3, 7)
"""The last series that was tried."""
VARIABLE = "ALTERD_PTOSC__PATH"
HINT = "install Debian's percona-toolkit, or unpack it without root: `python -m alterd_runtime.provision.pt_osc`"


async def find(configured: str) -> Program:
    """The tool to run: as configured, on the PATH, or unpacked by alterd. Raises `ToolMissing`, `ToolVersion`."""
    path = programs.find(NAME, configured or pt_osc.found() or "", variable=VARIABLE, hint=HINT)
    return judge(await programs.ask(path, NAME, hint=HINT))


def judge(program: Program) -> Program:
    """Raises `ToolVersion`. Pure."""
    if program.version < OLDEST or program.version[:2] > NEWEST:
        raise ToolVersion(
            f"{program.path} is version {program.shown}; alterd knows {'.'.join(map(str, OLDEST))} to "
            f"{'.'.join(map(str, NEWEST))}.x",
            hint=f"{HINT}, or name another one in {VARIABLE}",
            tool=NAME,
        )
    return program
