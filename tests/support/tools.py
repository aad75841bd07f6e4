"""Programs that strategies run, for tests: had where this machine can have them, so that nothing is left out."""

from __future__ import annotations

import shutil
import sys

import pytest

from alterd_contracts.errors import Refused
from alterd_runtime.provision import pt_osc


def _told(step: str) -> None:
    sys.stderr.write(f"{step}\n")


def newest_pt_osc() -> str:
    """The one that is unpacked from Debian's unstable suite, with a Perl of its own."""
    try:
        return pt_osc.from_debian(_told)
    except Refused as error:
        pytest.skip(error.message)


def any_pt_osc() -> str:
    """The one on the PATH, which may be an old one; else the newest."""
    return shutil.which(pt_osc.NAME) or newest_pt_osc()
