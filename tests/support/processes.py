"""Processes of runs, as the system sees them."""

from __future__ import annotations

from pathlib import Path


def runs_of(executor: int) -> list[int]:
    """Those of the runs of the executor with this process id."""
    return [run for template in templates_of(executor) for run in _children(template)]


def templates_of(executor: int) -> list[int]:
    """What its runs are forked from."""
    return [pid for pid in _children(executor) if "alterd_executor.template" in proc(pid, "cmdline")]


def proc(pid: int, what: str) -> str:
    """A file of /proc/<pid>; empty for a process that has ended."""
    try:
        return Path(f"/proc/{pid}/{what}").read_text(errors="replace")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


def command_lines() -> dict[int, tuple[str, ...]]:
    """The words of every process that this machine shows. It shows none while a process becomes another program."""
    found = {}
    for each in Path("/proc").glob("[0-9]*"):
        words = proc(int(each.name), "cmdline").rstrip("\0").split("\0")
        if words[0]:
            found[int(each.name)] = tuple(words)
    return found


def programs(name: str, *marks: str) -> list[int]:
    """Processes of the program `name` whose words name one of `marks`; none that is about to become it."""
    return [
        pid
        for pid, words in command_lines().items()
        if any(name in Path(word).name for word in words[:2]) and any(mark in " ".join(words) for mark in marks)
    ]


def _children(pid: int) -> list[int]:
    return [int(child) for child in proc(pid, f"task/{pid}/children").split()]
