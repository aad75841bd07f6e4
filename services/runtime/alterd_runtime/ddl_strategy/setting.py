"""Reads ddl_strategy: a strategy's name, and flags as on a command line.

``vitess --postpone-completion --cut-over-threshold=15s``
"""

from __future__ import annotations

import re
import shlex
from typing import Final

import msgspec

from alterd_contracts.errors import InvalidStrategy
from alterd_contracts.names import STRATEGY

ALIASES: Final = {"online": "vitess"}
"""Names that mean a strategy wherever they are written."""

_FLAG: Final = re.compile(r"--?([A-Za-z0-9][A-Za-z0-9_.-]*)(?:=(.*))?", re.DOTALL)
SHOWN: Final = 64
"""Characters of a word that messages show."""


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One word behind the strategy's name."""

    name: str = ""
    """Without dashes; empty for a word that is no flag."""
    value: str | None = None
    """What follows the ``=``, without double quotes of its own; None without one."""
    text: str
    """As written, without the quotes that kept it together."""


class StrategySetting(msgspec.Struct, frozen=True, kw_only=True):
    """A ddl_strategy, split up."""

    strategy: str
    """Aliases resolved; empty for the keyspace's default."""
    options: tuple[Option, ...] = ()
    options_text: str = ""
    """The options as they were written."""
    text: str = ""


def parse_ddl_strategy(text: str) -> StrategySetting:
    """Splits a ddl_strategy. Raises `InvalidStrategy`; whether the flags are any good, `check_options` tells."""
    words = text.split(maxsplit=1)
    if not words:
        return StrategySetting(strategy="")
    name, options_text = words[0], words[1].strip() if len(words) > 1 else ""
    if not STRATEGY.fullmatch(name):
        word = shown(name)
        hint = "a strategy's name comes first, then its flags" if name.startswith("-") else ""
        raise InvalidStrategy(f"ddl_strategy begins with {word!r}, which names no strategy", hint=hint)
    try:
        parts = shlex.split(options_text)
    except ValueError as error:
        raise InvalidStrategy(
            f"the flags of {name} cannot be split: {str(error).lower()}", hint="close the quotes"
        ) from error
    return StrategySetting(
        strategy=ALIASES.get(name, name),
        options=tuple(_option(part) for part in parts),
        options_text=options_text,
        text=text.strip(),
    )


def _option(text: str) -> Option:
    found = _FLAG.fullmatch(text)
    return Option(text=text) if found is None else Option(name=found[1], value=_unquoted(found[2]), text=text)


def _unquoted(value: str | None) -> str | None:
    quoted = value is not None and len(value) > 1 and value[0] == value[-1] == '"'
    return value[1:-1] if value is not None and quoted else value


def shown(text: str) -> str:
    """A user's word, cut to what a message can bear."""
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"
