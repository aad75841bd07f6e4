"""A program of others that alterd can put into its cache folder: unpacked or built there, once, without root."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from alterd_contracts.errors import AlterdError, Refused
from alterd_runtime.provision.folders import cache_folder
from alterd_runtime.provision.scripts import run_script


class Provided(msgspec.Struct, frozen=True, kw_only=True):
    """One program, and the script beside this file that gets it."""

    name: str
    folder: str
    """Within the cache folder; with the version in its name."""
    script: str
    """Fills the folder that it is given; steps on stdout, why it cannot on stderr."""
    source: str
    """Where from, for people."""
    hint: str
    """What else to do where it cannot be had."""

    def cached(self) -> str | None:
        """The path of the one that was made earlier; None where there is none."""
        program = cache_folder() / self.folder / self.name
        return str(program) if program.exists() else None

    def found(self) -> str | None:
        """The path of the one to run: on the PATH, or in the cache folder; None where there is neither."""
        return shutil.which(self.name) or self.cached()

    def get(self, progress: Callable[[str], None]) -> str:
        """The cached one's path, made first if need be. Raises `Refused` with what is missing: tools, the network."""
        if found := self.cached():
            return found
        folder = cache_folder() / self.folder
        progress(f"making {self.name} of {self.source} in {folder}")
        if why := run_script(Path(__file__).with_name(self.script), folder, progress):
            raise Refused(f"{self.name} cannot be made of {self.source}: {why}", hint=self.hint)
        return str(folder / self.name)

    def main(self) -> int:
        """Prints its path; steps and errors go to stderr. Exit code 3: it cannot be had here."""
        try:
            sys.stdout.write(f"{self.get(_tell)}\n")
        except AlterdError as error:
            sys.stderr.write(f"error: {error.message}\nhint: {error.hint}\n")
            return 3
        return 0


def _tell(step: str) -> None:
    sys.stderr.write(f"{step}\n")
