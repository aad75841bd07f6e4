"""What the doctor says of programs that strategies run."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from alterd_cli.doctor.findings import Finding, Level
from alterd_cli.doctor.tools import judge
from alterd_contracts.declaration import Declaration, ToolDeclaration
from alterd_contracts.errors import Refused
from alterd_contracts.strategy import Facts, Recovery, StartOver, Strategy, Task
from alterd_ghost import tool as gh_ost
from alterd_ghost.ghost import Ghost
from alterd_ptosc import program as pt_osc
from alterd_ptosc.ptosc import PtOsc


class Wood(Strategy):
    """Needs a saw."""

    def __init__(self, path: str) -> None:
        self._path = path

    def declare(self) -> Declaration:
        tool = ToolDeclaration(name="saw", path=self._path, mend="buy a saw")
        return Declaration(strategy="wood", version="1", kinds=(), tools=(tool,))

    async def run(self, task: Task) -> Facts:  # noqa: ARG002
        return Facts()

    async def recover(self, task: Task, last_attempt: int) -> Recovery:  # noqa: ARG002
        return StartOver()


class Asked(Wood):
    """Has looked at it."""

    def __init__(self, answer: str | Exception) -> None:
        super().__init__("/bin/sh")
        self._answer = answer

    async def tool_version(self, tool: ToolDeclaration) -> str:
        assert tool.name == "saw"
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


async def finding(strategy: Strategy) -> Finding:
    [found] = await judge([strategy])
    return found


def program(folder: Path, text: str) -> str:
    path = folder / "tool"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


async def test_one_that_is_missing_is_told_with_how_to_get_it() -> None:
    assert await finding(Wood("")) == Finding(
        level=Level.OK, part="tools", what="saw is not on this host: the strategy wood needs it. buy a saw"
    )


async def test_one_that_is_set_and_is_not_there() -> None:
    assert (found := await finding(Wood("/no/saw"))).level is Level.WARN
    assert "/no/saw, which is no program here" in found.what
    assert found.mend == "buy a saw"


async def test_of_one_that_nobody_has_looked_at_only_the_place_is_told() -> None:
    assert await finding(Wood("/bin/sh")) == Finding(level=Level.OK, part="tools", what="saw: /bin/sh")


async def test_one_that_the_strategy_takes() -> None:
    assert await finding(Asked("1.2.3")) == Finding(level=Level.OK, part="tools", what="saw: /bin/sh, version 1.2.3")


@pytest.mark.parametrize(
    ("error", "what", "mend"),
    [
        (Refused("the saw is blunt", hint="whet it"), "the saw is blunt", "whet it"),
        (Refused("the saw is blunt"), "the saw is blunt", "buy a saw"),
        (ZeroDivisionError("none"), "the strategy wood fails to look at saw: ZeroDivisionError('none')", "buy a saw"),
    ],
)
async def test_one_that_the_strategy_does_not_take(error: Exception, what: str, mend: str) -> None:
    assert await finding(Asked(error)) == Finding(level=Level.WARN, part="tools", what=what, mend=mend)


@pytest.mark.parametrize(
    ("strategy", "declared", "variable", "old", "taken"),
    [
        (Ghost(), gh_ost.declared, gh_ost.VARIABLE, "1.1.9", "1.1.10"),
        (PtOsc(), pt_osc.declared, pt_osc.VARIABLE, "3.2.0", "3.7.1"),
    ],
)
async def test_alterd_s_own_say_what_their_check_says(
    strategy: Strategy,
    declared: functools._lru_cache_wrapper[ToolDeclaration],
    variable: str,
    old: str,
    taken: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(variable, path := program(tmp_path, f"echo {old}"))
    declared.cache_clear()
    try:
        found = await finding(strategy)
        assert (found.level, path in found.what, old in found.what) == (Level.WARN, True, True)
        assert variable in found.mend
        program(tmp_path, "exit 7")
        assert "ends with exit code 7" in (await finding(strategy)).what
        program(tmp_path, f"echo {taken}")
        found = await finding(strategy)
        assert (found.level, found.what.endswith(f": {path}, version {taken}")) == (Level.OK, True)
    finally:
        declared.cache_clear()
