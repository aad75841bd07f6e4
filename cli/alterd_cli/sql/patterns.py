"""LIKE and REGEXP, neither of which may take for ever."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import msgspec

from alterd_cli.sql import searcher


class BadPattern(ValueError):
    """A regular expression is malformed."""


class TookTooLong(Exception):
    """The time is over in which an answer was wanted."""


class Like(msgspec.Struct, frozen=True):
    """A pattern of LIKE: fixed parts between its ``%``, found one behind the other."""

    parts: tuple[re.Pattern[str], ...]
    lengths: tuple[int, ...]

    @classmethod
    @functools.lru_cache(64)
    def of(cls, pattern: str, escape: str) -> Like:
        """`escape` makes the sign behind it an ordinary one."""
        parts: list[list[str]] = [[]]
        letters = iter(pattern)
        for letter in letters:
            if letter == escape:
                parts[-1].append(re.escape(next(letters, escape)))
            elif letter == "%":
                parts.append([])
            else:
                parts[-1].append("." if letter == "_" else re.escape(letter))
        compiled = tuple(re.compile("".join(part), re.DOTALL | re.IGNORECASE) for part in parts)
        return cls(compiled, tuple(map(len, parts)))

    def matches(self, text: str) -> bool:
        """The first part begins the text, the last one ends it; those between are taken at their leftmost place."""
        if len(self.parts) == 1:
            return self.parts[0].fullmatch(text) is not None
        at, end = self.lengths[0], len(text) - self.lengths[-1]
        if at > end or not self.parts[0].match(text) or not self.parts[-1].match(text, end):
            return False
        for part in self.parts[1:-1]:
            found = part.search(text, at, end)
            if found is None:
                return False
            at = found.end()
        return True


_REPEATS: Final = frozenset("*+?{")
KEPT: Final = 4096
"""Answers that are remembered: columns have few values."""


class Searcher:
    """Regular expressions as Python has them. What could find no end is searched for in a process of its own."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._known: dict[tuple[str, str], bool] = {}

    def search(self, pattern: str, text: str, *, until: float) -> bool:
        """Whether `pattern` is found in `text`, by regard to no case. `until`: of the monotonic clock.

        Raises `BadPattern`, `TookTooLong`.
        """
        compiled = _compiled(pattern)
        if _is_short(pattern):
            return compiled.search(text) is not None
        found = self._known.get((pattern, text))
        if found is None:
            found = self._ask(pattern, text, until)
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[pattern, text] = found
        return found

    def _ask(self, pattern: str, text: str, until: float) -> bool:
        process = self._process
        if process is None or process.poll() is not None:
            process = self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", str(Path(searcher.__file__))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
            )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            line = memoryview(json.dumps([pattern, text]).encode() + b"\n")
            while line:
                line = line[process.stdin.write(line) :]
            if not select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))[0]:
                raise TookTooLong
            answer = process.stdout.read(1)
        except (TookTooLong, OSError):
            self.close()
            raise
        if answer not in (b"0", b"1"):
            self.close()
            raise BadPattern("the regular expression cannot be searched for")
        return answer == b"1"

    def close(self) -> None:
        """Ends the process, whatever it does."""
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()


@functools.lru_cache(64)
def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.IGNORECASE)
    except (re.error, RecursionError, OverflowError) as error:
        raise BadPattern(f"the regular expression is malformed: {error}") from error


@functools.lru_cache(64)
def _is_short(pattern: str) -> bool:
    """Nothing in it can be tried in more ways than the text is long."""
    return sum(letter in _REPEATS for letter in pattern) <= ("(" not in pattern)
