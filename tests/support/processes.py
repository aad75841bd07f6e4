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
        return Path(f"/proc/{pid}/{what}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _children(pid: int) -> list[int]:
    return [int(child) for child in proc(pid, f"task/{pid}/children").split()]
