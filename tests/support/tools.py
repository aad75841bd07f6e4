"""Programs that strategies run, for tests: had where this machine can have them, so that nothing is left out."""

from __future__ import annotations

import shutil
import sys

import pytest

from alterd_contracts.errors import Refused
from alterd_runtime.provision.pt_osc import PT_OSC


def _told(step: str) -> None:
    sys.stderr.write(f"{step}\n")


def newest_pt_osc() -> str:
    """The one that is unpacked from Debian's unstable suite, with a Perl of its own."""
    try:
        return PT_OSC.get(_told)
    except Refused as error:
        pytest.skip(error.message)


def any_pt_osc() -> str:
    """The one on the PATH, which may be an old one; else the newest."""
    return shutil.which(PT_OSC.name) or newest_pt_osc()
