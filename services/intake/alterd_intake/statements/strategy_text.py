"""Reads ddl_strategy: a strategy's name, and flags as on a command line.

``vitess --postpone-completion --cut-over-threshold=15s``
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from typing import Final

import msgspec

from alterd_contracts.declaration import Declaration
from alterd_contracts.errors import InvalidStrategy
from alterd_contracts.flags import FlagDeclaration, FlagKind
from alterd_contracts.names import STRATEGY
from alterd_contracts.statement import StatementKind
from alterd_intake.statements.durations import parse_duration

ALIASES: Final = {"online": "vitess"}
"""Names that mean a strategy wherever they are written."""

_FLAG: Final = re.compile(r"--?([A-Za-z0-9][A-Za-z0-9_.-]*)(?:=(.*))?", re.DOTALL)
_SHOWN: Final = 64

Value = bool | float | str


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """One word behind the strategy's name."""

    name: str = ""
    """Without dashes; empty for a word that is no flag."""
    value: str | None = None
    """What follows the ``=``; None without one."""
    text: str
    """As written, quotes taken off."""


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
        shown = _shown(name)
        hint = "a strategy's name comes first, then its flags" if name.startswith("-") else ""
        raise InvalidStrategy(f"ddl_strategy begins with {shown!r}, which names no strategy", hint=hint)
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
    return Option(text=text) if found is None else Option(name=found[1], value=found[2], text=text)


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """The flags of a setting, checked against what the strategy declares."""

    values: dict[str, Value]
    """Every declared flag: what was given, else the default. Durations in seconds."""
    given: frozenset[str] = frozenset()
    """The declared flags that were written."""
    passed: tuple[str, ...] = ()
    """Arguments that go on to the strategy's tool, in order."""

    def on(self, name: str) -> bool:
        """Whether the switch `name` is set."""
        return self.values.get(name) is True

    def seconds(self, name: str) -> float:
        """The duration `name`; 0 where the strategy has no such flag."""
        value = self.values.get(name, 0.0)
        return value if isinstance(value, float) else 0.0

    def text(self, name: str) -> str:
        """The text `name`; empty where the strategy has no such flag."""
        value = self.values.get(name, "")
        return value if isinstance(value, str) else ""


def check_options(setting: StrategySetting, declaration: Declaration, kind: StatementKind | None = None) -> Options:
    """The options of `setting`, by the flags that `declaration` has; a flag given twice counts as last written.

    With `kind`, flags that have no effect on such a statement keep their defaults. Raises `InvalidStrategy` that
    names every reserved flag, or the first one that is written wrongly, or every unknown one.
    """
    declared = {flag.name: flag for flag in declaration.flags}
    _refuse_reserved(setting.options, declaration)
    values = {flag.name: _default(flag) for flag in declaration.flags}
    given = set()
    for option in setting.options:
        if flag := declared.get(option.name):
            value = _value(flag, option)
            given.add(flag.name)
            if kind is None or flag.applies(kind):
                values[flag.name] = value
    passed = tuple(option.text for option in setting.options if option.name not in declared)
    if passed and not declaration.passes_unknown_flags:
        unknown = _names(setting.options, declared)
        raise InvalidStrategy(
            f"invalid flags for {declaration.strategy} strategy: {' '.join(unknown)}",
            hint=_known(declaration),
            flag=" ".join(unknown),
            strategy=declaration.strategy,
        )
    return Options(values=values, given=frozenset(given), passed=passed)


def _refuse_reserved(options: Iterable[Option], declaration: Declaration) -> None:
    reserved = sorted({f"--{option.name}" for option in options if option.name in declaration.reserved_flags})
    if reserved:
        raise InvalidStrategy(
            f"flags that alterd sets itself for the {declaration.strategy} strategy: {' '.join(reserved)}",
            hint="leave them out",
            flag=" ".join(reserved),
            strategy=declaration.strategy,
        )


def _names(options: Iterable[Option], declared: Iterable[str]) -> list[str]:
    """How a message names unknown flags: without values, which may be secrets, be they behind a ``=`` or a blank."""
    known, shown, may_be_value = set(declared), [], False
    for option in options:
        if option.name:
            may_be_value = option.name not in known
            if may_be_value:
                shown.append(f"--{_shown(option.name)}")
        elif not may_be_value:
            shown.append(_shown(option.text))
    return list(dict.fromkeys(shown))


def _known(declaration: Declaration) -> str:
    names = " ".join(f"--{flag.name}" for flag in declaration.flags)
    return f"it has: {names}" if names else "it has none"


def _default(flag: FlagDeclaration) -> Value:
    if flag.kind is FlagKind.SWITCH:
        return False
    return parse_duration(flag.default, flag=flag.name) if flag.kind is FlagKind.DURATION else flag.default


def _value(flag: FlagDeclaration, option: Option) -> Value:
    if flag.kind is FlagKind.SWITCH:
        if option.value is not None:
            raise InvalidStrategy(
                f"--{flag.name} takes no value", hint=f"write --{flag.name}, or leave it out", flag=flag.name
            )
        return True
    if option.value is None:
        example = flag.default or flag.minimum or "…"
        raise InvalidStrategy(f"--{flag.name} lacks its value", hint=f"write --{flag.name}={example}", flag=flag.name)
    return _duration(flag, option.value) if flag.kind is FlagKind.DURATION else option.value


def _duration(flag: FlagDeclaration, text: str) -> float:
    """Seconds. 0 stands for the default, whatever the limits are."""
    seconds = parse_duration(text, flag=flag.name)
    if seconds == 0:
        return parse_duration(flag.default, flag=flag.name)
    low = bool(flag.minimum) and seconds < parse_duration(flag.minimum, flag=flag.name)
    high = bool(flag.maximum) and seconds > parse_duration(flag.maximum, flag=flag.name)
    if low or high:
        limits = [f"at least {flag.minimum}"] if flag.minimum else []
        limits += [f"at most {flag.maximum}"] if flag.maximum else []
        raise InvalidStrategy(f"--{flag.name}={text} is out of range: {' and '.join(limits)}", flag=flag.name)
    return seconds


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
