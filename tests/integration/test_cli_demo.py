"""``alterd demo``: NATS, MySQL and all services, from nothing to three complete changes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_the_demo_works_and_leaves_nothing(tmp_path: Path) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("ALTERD_")}
    # MySQL's socket lies in this folder too, and its path is limited to about 100 characters
    environ["TMPDIR"] = str(tmp_path) if len(str(tmp_path)) < 60 else "/tmp"
    done = subprocess.run(
        [sys.executable, "-m", "alterd_cli", "demo"],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=220,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("$ alterd submit ") == 3
    assert done.stderr.count(" complete") >= 3
    assert "\x1b" not in done.stdout
    assert not list(tmp_path.glob("alterd-demo-*"))
