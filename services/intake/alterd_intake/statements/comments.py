"""Takes comments out of a script and the wrapping off executable ones, as MySQL's lexer would.

What stands in quotes is left alone. Optimizer hints (``/*+ … */``) stay. The content of an executable comment
(``/*! … */``, ``/*!80000 … */``) becomes part of the statement, so that nothing runs that was not looked at.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final

import msgspec

NEVER: Final = 99999
"""Versions from here on belong to no MySQL: comments that no server runs, and those of MariaDB's dumps."""

# Unrolled loops instead of possessive quantifiers, which early releases of Python 3.11 match wrongly. A quote that is
# followed by another one never ends a string: so none is found by backtracking where the last one never ends.
_QUOTED = "|".join(
    (
        r"""'[^'\\]*(?:(?:\\.|'')[^'\\]*)*'(?!')""",
        r""""[^"\\]*(?:(?:\\.|"")[^"\\]*)*"(?!")""",
        r"""`[^`]*(?:``[^`]*)*`(?!`)""",
    )
)
_LINE = r"--(?=[\x00-\x20\x7f]|\Z)[^\n]*|\#[^\n]*"
_OUTSIDE = rf"""
    (?P<keep>{_QUOTED}|/\*\+.*?\*/)
  | (?P<line>{_LINE})
  | (?P<open>/\*!(?P<version>[0-9]{{6}}|[0-9]{{5}})?)
  | (?P<block>/\*.*?\*/)
  | (?P<broken>['"`]|/\*)
"""
_outside: Final = re.compile(_OUTSIDE, re.VERBOSE | re.DOTALL)
_inside: Final = re.compile(rf"{_OUTSIDE} | (?P<close>\*/)", re.VERBOSE | re.DOTALL)
_bracket: Final = re.compile(r"/\*|\*/")

_NAMES: Final = {"'": "quote '", '"': 'quote "', "`": "back-quote `", "/*": "comment /*"}
_SEPARATORS: Final = frozenset(" \t\r\n\v\f,;)")


class Unclosed(msgspec.Struct, frozen=True):
    """A quote or comment that never ends."""

    what: str
    line: int
    """From 1."""


class Plain(msgspec.Struct, frozen=True):
    """A script without comments, and where each part of it came from."""

    text: str
    starts: list[int]
    """Offsets in `text` at which a piece of the original begins, rising from 0."""
    origins: list[int]
    """The pieces' offsets in the original."""
    unclosed: Unclosed | None = None
    """Set when `text` ends at a quote or comment that never ends."""

    def origin(self, offset: int) -> int:
        """Where the character at `offset` stands in the original."""
        piece = bisect_right(self.starts, offset) - 1
        return self.origins[piece] + offset - self.starts[piece]


class _Writer:
    """Gathers pieces of the original."""

    def __init__(self, original: str) -> None:
        self._original = original
        self._pieces: list[str] = []
        self._starts = [0]
        self._origins = [0]
        self._length = 0

    def copy(self, start: int, end: int) -> None:
        """Takes over a stretch of the original, as it is."""
        if start == end:
            return
        self._starts.append(self._length)
        self._origins.append(start)
        self._add(self._original[start:end])

    def gap(self, end: int) -> None:
        """Stands for what was taken out before `end`: a blank, unless the words beside it are apart anyway."""
        if self._pieces:
            bare = self._pieces[-1].rstrip(" \t")
            self._length -= len(self._pieces[-1]) - len(bare)
            self._pieces[-1] = bare
        following = self._original[end : end + 1]
        if self._pieces and self._pieces[-1].endswith("--"):
            self._add("/**/")  # a blank would make the two signs begin a comment
        elif following and following not in _SEPARATORS:
            self._add(" ")

    def _add(self, piece: str) -> None:
        self._pieces.append(piece)
        self._length += len(piece)

    def plain(self, unclosed: Unclosed | None) -> Plain:
        return Plain("".join(self._pieces), self._starts, self._origins, unclosed)


def strip_comments(script: str) -> Plain:
    """`script` without comments. Never raises: what is not closed is told in the result."""
    position = 1 if script.startswith("\ufeff") else 0
    writer = _Writer(script)
    opened: list[int] = []
    while found := (_inside if opened else _outside).search(script, position):
        start, end = found.span()
        kind = found.lastgroup if found["open"] is None else "open"
        if kind == "keep":
            writer.copy(position, end)
            position = end
            continue
        writer.copy(position, start)
        if kind == "broken":
            return writer.plain(_unclosed(script, start, found[0]))
        if kind == "open":
            if int(found["version"] or 0) < NEVER:
                opened.append(start)
            else:
                skipped = _end_of_skipped(script, end)
                if skipped < 0:
                    return writer.plain(_unclosed(script, start, "/*"))
                end = skipped
        elif kind == "close":
            opened.pop()
        writer.gap(end)
        position = end
    writer.copy(position, len(script))
    return writer.plain(_unclosed(script, opened[-1], "/*") if opened else None)


def _end_of_skipped(script: str, position: int) -> int:
    """Where a comment ends that no server runs; it may hold ordinary comments. -1 where it does not end."""
    nested = False
    while found := _bracket.search(script, position):
        position = found.end()
        if found[0] == "/*":
            nested = True
        elif nested:
            nested = False
        else:
            return position
    return -1


def _unclosed(script: str, position: int, opener: str) -> Unclosed:
    return Unclosed(_NAMES[opener], script.count("\n", 0, position) + 1)
