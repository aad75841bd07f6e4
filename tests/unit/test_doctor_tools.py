"""What the doctor says of programs that strategies run."""

from __future__ import annotations

from pathlib import Path

import pytest

from alterd_cli.doctor.findings import Finding, Level
from alterd_cli.doctor.tools import judge
from alterd_contracts.declaration import Declaration, ToolDeclaration


def finding(path: str) -> Finding:
    tool = ToolDeclaration(name="saw", path=path, mend="buy a saw")
    [found] = judge([Declaration(strategy="wood", version="1", kinds=(), tools=(tool,))])
    return found


def program(folder: Path, text: str) -> str:
    path = folder / "saw"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_one_that_is_missing_is_told_with_how_to_get_it() -> None:
    assert finding("") == Finding(
        level=Level.OK, part="tools", what="saw is not on this host: the strategy wood needs it. buy a saw"
    )


def test_one_that_is_set_and_is_not_there() -> None:
    assert (found := finding("/no/saw")).level is Level.WARN
    assert "/no/saw, which is no program here" in found.what
    assert found.mend == "buy a saw"


@pytest.mark.parametrize("text", ["exit 1", "echo no number", "echo 1.2.3; exit 7"])
def test_one_that_does_not_run(tmp_path: Path, text: str) -> None:
    assert "does not run here" in finding(program(tmp_path, text)).what


def test_one_that_runs(tmp_path: Path) -> None:
    path = program(tmp_path, "echo 'saw 1.2.3 (git commit: none)'")
    assert finding(path) == Finding(level=Level.OK, part="tools", what=f"saw: {path}, version 1.2.3")
