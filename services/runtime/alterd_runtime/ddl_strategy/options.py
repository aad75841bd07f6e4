"""The flags behind a strategy's name, checked against what the strategy declares. Pure."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from alterd_contracts.declaration import Declaration
from alterd_contracts.errors import InvalidStrategy
from alterd_contracts.flags import ALLOW_ZERO_IN_DATE, NOT_YET, FlagDeclaration, FlagKind
from alterd_contracts.migration import Migration
from alterd_contracts.statement import StatementKind
from alterd_runtime.ddl_strategy.durations import parse_duration
from alterd_runtime.ddl_strategy.setting import Option, StrategySetting, parse_ddl_strategy, shown

Value = bool | float | str


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


def check_options(
    setting: StrategySetting,
    declaration: Declaration,
    kind: StatementKind | None = None,
    *,
    others: Iterable[Declaration] = (),
) -> Options:
    """The options of `setting`, by the flags that `declaration` has; a flag given twice counts as last written.

    With `kind`, flags that have no effect on such a statement keep their defaults. `others`: strategies that a refusal
    names where they have the flag. Raises `InvalidStrategy` that
    names every reserved flag, or the first one that is written wrongly, or every unknown one.
    """
    declared = {flag.name: flag for flag in declaration.flags}
    _refuse_reserved(setting.options, declaration)
    _refuse_what_is_not_there(setting.options)
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
            hint="; ".join([*_elsewhere(setting.options, declaration, others), _known(declaration)]),
            flag=" ".join(unknown),
            strategy=declaration.strategy,
        )
    return Options(values=values, given=frozenset(given), passed=passed)


def options_of(record: Migration, declaration: Declaration) -> Options:
    """The options of a migration, as a strategy reads its own; flags without effect on its statement keep defaults.

    Raises `InvalidStrategy`, which intake would have raised before, unless the declaration was another one then.
    """
    setting = parse_ddl_strategy(f"{declaration.strategy} {record.options}")
    return check_options(setting, declaration, record.statement_kind)


def zero_dates_allowed(options_text: str) -> bool:
    """Whether options, as written, have the one flag that decides under which sql_mode a statement is sent."""
    setting = parse_ddl_strategy(f"any {options_text}")
    return any(option.name == ALLOW_ZERO_IN_DATE.name for option in setting.options)


def _refuse_reserved(options: Iterable[Option], declaration: Declaration) -> None:
    reserved = sorted({f"--{option.name}" for option in options if option.name in declaration.reserved_flags})
    if reserved:
        raise InvalidStrategy(
            f"flags that alterd sets itself for the {declaration.strategy} strategy: {' '.join(reserved)}",
            hint="leave them out",
            flag=" ".join(reserved),
            strategy=declaration.strategy,
        )


def _refuse_what_is_not_there(options: Iterable[Option]) -> None:
    for option in options:
        if option.name in NOT_YET:
            raise InvalidStrategy(f"--{option.name} is not there yet", hint="leave it out", flag=option.name)


def _names(options: Iterable[Option], declared: Iterable[str]) -> list[str]:
    """How a message names unknown flags: without values, which may be secrets, be they behind a ``=`` or a blank."""
    known, named, may_be_value = set(declared), [], False
    for option in options:
        if option.name:
            may_be_value = option.name not in known
            if may_be_value:
                named.append(f"--{shown(option.name)}")
        elif not may_be_value:
            named.append(shown(option.text))
    return list(dict.fromkeys(named))


def _elsewhere(options: Iterable[Option], declaration: Declaration, others: Iterable[Declaration]) -> list[str]:
    """For each flag that other strategies have: which ones."""
    own = {flag.name for flag in declaration.flags}
    found: dict[str, list[str]] = {}
    for other in sorted(others, key=lambda each: each.strategy):
        names = {flag.name for flag in other.flags} - own
        for option in options:
            if option.name in names and other.strategy not in found.setdefault(option.name, []):
                found[option.name].append(other.strategy)
    return [
        f"--{name} is for the {'strategy' if len(where) == 1 else 'strategies'} {' and '.join(where)}"
        for name, where in found.items()
    ]


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
        example = flag.default or flag.minimum or next(iter(flag.values), "…")
        raise InvalidStrategy(f"--{flag.name} lacks its value", hint=f"write --{flag.name}={example}", flag=flag.name)
    return _duration(flag, option.value) if flag.kind is FlagKind.DURATION else _text(flag, option.value)


def _text(flag: FlagDeclaration, text: str) -> str:
    """Nothing may always be written."""
    if text and flag.values and text not in flag.values:
        raise InvalidStrategy(
            f"--{flag.name} is {' or '.join(flag.values)}, not {shown(text)!r}",
            hint=f"write --{flag.name}={flag.values[0]}",
            flag=flag.name,
        )
    return text


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
        raise InvalidStrategy(
            f"--{flag.name}={shown(text)} is out of range: {' and '.join(limits)}",
            hint=f"write it like --{flag.name}={flag.default or flag.minimum or flag.maximum}; 0 is the default",
            flag=flag.name,
        )
    return seconds
