"""What strategies share that run a program: arguments, versions, last words, files that hold a secret."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from alterd_contracts.errors import InvalidStrategy
from alterd_tools.arguments import arguments, value_of
from alterd_tools.errors import ToolMissing, ToolVersion
from alterd_tools.output import Output
from alterd_tools.programs import ask, find, read_version
from alterd_tools.secrets import write_private


class Told:
    """A log."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def info(self, text: str) -> None:
        self.lines.append(text)

    warning = error = info


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["--a=1", "--b"], ("--a=1", "--b")),
        (["--a", "1", "-c", "x y"], ("--a=1", "--c=x y")),
        (["--a=", "--a=b=c"], ("--a=", "--a=b=c")),
        (["--a", "--d", "--b"], ("--a", "--d", "--b")),
        (["--a='$(x)'; rm"], ("--a='$(x)'; rm",)),
    ],
)
def test_each_flag_is_one_argument(words: list[str], found: tuple[str, ...]) -> None:
    assert arguments(words, switches={"b"}, strategy="tool") == found
    assert all(word.startswith("--") for word in found)


@pytest.mark.parametrize("words", [["x"], ["--b", "x"], ["--a=1", "x"], ["--a", "1", "2"], ["--"], [""]])
def test_a_word_needs_a_flag(words: list[str]) -> None:
    with pytest.raises(InvalidStrategy):
        arguments(words, switches={"b"}, strategy="tool")


def test_the_last_value_counts() -> None:
    found = ("--a=1", "--b", "--a=2")
    assert value_of("a", found) == "2"
    assert value_of("b", found) == ""
    assert value_of("c", found) is None


@pytest.mark.parametrize(
    ("text", "version"),
    [("1.1.10 (git commit: x)", (1, 1, 10)), ("pt-online-schema-change 3.7.1", (3, 7, 1)), ("unversioned", None)],
)
def test_versions(text: str, version: tuple[int, ...] | None) -> None:
    assert read_version(text) == version


def test_a_program_is_found_by_its_setting_or_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "tool"
    program.write_text("#!/bin/sh\necho 3.2.1\n")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(ToolMissing, match="is not on the executor's PATH"):
        find("tool", "", variable="V", hint="install it")
    with pytest.raises(ToolMissing, match="V names"):
        find("tool", str(program), variable="V", hint="install it")
    program.chmod(0o755)
    assert find("tool", "", variable="V", hint="") == program
    assert find("tool", str(program), variable="V", hint="") == program
    assert asyncio.run(ask(program, "tool", hint="")).shown == "3.2.1"


@pytest.mark.parametrize(
    ("script", "kind"),
    [("#!/bin/sh\nexit 3\n", ToolMissing), ("#!/bin/sh\necho hello\n", ToolVersion), ("#!/no/such\n", ToolMissing)],
)
def test_a_program_that_says_no_version(tmp_path: Path, script: str, kind: type[Exception]) -> None:
    program = tmp_path / "tool"
    program.write_text(script)
    program.chmod(0o755)
    with pytest.raises(kind):
        asyncio.run(ask(program, "tool", hint="install it"))


def test_last_words() -> None:
    log = Told()
    output = Output(log, fatal=re.compile("FATAL (.*)"), quiet=re.compile("^Copy"))
    for line in ("begins", "Copy 5 %", "x FATAL first", "x FATAL the reason", "Tearing down", ""):
        output.hear(line)
    assert output.words == "the reason"
    assert "Copy 5 %" not in log.lines
    silent = Output(Told(), fatal=re.compile("FATAL (.*)"))
    assert silent.words == ""
    silent.hear("cannot start tool: no such file")
    assert silent.words == "cannot start tool: no such file"


def test_a_secret_is_nobody_elses_from_the_first_byte(tmp_path: Path) -> None:
    file = write_private(tmp_path / "secret", "hush")
    assert file.stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        write_private(file, "again")
