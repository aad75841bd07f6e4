"""The words of a statement as the binlog has it, with names told from strings. Pure.

Nothing here refuses a statement: the server has run it. What stands in comments that a server of this version runs is
read as it would be.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final, NamedTuple

ANSI_QUOTES: Final = 1 << 2
NO_BACKSLASH_ESCAPES: Final = 1 << 20
"""Of sql_mode as a number."""


class Kind(Enum):
    WORD = auto()
    NAME = auto()
    """In back-quotes, or in double quotes where these quote names."""
    STRING = auto()
    SIGN = auto()


class Token(NamedTuple):
    kind: Kind
    text: str
    """Words and signs as they stand, names without their quotes, nothing of strings."""


_SKIPPED: Final = r"\s+|--(?=[\s\x00]|\Z)[^\n]*|\#[^\n]*|/\*(?!!).*?(?:\*/|\Z)|\*/"
_BACK: Final = r"`(?:[^`]|``)*(?:`|\Z)"
_WORD: Final = r"[0-9A-Za-z$_\x80-\U0010ffff]+"


def _scanner(escapes: bool) -> re.Pattern[str]:
    escaped = r"\\.|" if escapes else ""
    inside = r"\\" if escapes else ""
    return re.compile(
        rf"(?P<skipped>{_SKIPPED})|(?P<open>/\*!(?P<version>[0-9]{{5,6}})?)|(?P<back>{_BACK})"
        rf"|(?P<single>'(?:[^'{inside}]|{escaped}'')*(?:'|\Z))"
        rf'|(?P<double>"(?:[^"{inside}]|{escaped}"")*(?:"|\Z))'
        rf"|(?P<word>{_WORD})|(?P<sign>.)",
        re.DOTALL,
    )


_SCANNERS: Final = {True: _scanner(True), False: _scanner(False)}
_COMMENT_END: Final = "*/"


def read_tokens(text: str, *, sql_mode: int | None, version: int) -> list[Token]:
    """`version`: the server's, 90704 for 9.7.4. `sql_mode` None: double quotes are taken for names'."""
    names_in_double = sql_mode is None or bool(sql_mode & ANSI_QUOTES)
    scanner = _SCANNERS[sql_mode is None or not sql_mode & NO_BACKSLASH_ESCAPES]
    tokens: list[Token] = []
    at = 0
    while found := scanner.match(text, at):
        at = found.end()
        match found.lastgroup if found["open"] is None else "open":
            case "open":
                if int(found["version"] or 0) > version:
                    end = text.find(_COMMENT_END, at)
                    at = len(text) if end < 0 else end + len(_COMMENT_END)
            case "back":
                tokens.append(Token(Kind.NAME, _unquoted(found[0], "`")))
            case "double" if names_in_double:
                tokens.append(Token(Kind.NAME, _unquoted(found[0], '"')))
            case "single" | "double":
                tokens.append(Token(Kind.STRING, ""))
            case "word":
                tokens.append(Token(Kind.WORD, found[0]))
            case "sign":
                tokens.append(Token(Kind.SIGN, found[0]))
    return tokens


def _unquoted(quoted: str, quote: str) -> str:
    inside = quoted[1:-1] if len(quoted) > 1 and quoted.endswith(quote) else quoted[1:]
    return inside.replace(quote * 2, quote)
