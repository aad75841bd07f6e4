"""Runs the scripts that get what others make."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path


def run_script(script: Path, folder: Path, progress: Callable[[str], None]) -> str:
    """Fills `folder`; why it could not be done, empty where it was. `progress` hears each step."""
    try:
        process = subprocess.Popen(
            ["bash", str(script), str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
    except OSError as error:
        return f"bash does not run: {error.strerror}"
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        for step in process.stdout:
            progress(step.rstrip())
        errors = process.stderr.read().strip()
    return (errors or f"the script ended with {process.returncode}") if process.returncode else ""
