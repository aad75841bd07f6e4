"""Folders of attempts: what outlives an executor is ended and removed, what belongs to a living one is not."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alterd_executor.folders import OWNER, PROGRAMS, attempt_folder, note_program, sweep
from tests.integration.executor_support import alter, new_uuid
from tests.support.shop import Shop

SHOP = Shop(("h:1",), "u", "p", "s")


@pytest.fixture
def program() -> Iterator[subprocess.Popen[bytes]]:
    """A program in a group of its own."""
    process = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def folder_of(base: Path, uuid: str, attempt: int, owner: str) -> Path:
    folder = base / f"alterd-{uuid}-{attempt}-abc"
    folder.mkdir()
    (folder / OWNER).write_text(owner)
    return folder


async def test_a_folder_lives_as_long_as_its_attempt(tmp_path: Path) -> None:
    record = alter(SHOP, "FORCE")
    async with attempt_folder(str(tmp_path), record) as folder:
        assert folder.stat().st_mode & 0o077 == 0
        assert sweep(str(tmp_path)) == 0
        assert folder.exists()
    assert not folder.exists()


def test_what_a_dead_executor_left_is_ended_and_removed(tmp_path: Path, program: subprocess.Popen[bytes]) -> None:
    folder = folder_of(tmp_path, new_uuid(), 1, "999999999 5")
    note_program(folder, program.pid)
    assert sweep(str(tmp_path)) == 1
    assert program.wait(10) == -9
    assert not folder.exists()


def test_a_number_that_was_used_again_is_left_alone(tmp_path: Path, program: subprocess.Popen[bytes]) -> None:
    folder = folder_of(tmp_path, new_uuid(), 1, f"{os.getpid()} 5")
    (folder / PROGRAMS).mkdir()
    (folder / PROGRAMS / str(program.pid)).write_text(f"{program.pid} 5")
    (folder / PROGRAMS / "1").write_text("1 ")
    assert sweep(str(tmp_path)) == 1
    assert program.poll() is None


async def test_a_later_attempt_ends_the_programs_of_a_paused_executor(
    tmp_path: Path, program: subprocess.Popen[bytes]
) -> None:
    record = alter(SHOP, "FORCE")
    async with attempt_folder(str(tmp_path), record) as folder:
        note_program(folder, program.pid)
        assert sweep(str(tmp_path), record) == 0
        assert sweep(str(tmp_path), alter(SHOP, "FORCE", attempt=2)) == 0
        assert program.poll() is None, "its own attempt, or another migration"
        assert sweep(str(tmp_path), record.evolve(attempt=2)) == 0
        assert program.wait(10) == -9
        assert folder.exists(), "its executor lives, and removes it"


def test_what_is_no_folder_of_ours_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / f"alterd-{new_uuid()}-1-abc").mkdir()  # just being made
    (tmp_path / "alterd-mysql-x-y").mkdir()
    old = tmp_path / f"alterd-{new_uuid()}-2-abc"
    old.mkdir()
    os.utime(old, (time.time() - 3600, time.time() - 3600))
    assert sweep(str(tmp_path)) == 1
    assert not old.exists()
    assert len(list(tmp_path.iterdir())) == 2
