"""Reads what follows ALTER VITESS_MIGRATION. Pure."""

from __future__ import annotations

import math
from typing import Final

from alterd_cli.sql.cursor import Cursor
from alterd_cli.sql.statements import Order
from alterd_contracts import names
from alterd_contracts.errors import InvalidInput, InvalidStrategy
from alterd_contracts.flags import check_cut_over_threshold
from alterd_contracts.requests import Command
from alterd_runtime.ddl_strategy.durations import parse_duration

UUID: Final = "9e8a9249_3976_11ed_9442_0a43f95f28a3"
_EXAMPLE: Final = f"alter vitess_migration '{UUID}' launch vitess_shards '-40,40-80'"

WORDS: Final[dict[tuple[str, ...], Command]] = {
    ("RETRY",): Command.RETRY,
    ("CANCEL",): Command.CANCEL,
    ("LAUNCH",): Command.LAUNCH,
    ("COMPLETE",): Command.COMPLETE,
    ("POSTPONE", "COMPLETE"): Command.POSTPONE_COMPLETE,
    ("CLEANUP",): Command.CLEANUP,
    ("THROTTLE",): Command.THROTTLE,
    ("UNTHROTTLE",): Command.UNTHROTTLE,
    ("FORCE_CUTOVER",): Command.FORCE_CUTOVER,
    ("UNFORCE_CUTOVER",): Command.UNFORCE_CUTOVER,
    ("CUTOVER_THRESHOLD",): Command.CUTOVER_THRESHOLD,
    ("PAUSE",): Command.PAUSE,
    ("RESUME",): Command.RESUME,
}
ALWAYS_ONE: Final = frozenset({Command.RETRY, Command.CUTOVER_THRESHOLD})
"""What may not be said to all at once."""


def read(cursor: Cursor) -> Order:
    """From the word after VITESS_MIGRATION on. Raises `SyntaxRefused`, `InvalidName`, `InvalidInput`."""
    every = cursor.word != "" and not cursor.over
    uuid = "" if every else cursor.uuid(_EXAMPLE)
    command = _what(cursor)
    if every:
        if command in ALWAYS_ONE:
            cursor.refuse(
                f"{_written(command)} is said to one migration: its uuid is missing",
                f"alter vitess_migration '{UUID}' …",
            )
        cursor.expect("ALL", example=f"alter vitess_migration {_written(command).lower()} all")
    expire, ratio, threshold = None, None, 0
    if command is Command.THROTTLE:
        expire, ratio = _throttling(cursor)
    elif command is Command.CUTOVER_THRESHOLD:
        threshold = _threshold(cursor)
    shards = _shards(cursor) if cursor.take("VITESS_SHARDS") else ()
    cursor.end(_EXAMPLE if command in (Command.LAUNCH, Command.COMPLETE) else "")
    return Order(command=command, uuid=uuid, shards=shards, expire=expire, ratio=ratio, threshold=threshold)


def _what(cursor: Cursor) -> Command:
    found = next((command for words, command in WORDS.items() if cursor.take(*words)), None)
    if found is None:
        known = ", ".join(" ".join(words) for words in WORDS)
        cursor.refuse(f"what the migration is told is missing: one of {known}", _EXAMPLE)
    return found


def _written(command: Command) -> str:
    return next(" ".join(words) for words, each in WORDS.items() if each is command)


def _throttling(cursor: Cursor) -> tuple[float | None, float | None]:
    """EXPIRE and RATIO, in any order, each once."""
    example = f"alter vitess_migration '{UUID}' throttle expire '10m' ratio 0.5"
    expire, ratio = None, None
    while True:
        if expire is None and cursor.take("EXPIRE"):
            text = cursor.string("a duration", example)
            try:
                expire = parse_duration(text)
            except InvalidStrategy as error:
                raise InvalidInput(f"invalid EXPIRE value: {error.message}", hint=error.hint) from None
            if expire <= 0:
                raise InvalidInput(f"invalid EXPIRE value: {text!r} is over at once", hint="write it like 10m or 1h30m")
        elif ratio is None and cursor.take("RATIO"):
            ratio = cursor.number("a ratio", example)
            if not 0 < ratio <= 1:
                raise InvalidInput(
                    f"invalid RATIO value: {ratio:g}",
                    hint="above 0, to 1, which holds everything back; UNTHROTTLE ends it",
                )
        else:
            return expire, ratio


def _threshold(cursor: Cursor) -> int:
    text = cursor.string("a duration", f"alter vitess_migration '{UUID}' cutover_threshold '15s'")
    try:
        seconds = math.ceil(parse_duration(text))
    except InvalidStrategy as error:
        raise InvalidInput(f"invalid cut-over threshold: {error.message}", hint=error.hint) from None
    check_cut_over_threshold(seconds)
    return seconds


def _shards(cursor: Cursor) -> tuple[str, ...]:
    """Names parted by commas; none means all."""
    text = cursor.string("a list of shards", _EXAMPLE)
    found = (each.strip() for each in text.split(","))
    return tuple(dict.fromkeys(names.check_shard(each) for each in found if each))
