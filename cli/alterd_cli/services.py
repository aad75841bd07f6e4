"""The programs of the services."""

from __future__ import annotations

import sys

CORE = ("intake", "scheduler", "executor", "throttler")
"""What a working alterd needs."""
CONSUMERS = ("audit", "alert", "observer")
"""Readers of events."""


def command(service: str) -> list[str]:
    """The command line that runs `service`."""
    if service in CONSUMERS:
        return [sys.executable, "-m", "alterd_consumers", service]
    return [sys.executable, "-m", f"alterd_{service}"]
