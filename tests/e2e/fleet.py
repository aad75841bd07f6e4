"""alterd's services as real processes, for tests that kill, pause and restart them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.processes import runs_of, templates_of

TTL = 2
"""Seconds of every lease in these tests."""


class Service:
    """One running service."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name, self.process, self.log = name, process, log

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def children(self) -> list[int]:
        """Its runs' processes."""
        return runs_of(self.pid)

    def kill(self) -> None:
        """kill -9, of this process alone."""
        self.process.kill()
        self.process.wait(10)

    def stop(self, timeout: float = 20) -> int:
        """SIGTERM; its exit code."""
        if self.running:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        return self.process.wait(timeout)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """SIGSTOP for it and its runs, SIGCONT at the end."""
        pids = [self.pid, *templates_of(self.pid), *self.children()]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGCONT)
                except ProcessLookupError:
                    continue

    def wait_dead(self, timeout: float = 20) -> int:
        return self.process.wait(timeout)


class Fleet:
    """Services that share one NATS server."""

    def __init__(self, folder: Path, nats_url: str) -> None:
        self._folder, self._nats_url = folder, nats_url
        self._count = 0
        self.services: list[Service] = []
        (folder / "failpoints").mkdir(parents=True, exist_ok=True)

    def environment(self, **extra: str) -> dict[str, str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("ALTERD_")}
        env |= {
            "ALTERD_NATS__SERVERS": self._nats_url,
            "ALTERD_SCHEDULER__LEASE_TTL": str(TTL),
            "ALTERD_EXECUTOR__LEASE_TTL": str(TTL),
            "ALTERD_THROTTLER__LEASE_TTL": str(TTL),
            "ALTERD_SCHEDULER__RELEASE_DELAY": "0.5",
            "ALTERD_FAILPOINT_DIR": str(self._folder / "failpoints"),
            "PYTHONUNBUFFERED": "1",
        }
        return env | extra

    def start(self, service: str, name: str = "", **extra: str) -> Service:
        """`name`: its instance; a restarted service keeps it."""
        self._count += 1
        name = name or f"{service}-{self._count}"
        log = self._folder / f"{name}.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", f"alterd_{service}"],
                env=self.environment(**{f"ALTERD_{service.upper()}__INSTANCE": name}, **extra),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        started = Service(name, process, log)
        self.services.append(started)
        return started

    def start_all(self, **extra: str) -> dict[str, Service]:
        names = ("scheduler", "intake", "executor", "throttler")
        return {name: self.start(name, **extra) for name in names}

    def marker(self, failpoint: str) -> Path:
        """The file that exists once the fail point has acted."""
        return self._folder / "failpoints" / failpoint

    def stop(self) -> None:
        for service in self.services:
            if service.running:
                service.process.send_signal(signal.SIGCONT)
                service.process.terminate()
        deadline = time.monotonic() + 15
        for service in self.services:
            try:
                service.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                service.process.kill()
                service.process.wait(5)

    def logs(self) -> str:
        """What the services said, for a failed test."""
        parts = []
        for path in sorted(self._folder.glob("*.log")):
            lines = path.read_text(errors="replace").splitlines()[-40:]
            parts.append(f"===== {path.name}\n" + "\n".join(lines))
        return "\n".join(parts)
