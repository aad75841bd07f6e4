"""The real gh-ost, found or built by the project's own script."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from alterd_runtime.http import Health, HttpServer
from alterd_runtime.settings import HttpSettings

SCRIPT = Path(__file__).parents[2] / "scripts" / "get-gh-ost"
BUILDING = 900.0
"""Seconds for building it."""
CANNOT = 3
"""The script's exit code where it cannot be had."""


@functools.cache
def get_gh_ost() -> Path:
    """Skips the test where there is none and Go, to build one, is missing too; the reason says so."""
    got = subprocess.run([SCRIPT, sys.executable], check=False, capture_output=True, text=True, timeout=BUILDING)
    if got.returncode == CANNOT:
        pytest.skip("; ".join(got.stderr.strip().splitlines()[-2:]))
    assert got.returncode == 0, got.stderr
    return Path(got.stdout.strip())


class Gate:
    """Where gh-ost asks whether it may go on; the test decides."""

    def __init__(self) -> None:
        self.go = True
        self.asked = 0
        self.url = ""

    def respond(self, _query: dict[str, str]) -> tuple[int, dict[str, Any]]:
        self.asked += 1
        return (200 if self.go else 429), {"go": self.go}


@contextmanager
def gate() -> Iterator[Gate]:
    found = Gate()
    http = HttpServer(HttpSettings(), Health)
    http.route("/throttle", found.respond)
    http.start()
    found.url = f"{http.url}/throttle?app=test"
    try:
        yield found
    finally:
        http.stop()
