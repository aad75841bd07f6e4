"""The gh-ost on this host, and which flags it knows."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final

from alterd_contracts.declaration import ToolDeclaration
from alterd_contracts.errors import InvalidStrategy
from alterd_ghost.status import FATAL
from alterd_runtime.provision.gh_ost import GH_OST
from alterd_runtime.settings import GhostSettings, load
from alterd_tools.errors import ToolVersion
from alterd_tools.programs import Program, answer, ask, find

NAME: Final = GH_OST.name
MINIMUM: Final = (1, 1, 10)
"""Earlier ones do not see every warning with --panic-on-warnings: rows that do not fit would be lost unseen."""
VARIABLE: Final = "ALTERD_GHOST__PATH"
HINT: Final = (
    "install gh-ost 1.1.10 or newer on the executor's host, or build it where Go is: "
    "`python -m alterd_runtime.provision.gh_ost`"
)


@functools.cache
def declared() -> ToolDeclaration:
    """The one that executors here take."""
    path = load().ghost.path or GH_OST.found() or ""
    return ToolDeclaration(name=NAME, path=path, mend=f"{HINT}; or name one in {VARIABLE}")


async def locate(settings: GhostSettings) -> Program:
    """The tool to run: as set, on the PATH, or built by alterd. Raises `ToolMissing`, `ToolVersion`."""
    path = find(NAME, settings.path or GH_OST.found() or "", variable=VARIABLE, hint=HINT)
    program = await ask(path, NAME, hint=HINT)
    if program.version < MINIMUM:
        least = ".".join(str(part) for part in MINIMUM)
        raise ToolVersion(
            f"{program.path} is gh-ost {program.shown}: with versions before {least} rows can be lost unseen",
            hint=f"{HINT}; name it in {VARIABLE} where an older one is on the PATH",
            tool=NAME,
        )
    return program


async def check_flags(program: Program, passed: Sequence[str]) -> None:
    """Raises `InvalidStrategy`: this gh-ost does not know a user's flag, or its value is none of that flag's."""
    if not passed:
        return
    code, said = await answer(program.path, ("--check-flag", *passed), NAME, hint=HINT)
    if code:
        words = next((found[1] for line in said.splitlines() if (found := FATAL.search(line))), said[:200])
        raise InvalidStrategy(
            f"gh-ost {program.shown} refuses its flags: {words}",
            hint=f"`{NAME} --help` shows those of your version",
            strategy=NAME,
        )
