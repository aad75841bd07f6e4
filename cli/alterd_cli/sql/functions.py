"""MySQL's functions, for SQLite. What MySQL answers with NULL and a warning is NULL here. Pure.

Times are texts in UTC, to the second, as the records' columns are.
"""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from alterd_cli.sql.dialect import INTERVAL
from alterd_cli.sql.patterns import Like

_SECONDS: Final = {"MICROSECOND": 1e-6, "SECOND": 1, "MINUTE": 60, "HOUR": 3600, "DAY": 86400, "WEEK": 604800}
_MONTHS: Final = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}


def register(
    connection: sqlite3.Connection,
    now: datetime,
    failed: Callable[[Exception], None],
    regexp: Callable[[str, str], bool],
) -> None:
    """Makes the functions known. `failed` is told what one of them raised: SQLite says only that it did.

    `regexp`: whether a pattern is found in a text.
    """

    def add(name: str, arguments: int, function: Callable[..., Any]) -> None:
        def told(*values: Any) -> Any:
            try:
                return function(*values)
            except Exception as error:
                failed(error)
                raise

        connection.create_function(name, arguments, told, deterministic=True)

    current = _text(now)
    for name in ("now", "utc_timestamp", "sysdate"):
        add(name, -1, lambda *_: current)
    add("curdate", 0, lambda: current[:10])
    add(INTERVAL, 2, lambda amount, unit: None if amount is None else f"{amount} {unit}")
    add("unix_timestamp", -1, lambda *given: _unix(given[0] if given else current))
    for name, function in _STRICT.items():
        add(name, -1, functools.partial(_unless_null, function))
    for name, function in _LOOSE.items():
        add(name, -1, function)
    for name, function in (("regexp", regexp), ("regexp_like", lambda text, pattern: regexp(pattern, text))):
        add(name, 2, functools.partial(_unless_null, _of_texts(function)))
    add("like", 2, lambda pattern, value: _like(pattern, value, "\\"))
    add("like", 3, _like)


def _unless_null(function: Callable[..., Any], *values: Any) -> Any:
    return None if any(value is None for value in values) else function(*values)


def _moment(value: Any) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(value).strip())
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _text(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _unix(value: Any) -> float | int | None:
    moment = None if value is None else _moment(value)
    return None if moment is None else int(moment.timestamp())


def _added(value: Any, interval: Any, sign: int) -> str | None:
    """`value` and ``3 DAY``."""
    moment = _moment(value)
    amount, _, unit = str(interval).rpartition(" ")
    try:
        number = sign * float(amount or 0)
        if moment is None or not unit:
            return None
        if unit in _SECONDS:
            return _text(moment + timedelta(seconds=number * _SECONDS[unit]))
        return _text(_months_later(moment, int(number) * _MONTHS[unit]))
    except (ValueError, OverflowError):
        return None


def _months_later(moment: datetime, months: int) -> datetime:
    """The same day of another month, or that month's last one."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    for day in range(moment.day, moment.day - 4, -1):
        try:
            return moment.replace(year=year, month=month + 1, day=day)
        except ValueError:
            if day <= 28:
                raise
    raise AssertionError("every month has 28 days")


def _difference(unit: Any, start: Any, end: Any) -> int | None:
    first, last = _moment(start), _moment(end)
    if first is None or last is None:
        return None
    if unit in _SECONDS:
        return int((last - first) / timedelta(seconds=_SECONDS[unit]))
    months = (last.year - first.year) * 12 + last.month - first.month
    begun, ended = (first.day, first.time()), (last.day, last.time())
    months += (ended > begun and months < 0) - (ended < begun and months > 0)
    return int(months / _MONTHS[str(unit)])


def _of_texts(function: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda one, other: function(str(one), str(other))


def _like(pattern: Any, value: Any, escape: Any) -> bool | None:
    if pattern is None or value is None:
        return None
    return Like.of(str(pattern), str(escape)).matches(str(value))


def _substring_index(text: Any, mark: Any, count: Any) -> str:
    parts, number = str(text).split(str(mark)), int(count)
    return str(mark).join(parts[:number] if number >= 0 else parts[number:])


_STRICT: Final[dict[str, Callable[..., Any]]] = {
    "concat": lambda *values: "".join(map(str, values)),
    "left": lambda text, count: str(text)[: max(0, int(count))],
    "right": lambda text, count: str(text)[-int(count) :] if int(count) > 0 else "",
    "char_length": lambda text: len(str(text)),
    "locate": lambda part, text, start=1: str(text).lower().find(str(part).lower(), int(start) - 1) + 1,
    "find_in_set": lambda part, texts: (
        (str(texts).split(",").index(str(part)) + 1) if str(part) in str(texts).split(",") else 0
    ),
    "substring_index": _substring_index,
    "lcase": lambda text: str(text).lower(),
    "ucase": lambda text: str(text).upper(),
    "greatest": max,
    "least": min,
    "mod": lambda one, other: one % other if other else None,
    "floor": lambda value: int(value // 1),
    "ceil": lambda value: -int(-value // 1),
    "date_add": lambda value, interval: _added(value, interval, 1),
    "date_sub": lambda value, interval: _added(value, interval, -1),
    "adddate": lambda value, interval: _added(value, interval, 1),
    "subdate": lambda value, interval: _added(value, interval, -1),
    "timestampdiff": _difference,
    "timestampadd": lambda unit, amount, value: _added(value, f"{amount} {unit}", 1),
    "datediff": lambda one, other: _difference("DAY", str(other)[:10], str(one)[:10]),
}
"""NULL where any argument is."""
_LOOSE: Final[dict[str, Callable[..., Any]]] = {
    "concat_ws": lambda mark, *values: (
        None if mark is None else str(mark).join(str(v) for v in values if v is not None)
    ),
    "if": lambda condition, yes, no: yes if condition else no,
}
NAMES: Final = tuple(sorted(["now()", "curdate()", "unix_timestamp", "regexp", "regexp_like", *_STRICT, *_LOOSE]))
"""All that may be called, for those who type."""
