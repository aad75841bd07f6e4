"""Folders of attempts: what outlives an executor is ended and removed, what belongs to a living one is not."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from alterd_contracts.migration import Migration
from alterd_executor.folders import PROGRAMS, attempt_folder, note_program, sweep
from tests.integration.executor_support import alter, new_uuid
from tests.support.shop import Shop

ROOT = Path(__file__).parents[2]
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


@contextlib.contextmanager
def elsewhere(base: Path, record: Migration) -> Iterator[tuple[int, Path]]:
    """A folder of an executor that is another process: its number, and the folder."""
    text = (
        "import asyncio, sys, msgspec; from alterd_contracts.migration import Migration;"
        "from alterd_executor.folders import attempt_folder\n"
        "async def main():\n"
        "    record = msgspec.json.decode(sys.argv[2], type=Migration)\n"
        "    async with attempt_folder(sys.argv[1], record) as folder:\n"
        "        print(folder, flush=True); await asyncio.sleep(1000)\n"
        "asyncio.run(main())"
    )
    argv = [sys.executable, "-c", text, str(base), msgspec.json.encode(record).decode()]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.pid, Path(process.stdout.readline().strip())
    finally:
        process.kill()
        process.communicate(timeout=10)


async def test_a_folder_lives_as_long_as_its_attempt(tmp_path: Path) -> None:
    record = alter(SHOP, "FORCE")
    async with attempt_folder(str(tmp_path), record) as folder:
        assert folder.stat().st_mode & 0o077 == 0
        assert sweep(str(tmp_path)) == 0
        assert folder.exists()
    assert not folder.exists()


async def test_a_relative_setting_gives_whole_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs run in the folder itself, and are told of files in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    async with attempt_folder("runs", alter(SHOP, "FORCE")) as folder:
        assert folder.parent == tmp_path / "runs"


def test_what_a_dead_executor_left_is_ended_and_removed(tmp_path: Path, program: subprocess.Popen[bytes]) -> None:
    with elsewhere(tmp_path, alter(SHOP, "FORCE")) as (pid, folder):
        note_program(folder, program.pid)
        assert sweep(str(tmp_path)) == 0
        os.kill(pid, signal.SIGSTOP)
        assert sweep(str(tmp_path)) == 0, "a paused one lives"
        assert program.poll() is None
    assert sweep(str(tmp_path)) == 1
    assert program.wait(10) == -9
    assert not folder.exists()


def may_unshare() -> bool:
    return not subprocess.run(["unshare", "--pid", "--fork", "true"], check=False, capture_output=True).returncode


@pytest.mark.skipif(not may_unshare(), reason="this user may not make a process the first of its own numbers")
def test_an_executor_that_is_the_first_process_of_a_container_lives(tmp_path: Path) -> None:
    """Its number is 1 there, and another one here; from here and from there it is seen to live."""
    text = (
        "import asyncio, os, sys; from tests.unit.test_executor_folders import SHOP, alter;"
        "from alterd_executor.folders import attempt_folder, sweep\n"
        "async def main():\n"
        "    async with attempt_folder(sys.argv[1], alter(SHOP, 'FORCE')) as folder:\n"
        "        print(os.getpid(), sweep(sys.argv[1]), flush=True); sys.stdin.readline()\n"
        "asyncio.run(main())"
    )
    argv = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", sys.executable, "-c", text, str(tmp_path)]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().split() == ["1", "0"]
        assert sweep(str(tmp_path)) == 0
        assert len(list(tmp_path.iterdir())) == 1
    finally:
        process.communicate("\n", timeout=20)


def test_a_number_that_was_used_again_is_left_alone(tmp_path: Path, program: subprocess.Popen[bytes]) -> None:
    with elsewhere(tmp_path, alter(SHOP, "FORCE")) as (_, folder):
        (folder / PROGRAMS).mkdir()
        (folder / PROGRAMS / str(program.pid)).write_text(f"5 {Path('/proc/self/ns/pid').readlink()}")
        (folder / PROGRAMS / "1").write_text("")
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
        assert sweep(str(tmp_path), record.evolve(attempt=2, shard="80-")) == 0
        assert program.poll() is None, "its own attempt, another migration, the same one on another shard"
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
