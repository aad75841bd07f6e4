"""What the tool says while it works. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from alterd_contracts.strategy import Log
from alterd_tools.output import Output

_PROGRESS = re.compile(r"Copying .+:\s+\d+% ((?:\d+\+)?(?:\d+:)*\d+) remain")
_CHANGED = re.compile(r"Copying rows caused a (MySQL error \d+: .*)")
_STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d ")
_CONNECTION = re.compile(r"DBI connect\('[^']*','[^']*',\.\.\.\) failed: ")
_PLACE = re.compile(r" at (?:\S*/)?(?:pt-online-schema-change|talk\.pm)(?: line \d+)?\.?(?:, <\S+> line \d+\.?)?")
_EMPTY_WORDS = (
    *("Operation, tries, wait", "Error cleaning up", "Dropping triggers", "Dropped triggers", "Dropping new table"),
    *("Dropped new table", "Not dropping", "To drop the", "To clean up", "DROP ", "See https://", "No slaves"),
    *("No replicas", "Ignoring all", "Not checking", "Dry run complete", "(in cleanup)", "# Exiting on"),
)
"""Beginnings of lines that follow what went wrong, and do not tell it."""
_FINAL = re.compile(r"`.+` was not altered\.")
LONGEST = 600
"""Characters of the last words."""


class Listener:
    """Reads the lines of one run of the tool, and passes them on to the log but for its progress."""

    def __init__(self, log: Log) -> None:
        self.eta_seconds = -1
        """As the tool guesses; -1 until it does."""
        self.changed = ""
        """What MySQL said of a value that the copy changed; empty for none. Such a copy must not be swapped in."""
        self._output = Output(log, fatal=_CHANGED, quiet=_PROGRESS)

    def hear(self, line: str) -> None:
        self._output.hear(line)
        if match := _PROGRESS.search(line):
            self.eta_seconds = _seconds(match[1])
        elif match := _CHANGED.search(line):
            self.changed = match[1]

    @property
    def last_words(self) -> str:
        """What it says went wrong, in one line; empty where it said nothing."""
        return last_words(self._output.lines)


def last_words(lines: Sequence[str]) -> str:
    """What the last lines say went wrong: the first that tells of an error, and what belongs to it."""
    kept = [_STAMP.sub("", line).strip() for line in lines]
    kept = [line for line in kept if line and not line.startswith(_EMPTY_WORDS) and not _FINAL.fullmatch(line)]
    begins = next((at for at, line in enumerate(kept) if _BEGINNINGS.match(line)), max(0, len(kept) - 3))
    text = _PLACE.sub("", _CONNECTION.sub("", " ".join(kept[begins:])))
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


_BEGINNINGS = re.compile(
    r"Error |Errors in command-line|Cannot |The table |The original table|The new table |You are trying|You did not"
    r"|--check-alter|--alter contains|--alter appears|Invalid |Unknown |alterd |There is an error|Lost connection"
    r"|Copying rows caused|Can't|DBD::|Replication filters|Aborting "
)


def _seconds(text: str) -> int:
    """``01:23``, ``1:02:03``, ``2+01:02:03`` (days)."""
    days, _, clock = text.rpartition("+")
    total = 0
    for part in clock.split(":"):
        total = total * 60 + int(part)
    return total + 86400 * int(days or 0)
