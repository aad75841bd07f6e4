"""A user's flags as arguments of a program. Pure.

Each becomes one argument of its own, ``--name`` or ``--name=value``, and there are no others: no bare word, which would
end the flags of many programs, and no flag that takes the next argument for its value. They stand behind those that
alterd sets, so that one whose value was left out takes none of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from alterd_contracts.errors import InvalidStrategy
from alterd_runtime.ddl_strategy.setting import parse_ddl_strategy, shown


def arguments(words: Iterable[str], *, switches: Collection[str], strategy: str) -> tuple[str, ...]:
    """`words`: as `Options.passed` has them. `switches`: names of the program's flags that take no value of their own.

    ``--max-load Threads_running=5`` becomes ``--max-load=Threads_running=5``. Raises `InvalidStrategy`: a word belongs
    to no flag.
    """
    found: list[str] = []
    takes = False
    for word in words:
        name, value = _flag(word)
        if name:
            found.append(f"--{name}" if value is None else f"--{name}={value}")
            takes = value is None and name not in switches
        elif takes:
            found[-1] += f"={word}"
            takes = False
        else:
            raise InvalidStrategy(
                f"the word {shown(word)!r} behind {strategy} belongs to no flag",
                hint="write --flag=value, with quotes around a value that holds blanks",
                flag=shown(word),
            )
    return tuple(found)


def value_of(name: str, found: Iterable[str]) -> str | None:
    """The last value of a flag among arguments; empty for one without, None where it is not there."""
    values = [word.partition("=")[2] for word in found if word.partition("=")[0] == f"--{name}"]
    return values[-1] if values else None


def _flag(word: str) -> tuple[str, str | None]:
    """Name and value; no name for a word that is no flag."""
    if not word.startswith("-"):
        return "", None
    options = parse_ddl_strategy(f"any {_quoted(word)}").options
    return (options[0].name, options[0].value) if options else ("", None)


def _quoted(word: str) -> str:
    return "'" + word.replace("'", "'\"'\"'") + "'"
