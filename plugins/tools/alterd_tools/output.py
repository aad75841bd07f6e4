"""What a program prints: in the migration's log, and its last words."""

from __future__ import annotations

import re
from collections import deque

from alterd_contracts.strategy import Log

KEPT = 40
"""Lines that are kept in case it fails."""


class Output:
    """Lines of one run of a program."""

    def __init__(self, log: Log, *, fatal: re.Pattern[str], quiet: re.Pattern[str] | None = None) -> None:
        """`fatal`: what its last words look like, the text itself in a group of its own. `quiet`: lines that repeat
        what is told as progress, and stay out of the log."""
        self._log, self._fatal, self._quiet = log, fatal, quiet
        self._last: deque[str] = deque(maxlen=KEPT)
        self._words = ""

    def hear(self, line: str) -> None:
        """One line."""
        if self._quiet is not None and self._quiet.search(line):
            return
        self._log.info(line)
        if line.strip():
            self._last.append(line.strip())
        if found := self._fatal.search(line):
            self._words = found[1].strip() or self._words

    @property
    def words(self) -> str:
        """The text of the last fatal line; without one, the last line of all."""
        return self._words or (self._last[-1] if self._last else "")

    @property
    def lines(self) -> tuple[str, ...]:
        """The last ones that went to the log."""
        return tuple(self._last)
