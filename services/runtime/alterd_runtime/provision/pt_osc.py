"""pt-online-schema-change for hosts that have none: Debian's, unpacked into the cache folder without root.

``python -m alterd_runtime.provision.pt_osc`` prints its path; steps and errors go to stderr.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from alterd_contracts.errors import AlterdError, Refused
from alterd_runtime.provision.folders import cache_folder
from alterd_runtime.provision.from_debian import run_script

NAME = "pt-online-schema-change"
CACHED = "pt-osc-3.7"
"""Folder within the cache folder."""
_SCRIPT = Path(__file__).with_name("pt_osc_from_debian.sh")


def cached() -> str | None:
    """The path of the one that was unpacked earlier; None where there is none."""
    program = cache_folder() / CACHED / NAME
    return str(program) if program.exists() else None


def found() -> str | None:
    """The path of the one to run: on the PATH, or unpacked; None where there is neither."""
    return shutil.which(NAME) or cached()


def from_debian(progress: Callable[[str], None]) -> str:
    """The cached one's path, unpacked from Debian's unstable suite first if need be (20 s, 200 MB on disk).

    Raises `Refused` with what is missing: Debian's tools, the archive, the network.
    """
    if found := cached():
        return found
    folder = cache_folder() / CACHED
    progress(f"unpacking {NAME} into {folder}")
    if why := run_script(_SCRIPT, folder, progress):
        raise Refused(
            f"{NAME} cannot be unpacked from Debian: {why}",
            hint="install your distribution's percona-toolkit, with Perl's DBI and DBD::mysql",
        )
    return str(folder / NAME)


def _tell(step: str) -> None:
    sys.stderr.write(f"{step}\n")


def main() -> int:
    """Exit code 3: it cannot be had here."""
    try:
        sys.stdout.write(f"{from_debian(_tell)}\n")
    except AlterdError as error:
        sys.stderr.write(f"error: {error.message}\nhint: {error.hint}\n")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
