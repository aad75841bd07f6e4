"""A text cut into statements, by semicolons and the mysql client's ``\\g`` and ``\\G``. Pure."""

from __future__ import annotations

from typing import Final

import msgspec
from sqlglot import Token, TokenType

from alterd_contracts.errors import AlterdError, ErrorInfo, SyntaxRefused
from alterd_contracts.statement import masked
from alterd_runtime.sql.words import Words, tokenize

SHOWN: Final = 80
"""Characters of a statement that messages show."""


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """One statement of a text."""

    number: int
    """From 1."""
    text: str
    """As written, comments included, without what ends it."""
    words: Words
    vertical: bool = False
    """It ends in ``\\G``: a column a line."""

    @property
    def label(self) -> str:
        """How messages name it: ``2: alter table t …``. What stands in quotes is not shown, it may be a secret."""
        text = " ".join(masked(self.text).split())
        return f"{self.number}: {text if len(text) <= SHOWN else text[: SHOWN - 1] + '…'}"

    def error(self, error: AlterdError) -> ErrorInfo:
        """The error, with this statement's name on it."""
        return self.named(error.info())

    def named(self, error: ErrorInfo) -> ErrorInfo:
        return msgspec.structs.replace(error, where={**error.where, "statement": self.label})


def split(text: str) -> list[Piece]:
    """The statements of `text`; what is empty is left out. Raises `SyntaxRefused` where a quote or comment is open."""
    pieces: list[Piece] = []
    tokens = tokenize(text)
    first = begin = at = 0
    while at < len(tokens):
        length = _end(tokens, at)
        if not length:
            at += 1
            continue
        _add(
            pieces, text, tokens[first:at], begin, tokens[at].start, vertical=length == 2 and tokens[at + 1].text == "G"
        )
        begin = tokens[at + length - 1].end + 1
        at = first = at + length
    _add(pieces, text, tokens[first:], begin, len(text))
    return pieces


def ended(text: str) -> bool:
    """Whether the last statement of `text` has its end, so that it may be carried out."""
    try:
        tokens = tokenize(text)
    except SyntaxRefused:
        return False
    return bool(tokens) and (_end(tokens, len(tokens) - 1) == 1 or _end(tokens, len(tokens) - 2) == 2)


def _end(tokens: list[Token], at: int) -> int:
    """How many tokens at `at` end a statement; 0 for none."""
    if at < 0:
        return 0
    if tokens[at].token_type is TokenType.SEMICOLON:
        return 1
    if tokens[at].token_type is not TokenType.BACKSLASH or at + 1 == len(tokens):
        return 0
    following = tokens[at + 1]
    return 2 if following.text in ("g", "G") and following.start == tokens[at].end + 1 else 0


def _add(pieces: list[Piece], text: str, tokens: list[Token], begin: int, end: int, *, vertical: bool = False) -> None:
    written = text[begin:end].strip("\ufeff \t\r\n")
    if tokens or "/*!" in written:  # what stands in an executable comment alone is a statement to MySQL
        pieces.append(Piece(number=len(pieces) + 1, text=written, words=Words(text, tokens), vertical=vertical))


_ESCAPES: Final = {"0": "\0", "b": "\b", "n": "\n", "r": "\r", "t": "\t", "Z": "\x1a", "%": "\\%", "_": "\\_"}


def string(words: Words, at: int) -> str | None:
    """The value of the string at `at`, by MySQL's rules; None where there is none."""
    if at >= len(words) or words.tokens[at].token_type not in (TokenType.STRING, TokenType.NATIONAL_STRING):
        return None
    token = words.tokens[at]
    raw = words.text[token.start : token.end + 1].lstrip("nN")
    quote, body = raw[0], raw[1:-1]
    letters = []
    letter_at = 0
    while letter_at < len(body):
        letter = body[letter_at]
        if letter == "\\" and letter_at + 1 < len(body):
            letter_at += 1
            letter = _ESCAPES.get(body[letter_at], body[letter_at])
        elif letter == quote:
            letter_at += 1  # the second of two
        letters.append(letter)
        letter_at += 1
    return "".join(letters)
