"""Programs for these tests: the real spirit, or the stand-in."""

from __future__ import annotations

import functools
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.processes import programs

HERE = Path(__file__).parent
SCRIPT = HERE.parent / "scripts" / "get-spirit"
CANNOT = 3
"""The script's exit code where it cannot be had."""


def stand_in(folder: Path, version: str = "0.16.0") -> Path:
    """The stand-in as a program that claims a version where Go writes one."""
    program = folder / "spirit"
    claim = f'"""\nmod\tgithub.com/block/spirit\tv{version}\n"""\n'
    text = (HERE / "standin.py").read_text().replace("from __future__ import annotations\n", "")
    program.write_text(f"#!{sys.executable}\nfrom __future__ import annotations\n{claim}{text}")
    program.chmod(0o755)
    return program


@functools.cache
def _got() -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT], check=False, capture_output=True, text=True, timeout=900)


def real_spirit() -> Path:
    """Skips the test where it cannot be had; the reason says why."""
    got = _got()
    if got.returncode == CANNOT:
        pytest.skip(got.stderr.strip().splitlines()[-1])
    assert got.returncode == 0, got.stderr
    return Path(got.stdout.strip())


def running(marker: str) -> list[int]:
    """Processes of a spirit that name `marker`."""
    return programs("spirit", marker)
