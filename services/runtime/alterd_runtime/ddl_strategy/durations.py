"""Durations as ddl_strategy writes them: Go's ``1h30m``, ``500ms``, ``1.5s``."""

from __future__ import annotations

import re
from typing import Final

from alterd_contracts.errors import InvalidStrategy

_SECONDS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,  # U+00B5, the micro sign
    "μs": 1e-6,  # U+03BC, the Greek letter
    "ms": 1e-3,
    "s": 1.0,
    "m": 60.0,
    "h": 3600.0,
}
_PART: Final = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_LONGEST: Final = 2**63 / 1e9
"""Seconds that Go can hold: 292 years."""
_LONGEST_TEXT: Final = 64


def parse_duration(text: str, *, flag: str = "") -> float:
    """Seconds. Nothing and ``0`` are 0. Raises `InvalidStrategy`, which names `flag` if given."""
    sign, bare = (-1.0, text[1:]) if text.startswith("-") else (1.0, text.removeprefix("+"))
    if text == "" or bare == "0":
        return 0.0
    parts = _PART.findall(bare) if len(bare) <= _LONGEST_TEXT else []
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if not parts or "".join(number + unit for number, unit in parts) != bare or seconds >= _LONGEST:
        shown = text if len(text) <= _LONGEST_TEXT else f"{text[: _LONGEST_TEXT - 1]}…"
        where = {"flag": flag} if flag else {}
        raise InvalidStrategy(
            f"{shown!r} is no duration" + (f" for --{flag}" if flag else ""),
            hint="write it like 30s, 1h30m or 500ms",
            **where,
        )
    return sign * seconds
