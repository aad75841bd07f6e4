"""The tool on this host: where it is, whether its version is one that alterd knows, and which flags it takes."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence

from alterd_contracts.declaration import ToolDeclaration
from alterd_contracts.errors import InvalidStrategy
from alterd_ptosc.passing import STRATEGY, complaint
from alterd_runtime.provision.pt_osc import PT_OSC
from alterd_runtime.settings import load
from alterd_tools import programs
from alterd_tools.errors import ToolVersion
from alterd_tools.programs import Program

NAME = PT_OSC.name
OLDEST = (3, 2, 1)
NEWEST = (3, 7)
"""The last series that was tried."""
VARIABLE = "ALTERD_PTOSC__PATH"
HINT = "install Debian's percona-toolkit, or unpack it without root: `python -m alterd_runtime.provision.pt_osc`"


@functools.cache
def declared() -> ToolDeclaration:
    """The one that executors here take."""
    path = load().ptosc.path or PT_OSC.found() or ""
    return ToolDeclaration(name=NAME, path=path, mend=f"{HINT}; or name one in {VARIABLE}")


async def find(configured: str) -> Program:
    """The tool to run: as configured, on the PATH, or unpacked by alterd. Raises `ToolMissing`, `ToolVersion`."""
    path = programs.find(NAME, configured or PT_OSC.found() or "", variable=VARIABLE, hint=HINT)
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


async def check_flags(program: Program, passed: Sequence[str]) -> None:
    """Raises `InvalidStrategy`: this version does not know a user's flag, or the value is none of that flag's.

    Asked for help, the tool reads its flags and does nothing else. Words as values of --max-load are MySQL's to know.
    """
    if not passed:
        return
    question = (f"--config={os.devnull}", "--help", *passed)
    _, said = await programs.answer(program.path, question, NAME, hint=HINT)
    if words := complaint(said):
        raise InvalidStrategy(
            f"{NAME} {program.shown} refuses its flags: {words}",
            hint=f"`{NAME} --help` shows those of your version",
            strategy=STRATEGY,
        )
