"""Reads a script: from text to statements, each one a schema change of one table or view."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from sqlglot import Token, TokenType

from alterd_contracts.errors import AlterdError, ErrorInfo, InvalidInput, SyntaxRefused
from alterd_contracts.statement import Statement, StatementKind
from alterd_intake.statements import indexes
from alterd_intake.statements.comments import Plain, strip_comments
from alterd_intake.statements.definitions import alter_table, create_table, drop, view
from alterd_intake.statements.heads import view_word
from alterd_intake.statements.reading import Reading
from alterd_intake.statements.refusals import ends_reading, excerpt, unsupported
from alterd_runtime.sql.words import Words, is_quoted, tokenize

MOST_REFUSALS: Final = 100
"""After as many the rest is not read: the answer has to fit into a message."""

_ODD: Final = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]")
"""Characters that look like blanks, or like nothing, and that MySQL takes for parts of a name."""


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """What a script says, and what speaks against it."""

    statements: tuple[Statement, ...] = ()
    refusals: tuple[ErrorInfo, ...] = ()
    """In the script's order; each names its statement in `where`. A script with any of them is not to be run."""


def read_script(text: str, *, schemas: frozenset[str] = frozenset()) -> Script:
    """The statements of a script, parted by semicolons. Never raises for what a user may write.

    `schemas` are the qualifiers that a table's name may carry; they are taken out of the text.
    """
    plain = strip_comments(text)
    statements: list[Statement] = []
    refusals: list[ErrorInfo] = []
    number = 1
    try:
        tokens = tokenize(plain.text)
    except SyntaxRefused as error:
        return Script(refusals=(error.info(),))
    for piece in _pieces(text, plain, tokens):
        words = Words(plain.text, piece.tokens)
        try:
            _check_piece(plain, piece)
            found = read_statement(words, schemas)
        except InvalidInput as error:
            refusals.append(_named(error, excerpt(piece.tokens, number)))
            number += 1
            if len(refusals) == MOST_REFUSALS:
                refusals.append(SyntaxRefused("more is wrong with this script; it was not read to its end").info())
                break
            if ends_reading(words):
                break
            continue
        for statement in found:
            statements.append(msgspec.structs.replace(statement, number=number, original=piece.original))
            number += 1
    if not statements and not refusals:
        refusals.append(SyntaxRefused("the script holds no statement").info())
    return Script(statements=tuple(statements), refusals=tuple(refusals))


class _Piece(msgspec.Struct):
    """What stands between two semicolons."""

    tokens: Sequence[Token]
    original: str
    start: int
    """Offsets in the plain text."""
    end: int
    last: bool = False


def _pieces(text: str, plain: Plain, tokens: list[Token]) -> Iterator[_Piece]:
    """The pieces that hold anything."""
    first = start = origin = 0
    for index, token in enumerate(tokens):
        if token.token_type is not TokenType.SEMICOLON:
            continue
        until = plain.origin(token.start)
        if index > first:
            yield _Piece(tokens[first:index], text[origin:until].strip("\ufeff \t\r\n"), start, token.start)
        first, start, origin = index + 1, token.end + 1, until + 1
    if first < len(tokens) or plain.unclosed is not None:
        original = text[origin:].strip("\ufeff \t\r\n")
        yield _Piece(tokens[first:], original, start, len(plain.text), last=True)


def _check_piece(plain: Plain, piece: _Piece) -> None:
    """Raises `SyntaxRefused` for what is not closed, and for characters that only look like blanks."""
    if piece.last and plain.unclosed is not None:
        unclosed = plain.unclosed
        raise SyntaxRefused(f"the {unclosed.what} in line {unclosed.line} is not closed", line=unclosed.line)
    if _ODD.search(plain.text, piece.start, piece.end):
        for start, end in _unquoted(piece):
            if found := _ODD.search(plain.text, start, end):
                raise SyntaxRefused(
                    f"the character U+{ord(found[0]):04X} is no blank to MySQL",
                    hint="write an ordinary blank, or quote the name that it belongs to",
                )


def _unquoted(piece: _Piece) -> Iterator[tuple[int, int]]:
    """The stretches of a piece that stand outside of quotes."""
    start = piece.start
    for token in piece.tokens:
        if is_quoted(token):
            yield start, token.start
            start = token.end + 1
    yield start, piece.end


def _named(error: AlterdError, statement: str) -> ErrorInfo:
    info = error.info()
    return msgspec.structs.replace(info, where={"statement": statement, **info.where})


def read_statement(words: Words, schemas: frozenset[str]) -> Sequence[Statement]:
    """The schema changes of one statement: several for a DROP of several names.

    Raises `SyntaxRefused`, `UnsupportedStatement`, `InvalidName`.
    """
    reading = Reading(words, schemas)
    first, second = words[0], words[1]
    read: Sequence[Statement] | None = None
    if first == "CREATE":
        read = _created(reading, second)
    elif first == "ALTER":
        if second == "TABLE":
            read = [alter_table(reading, 2)]
        elif second != "OR" and (at := view_word(words)) > 0:
            read = [view(reading, at + 1, StatementKind.ALTER_VIEW)]
    elif first == "DROP":
        if second in ("TABLE", "TABLES"):
            read = drop(reading, 2, StatementKind.DROP_TABLE)
        elif second == "VIEW":
            read = drop(reading, 2, StatementKind.DROP_VIEW)
        elif second == "INDEX":
            read = [indexes.drop_index(reading)]
    if read is None:
        raise unsupported(words)
    return read


def _created(reading: Reading, second: str) -> Sequence[Statement] | None:
    words = reading.words
    if second == "TABLE":
        return [create_table(reading, 2)]
    if second == "INDEX" or (second in indexes.KINDS and words[2] == "INDEX"):
        return [indexes.create_index(reading)]
    at = view_word(words)
    return [view(reading, at + 1, StatementKind.CREATE_VIEW)] if at > 0 else None
