"""The gh-ost on this host."""

from __future__ import annotations

from typing import Final

from alterd_runtime.settings import GhostSettings
from alterd_tools.errors import ToolVersion
from alterd_tools.programs import Program, ask, find

NAME: Final = "gh-ost"
MINIMUM: Final = (1, 1, 10)
"""Earlier ones do not see every warning with --panic-on-warnings: rows that do not fit would be lost unseen."""
VARIABLE: Final = "ALTERD_GHOST__PATH"
HINT: Final = "install gh-ost 1.1.10 or newer on the executor's host (`scripts/get-gh-ost` builds it where Go is)"


async def locate(settings: GhostSettings) -> Program:
    """Raises `ToolMissing`, `ToolVersion`."""
    program = await ask(find(NAME, settings.path, variable=VARIABLE, hint=HINT), NAME, hint=HINT)
    if program.version < MINIMUM:
        least = ".".join(str(part) for part in MINIMUM)
        raise ToolVersion(
            f"{program.path} is gh-ost {program.shown}: with versions before {least} rows can be lost unseen",
            hint=HINT,
            tool=NAME,
        )
    return program
