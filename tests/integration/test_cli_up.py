"""``alterd up``: everything in the foreground, as real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SERVICES = {"intake", "scheduler", "executor", "throttler"}


class Up:
    """A running ``alterd up`` with a home of its own."""

    def __init__(self, folder: Path) -> None:
        self.home, self.ready_file = folder / "home", folder / "ready"
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith("ALTERD_")}
        self.environ["ALTERD_HOME"] = str(self.home)
        self.process = self.alterd("up", "--nats-port", "0", "--ready-file", str(self.ready_file))

    def alterd(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "alterd_cli", *arguments],
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_ready(self) -> Any:
        until(lambda: self.ready_file.exists() or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise AssertionError(self.process.communicate()[1])
        return json.loads(self.ready_file.read_text())

    def end(self, number: int) -> tuple[int, str]:
        """Exit code and stderr after this signal."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err


def until(condition: Callable[[], bool], timeout: float = 60.0) -> None:
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def up(tmp_path: Path) -> Iterator[Up]:
    running = Up(tmp_path)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.kill()
            running.process.communicate()


def test_all_is_ready_restarted_and_stopped(up: Up) -> None:
    ready = up.wait_ready()
    pids = {name: service["pid"] for name, service in ready["services"].items()}
    assert set(pids) == SERVICES
    assert all(map(alive, pids.values()))

    doctor = up.alterd("doctor", "-o", "json")
    found = json.loads(doctor.communicate(timeout=30)[0])
    assert doctor.returncode == 0, found
    assert {"nats", "intake", "scheduler", "executor", "throttler"} <= {each["part"] for each in found}
    assert any("on disk before they are acknowledged (run by" in each["what"] for each in found)

    second = up.alterd("up", "--nats-port", "0")
    _, err = second.communicate(timeout=30)
    assert second.returncode == 4
    assert err.startswith(f"error: alterd runs already on {up.home} (process {up.process.pid})")

    os.kill(pids["intake"], signal.SIGKILL)
    assert up.process.stderr is not None
    told = next(line for line in up.process.stderr if line.startswith("intake ended"))
    assert told.startswith("intake ended with SIGKILL; starting it again in 0.5 s")

    code, err = up.end(signal.SIGINT)
    assert (code, err.splitlines()[-1]) == (0, "stopped")
    assert not any(map(alive, pids.values()))
    assert not up.ready_file.exists()
    assert not (up.home / "nats.url").exists()


def test_a_signal_while_it_starts_stops_all(up: Up) -> None:
    until((up.home / "nats.url").exists)
    code, err = up.end(signal.SIGTERM)
    assert (code, err.splitlines()[-1]) == (0, "stopped")
    assert not (up.home / "nats.url").exists()


def test_services_end_with_a_killed_up(up: Up) -> None:
    pids = [service["pid"] for service in up.wait_ready()["services"].values()]
    up.process.kill()
    up.process.communicate()
    until(lambda: not any(map(alive, pids)))
