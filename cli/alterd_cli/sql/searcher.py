"""Searches for regular expressions in a process of its own: one that finds no end can be killed.

Run as a script, without alterd and without site packages, so that it starts in milliseconds. A line of JSON,
``["^a+$", "aaa"]``, is answered by one byte: ``1`` found, ``0`` not, ``?`` malformed.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys

LONGEST = 90
"""Seconds for one search, where nobody is left to end it."""


def serve() -> None:
    """Until stdin ends. An interrupt is for the one who asks."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for line in sys.stdin.buffer:
        pattern, value = json.loads(line)
        signal.alarm(LONGEST)
        try:
            answer = b"1" if re.search(pattern, value, re.IGNORECASE) else b"0"
        except (re.error, RecursionError, OverflowError):
            answer = b"?"
        signal.alarm(0)
        os.write(sys.stdout.fileno(), answer)


if __name__ == "__main__":
    serve()
