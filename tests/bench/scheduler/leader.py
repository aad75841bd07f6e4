"""The scheduler's own process, watched from outside."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

STARTED = "service.started"
DECIDED = "input.decided"
LEADS = "scheduler.leads"


class Leader:
    """One ``python -m alterd_scheduler``. It logs each decision with its seconds (the level ``debug``)."""

    def __init__(self, folder: Path, url: str, name: str) -> None:
        self.log = folder / f"{name}.log"
        folder.mkdir(parents=True, exist_ok=True)
        env = {key: value for key, value in os.environ.items() if not key.startswith("ALTERD_")}
        env |= {"ALTERD_NATS__SERVERS": url, "ALTERD_SCHEDULER__INSTANCE": name, "ALTERD_LOG__LEVEL": "debug"}
        self.spawned = time.monotonic()
        with self.log.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "alterd_scheduler"], env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out
            )

    async def leads(self, timeout: float = 60.0) -> dict[str, Any]:
        """What it says when it has begun to lead."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise RuntimeError(f"the scheduler has ended; its log: {self.log}")
            for line in self.lines():
                if line.get("event") == LEADS:
                    return line
            await asyncio.sleep(0.05)
        raise RuntimeError(f"the scheduler does not lead after {timeout:g} s; its log: {self.log}")

    def memory_mib(self) -> tuple[float, float]:
        """Resident now, and at most until now."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        found = {
            line.split(":")[0]: line.split()[1] for line in status.splitlines() if line.startswith(("VmRSS", "VmHWM"))
        }
        return int(found["VmRSS"]) / 1024, int(found["VmHWM"]) / 1024

    def cpu_seconds(self) -> float:
        """Of this process, so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def lines(self) -> list[dict[str, Any]]:
        """Its log so far."""
        lines = self.log.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def steps(self, first: int, last: int) -> list[dict[str, Any]]:
        """What it says of the inputs of a range: each with ``type``, ``sequence`` and ``seconds``."""
        return [line for line in self.lines() if line.get("event") == DECIDED and first <= line["sequence"] <= last]

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> None:
        """In order; idempotent."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self.kill()
