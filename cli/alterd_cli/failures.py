"""The one place where what went wrong becomes text and an exit code.

0 done · 1 failed · 2 usage or bad input · 3 not found · 4 refused · 5 not reachable · 6 cancelled · 130 interrupted
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import msgspec
import typer

from alterd_cli.options import invocation
from alterd_cli.output import echo_json, note
from alterd_contracts.errors import AlterdError, ErrorInfo

FAILED = 1
CANCELLED = 6
INTERRUPTED = 130


class RefusedByService(Exception):
    """A service refused a request, for each of these reasons."""

    def __init__(self, errors: Sequence[ErrorInfo]) -> None:
        super().__init__("; ".join(error.message for error in errors))
        self.errors = tuple(errors)


def report(failure: Exception) -> int:
    """Prints `failure` on stderr, and on stdout too where JSON was asked for; the exit code."""
    if isinstance(failure, RefusedByService):
        for error in failure.errors:
            note(refusal_text(error))
        _document(failure.errors)
        return max((AlterdError.of(error).exit_code for error in failure.errors), default=FAILED)
    if isinstance(failure, AlterdError):
        note(_text(failure.message, failure.hint))
        _document((failure.info(),))
        return failure.exit_code
    if isinstance(failure, typer.TyperException):
        return _usage(failure)
    return _unexpected(failure)


def refusal_text(error: ErrorInfo) -> str:
    """``error: [code] text``, the statement it is about (``2: ALTER TABLE …``) and the hint."""
    statement = error.where.get("statement", "")
    place = f"\n  in statement {statement}" if statement else ""
    return _text(f"[{error.code}] {error.message}{place}", error.hint)


def _text(message: str, hint: str) -> str:
    return f"error: {message}" + (f"\nhint: {hint}" if hint else "")


def _document(errors: Sequence[ErrorInfo]) -> None:
    if invocation.json:
        echo_json({"errors": [msgspec.to_builtins(error) for error in errors]})


def _usage(failure: typer.TyperException) -> int:
    context = getattr(failure, "ctx", None)
    hint = f"see `{context.command_path} --help`" if context is not None else ""
    message = failure.format_message().rstrip(".").replace(": Value error, ", ": ")  # typer's checks speak Python
    note(_text(message[:1].lower() + message[1:], hint))
    _document((ErrorInfo(code="usage", message=message, hint=hint),))
    return failure.exit_code


def _unexpected(failure: Exception) -> int:
    if os.environ.get("ALTERD_DEBUG"):
        traceback.print_exception(failure, file=sys.stderr)
    message = f"internal: {type(failure).__name__}: {failure}".rstrip(": ")
    hint = "this is a bug in alterd: please report it, with what ALTERD_DEBUG=1 shows"
    note(_text(message, hint))
    _document((ErrorInfo(code="internal", message=message, hint=hint),))
    return FAILED
