"""SQL text split into statements, and these into transactions. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

_PART = re.compile(
    r"(?P<skip>--(?=\s|\Z)[^\n]*|\#[^\n]*|/\*(?!!).*?\*/)"
    r"|(?P<text>'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|`(?:[^`]|``)*`)",
    re.DOTALL,
)
_DELIMITER = re.compile(r"[ \t]*DELIMITER[ \t]+(\S+)[ \t]*(?:\n|\Z)", re.IGNORECASE)
_BEGINS = re.compile(r"(BEGIN|START\s+TRANSACTION)\b", re.IGNORECASE)
_ENDS = re.compile(r"(COMMIT|ROLLBACK)(?!\s+(WORK\s+)?TO\b)\b", re.IGNORECASE)


class Transaction(msgspec.Struct, frozen=True):
    """Statements that count together; a single one may commit itself."""

    statements: tuple[str, ...]
    commits: bool = True
    """False where it is written to roll back."""


def statements(text: str) -> list[str]:
    """The statements of a script, comments left out. ``DELIMITER`` works as in the mysql client."""
    return [each for each in (part.strip() for part in _split(text)) if each]


def transactions(text: str) -> list[Transaction]:
    """The transactions of a script: those that it writes out, or all of it as one where it writes none."""
    found = statements(text)
    if not any(_BEGINS.match(each) for each in found):
        return [Transaction(("START TRANSACTION", *found, "COMMIT"))] if found else []
    return list(_grouped(found))


def _grouped(found: Sequence[str]) -> Iterator[Transaction]:
    open_ones: list[str] = []
    for statement in found:
        if open_ones or _BEGINS.match(statement):
            open_ones.append(statement)
            ending = _ENDS.match(statement)
            if ending:
                yield Transaction(tuple(open_ones), ending[1].upper() == "COMMIT")
                open_ones = []
        else:
            yield Transaction((statement,))
    if open_ones:
        yield Transaction((*open_ones, "COMMIT"))


def _split(text: str) -> Iterator[str]:
    delimiter, at, kept = ";", 0, ""
    while at < len(text):
        line_start = not kept.strip() and (at == 0 or text[at - 1] == "\n")
        if line_start and (command := _DELIMITER.match(text, at)):
            delimiter, at, kept = command[1], command.end(), ""
        elif part := _PART.match(text, at):
            kept += part["text"] or " "
            at = part.end()
        elif text.startswith(delimiter, at):
            yield kept
            kept, at = "", at + len(delimiter)
        else:
            kept += text[at]
            at += 1
    yield kept
