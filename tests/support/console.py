"""Consoles of the documentation: what stands behind ``$`` is typed, and what is printed must be what stands below it.

A page's blocks are one session of bash. Ids, times, ports and numbers that differ from run to run count as alike. A
comment ``<!-- until: COMMAND -->`` before a block waits until that command succeeds; ``<!-- typed: COMMAND -->`` is
typed unseen. A line ``…`` stands for any lines.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import msgspec

_BLOCK = re.compile(
    r"^(<!-- (?P<what>until|typed): (?P<unseen>[^\n]+) -->\n)|^```console\n(?P<lines>.*?)^```\n", re.M | re.S
)
_LIKE = (
    (re.compile(r"\b[0-9a-f]{8}(_[0-9a-f]{4}){3}_[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "ID"),
    (re.compile(r"_[0-9]{14}_"), "_TIME_"),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9:.+Z]+"), "TIME"),
    (re.compile(r"\b[0-9]{2}:[0-9]{2}:[0-9]{2}\b"), "TIME"),
    (re.compile(r"\b127\.0\.0\.1:[0-9]+"), "SERVER"),
    (re.compile(r"\b[\w.-]+@[\w.-]+"), "SOMEBODY"),
    (re.compile(r"\b(executor-)?[\w.-]+-[0-9]{2,}\b"), "EXECUTOR"),
    (re.compile(r"\b[0-9]+(\.[0-9]+)?( ms| s| sec\b|s\b)"), "SECONDS"),
    (re.compile(r"\bpid [0-9]+|\bprocess [0-9]+|connection [0-9]+"), "NUMBER"),
    (re.compile(r"\battempt [0-9]+"), "attempt"),
    (re.compile(r"\b[0-9]+ %"), "PART"),
    (re.compile(r"\bshard [0-9]+ of its gate"), "a shard of its gate"),
    (re.compile(r"[ \t]+"), " "),
    (re.compile(r"-{3,}"), "---"),
)


class Typed(msgspec.Struct, frozen=True):
    """One command, and what stands below it."""

    command: str
    printed: tuple[str, ...]


class Unseen(msgspec.Struct, frozen=True):
    command: str
    until: bool


def read(page: str) -> list[Typed | Unseen]:
    """In the order of the page."""
    found: list[Typed | Unseen] = []
    for block in _BLOCK.finditer(page):
        if block["unseen"]:
            found.append(Unseen(block["unseen"], block["what"] == "until"))
            continue
        for part in re.split(r"^\$ ", block["lines"], flags=re.M)[1:]:
            command, *printed = part.splitlines()
            found.append(Typed(command, tuple(printed)))
    return found


def written(page: str, printed: list[list[str]]) -> str:
    """The page with other words below its commands."""
    rest = iter(printed)

    def block(match: re.Match[str]) -> str:
        if match["unseen"]:
            return match[0]
        commands = [part.splitlines()[0] for part in re.split(r"^\$ ", match["lines"], flags=re.M)[1:]]
        lines = [line for command in commands for line in (f"$ {command}", *next(rest))]
        return "```console\n" + "".join(f"{line}\n" for line in lines) + "```\n"

    return _BLOCK.sub(block, page)


def alike(said: list[str], printed: tuple[str, ...]) -> bool:
    """`printed` may leave lines out by ``…``."""
    pattern = "".join(r"(?:.*\n)*" if line.strip() == "…" else re.escape(_plain(line)) + r"\n" for line in printed)
    return re.fullmatch(pattern, "".join(f"{_plain(line)}\n" for line in said)) is not None


def _plain(line: str) -> str:
    for pattern, word in _LIKE:
        line = pattern.sub(word, line)
    return line.strip()


class Console:
    """A bash of its own."""

    def __init__(self, environ: Mapping[str, str], folder: Path) -> None:
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            env=dict(environ),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: str) -> tuple[list[str], int]:
        """What it printed, stdout and stderr, and its exit code."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        end = f"-- {time.monotonic_ns()} --"
        self._bash.stdin.write(f"{command}\nCODE=$?; echo; echo '{end}' $CODE; (exit $CODE)\n")
        self._bash.stdin.flush()
        lines: list[str] = []
        for line in self._bash.stdout:
            if line.startswith(end):
                while lines and not lines[-1].strip():
                    lines.pop()
                return [each.rstrip() for each in lines], int(line.split()[-1])
            lines.append(line)
        raise AssertionError(f"bash ended: {command}")

    def until(self, command: str, timeout: float = 120) -> None:
        deadline = time.monotonic() + timeout
        while self.run(command)[1]:
            assert time.monotonic() < deadline, (f"still not: {command}", self.run("alterd show --by-shard")[0])
            time.sleep(0.2)

    def close(self) -> None:
        assert self._bash.stdin is not None
        self._bash.stdin.close()
        self._bash.wait(20)
        assert self._bash.stdout is not None
        self._bash.stdout.close()
