"""Waiting for what happens outside of this process."""

from __future__ import annotations

import time
from collections.abc import Callable

INTERVAL = 0.02
"""Seconds between two looks: below what a person notices, and no load."""


def wait_until(condition: Callable[[], object], timeout: float, interval: float = INTERVAL) -> bool:
    """Whether `condition` came true within `timeout` seconds; it is looked at least once. Blocks the thread."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() >= deadline:
            return False
        time.sleep(interval)
    return True
