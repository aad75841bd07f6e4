"""The words of a statement, over the user's own text.

sqlglot's MySQL tokenizer finds them. Its keywords are taken away: they would join words that only blanks part
(``PRIMARY KEY``), and let a word such as CALL or OPTIMIZE swallow what follows as one string.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar, Final, NamedTuple

from sqlglot import Token, TokenType
from sqlglot.dialects.mysql import MySQL
from sqlglot.errors import TokenError

from alterd_contracts.errors import InvalidName, SyntaxRefused

_UNQUOTED: Final = re.compile(r"(?![0-9]+\Z)[0-9A-Za-z$_\x80-\U0010ffff]+")
_RESERVED: Final = {word.upper() for word in MySQL.Generator.RESERVED_KEYWORDS} | {
    *("EXTERNAL", "LIBRARY", "MANUAL", "PARALLEL", "QUALIFY", "TABLESAMPLE")  # reserved since 8.4 and 9.x
}
_SHOWN: Final = 64
_STRINGS: Final = frozenset({TokenType.STRING, TokenType.NATIONAL_STRING})
_QUOTED: Final = _STRINGS | {TokenType.IDENTIFIER}


class _Tokenizer(MySQL.Tokenizer):
    KEYWORDS: ClassVar[dict[str, TokenType]] = {}
    BIT_STRINGS: ClassVar[list[str | tuple[str, str]]] = []
    HEX_STRINGS: ClassVar[list[str | tuple[str, str]]] = []


def tokenize(text: str) -> list[Token]:
    """The tokens of `text`. Raises `SyntaxRefused` where there are none to be made."""
    try:
        return _Tokenizer(dialect="mysql").tokenize(text)
    except TokenError as error:
        raise SyntaxRefused(hint="a quote or comment is not closed") from error


class Name(NamedTuple):
    """A name as it stands in a statement."""

    schema: str
    """Empty where none is written."""
    table: str
    qualifier: tuple[int, int]
    """Offsets in the text of schema and dot, without what follows; empty where none is written."""
    end: int
    """Index of the word after the name."""


class Words:
    """The words of one statement. An index past the end reads as the empty word."""

    __slots__ = ("_upper", "text", "tokens")

    def __init__(self, text: str, tokens: Sequence[Token]) -> None:
        self.text = text
        self.tokens = tokens
        # Only ASCII is folded: "ı".upper() is "I", and MySQL knows no such keyword.
        self._upper = [
            "" if token.token_type in _QUOTED else (token.text.upper() if token.text.isascii() else token.text)
            for token in tokens
        ]

    @classmethod
    def of(cls, text: str) -> Words:
        """The words of `text`, semicolons at its end left out. Raises `SyntaxRefused`."""
        tokens = tokenize(text)
        while tokens and tokens[-1].token_type is TokenType.SEMICOLON:
            tokens.pop()
        return cls(text, tokens)

    def __len__(self) -> int:
        return len(self.tokens)

    def __getitem__(self, index: int) -> str:
        """The word in capitals, or a sign. Empty for quoted text, which is never a keyword, and past the end."""
        return self._upper[index] if index < len(self._upper) else ""

    def are(self, index: int, *words: str) -> bool:
        """Whether `words` stand at `index`."""
        return all(self[index + offset] == word for offset, word in enumerate(words))

    def positions(self, word: str, start: int = 0) -> Iterator[int]:
        """Where `word` stands, from `start` on."""
        at = start
        while True:
            try:
                at = self._upper.index(word, at)
            except ValueError:
                return
            yield at
            at += 1

    def skip(self, index: int, *words: str) -> int:
        """The index after `words` if they stand at `index`, else `index`."""
        return index + len(words) if self.are(index, *words) else index

    def slice(self, start: int, end: int) -> str:
        """The text of the words from `start` to before `end`."""
        return self.text[self.tokens[start].start : self.tokens[end - 1].end + 1] if start < end else ""

    def closing(self, index: int) -> int:
        """The index after the parenthesis that closes the one at `index`. Raises `SyntaxRefused`."""
        depth = 0
        for at in range(index, len(self.tokens)):
            depth += (self._upper[at] == "(") - (self._upper[at] == ")")
            if depth == 0:
                return at + 1
        raise SyntaxRefused("a parenthesis is not closed")

    def identifier(self, index: int) -> str | None:
        """The identifier at `index`, unquoted; None where there is none."""
        if index >= len(self.tokens):
            return None
        token = self.tokens[index]
        if token.token_type is TokenType.IDENTIFIER:
            return self.text[token.start + 1 : token.end].replace("``", "`")
        if token.token_type in _STRINGS or not _UNQUOTED.fullmatch(token.text):
            return None
        return token.text

    def name(self, index: int, what: str = "table") -> Name:
        """The name of a table or view at `index`. Raises `SyntaxRefused`, `InvalidName`."""
        first = self._part(index, what)
        if self[index + 1] != ".":
            return Name("", first, (0, 0), index + 1)
        second = self._part(index + 2, what)
        if self[index + 3] == ".":
            raise SyntaxRefused(f"the name of a {what} has too many parts{self.near(index)}")
        written = (self.tokens[index].start, self.tokens[index + 2].start)
        return Name(first, second, written, index + 3)

    def _part(self, index: int, what: str) -> str:
        found = self.identifier(index)
        if found is None:
            quoted = index < len(self.tokens) and self.tokens[index].token_type in _STRINGS
            raise SyntaxRefused(
                f"the name of a {what} is missing{self.near(index)}",
                hint="names are quoted with back-quotes" if quoted else "quote an unusual name with back-quotes",
            )
        if not found:
            raise InvalidName(f"the name of the {what} is empty")
        return found

    def near(self, index: int) -> str:
        """Says where `index` is, for a message; quoted text is not shown."""
        if index >= len(self.tokens):
            return " at the end of the statement"
        return f" near {shown(self.tokens[index])}"


def needs_quotes(written: str) -> bool:
    """Whether a name that was written behind a dot, without quotes, cannot stand alone like this."""
    return written.upper() in _RESERVED or written[0] in "0123456789"


def is_quoted(token: Token) -> bool:
    """Whether the token is a string or a quoted name."""
    return token.token_type in _QUOTED


def shown(token: Token) -> str:
    """A token as messages may show it: a string may be a secret."""
    if token.token_type in _STRINGS:
        return "'…'"
    text = token.text if len(token.text) <= _SHOWN else token.text[: _SHOWN - 1] + "…"
    return f"`{text}`" if token.token_type is TokenType.IDENTIFIER else text
