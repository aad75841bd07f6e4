"""Reads the words of one statement from left to right. Pure."""

from __future__ import annotations

from typing import NoReturn

from alterd_cli.sql.script import Piece, string
from alterd_contracts import names
from alterd_contracts.errors import InvalidName, SyntaxRefused
from alterd_runtime.sql.words import shown


class Cursor:
    """Where the reading stands."""

    def __init__(self, piece: Piece, at: int = 0) -> None:
        self.piece, self.words, self.at = piece, piece.words, at

    @property
    def word(self) -> str:
        """The word here in capitals; empty for what is quoted, and at the end."""
        return self.words[self.at]

    @property
    def over(self) -> bool:
        return self.at >= len(self.words)

    def take(self, *wanted: str) -> bool:
        """Whether the words stand here; if so they are passed."""
        if not self.words.are(self.at, *wanted):
            return False
        self.at += len(wanted)
        return True

    def expect(self, *wanted: str, example: str = "") -> None:
        """Raises `SyntaxRefused` unless the words stand here."""
        if not self.take(*wanted):
            self.refuse(f"{' '.join(wanted)} is missing", example)

    def string(self, what: str, example: str = "") -> str:
        """The string here. Raises `SyntaxRefused`."""
        value = string(self.words, self.at)
        if value is None:
            self.refuse(f"{what} is missing: a text in quotes", example)
        self.at += 1
        return value

    def uuid(self, example: str = "") -> str:
        """The migration's uuid here; hyphens may stand for underscores. Raises `SyntaxRefused`, `InvalidName`."""
        return migration_uuid(self.string("a migration's uuid", example))

    def number(self, what: str, example: str = "") -> float:
        """The number here, in quotes or not. Raises `SyntaxRefused`."""
        text, start = string(self.words, self.at), self.at
        if text is None:
            parts = []
            while not self.over and (self.words[self.at] in (".", "-", "+") or self.words[self.at][:1].isdigit()):
                parts.append(self.words[self.at])
                self.at += 1
            text = "".join(parts)
        else:
            self.at += 1
        try:
            return float(text)
        except ValueError:
            self.at = start
            self.refuse(f"{what} is missing: a number", example)

    def end(self, example: str = "") -> None:
        """Raises `SyntaxRefused` unless the statement ends here."""
        if not self.over:
            self.refuse("the statement should end here", example)

    def refuse(self, what: str, example: str = "") -> NoReturn:
        """Raises `SyntaxRefused`, saying where."""
        hint = f"write it like {example}" if example else ""
        if not self.over and shown(self.words.tokens[self.at])[0] in "‘’“”":
            hint = "these are typographic quotes: write ' or \""
        raise SyntaxRefused(f"{what}{self.words.near(self.at)}", hint=hint)


def migration_uuid(text: str) -> str:
    """A uuid with underscores. Raises `InvalidName`."""
    found = text.strip().replace("-", "_").lower()
    if not names.UUID.fullmatch(found):
        names.check_uuid(text)
        raise InvalidName(f"uuid {text!r} is malformed")
    return found
