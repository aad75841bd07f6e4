"""What users may put behind the strategy's name: the queue's flags, and spirit's own, passed on. Pure.

The names are those of spirit's `pkg/migration/migration.go` and `docs/migrate.md`, of all versions.
"""

from __future__ import annotations

import re
import shlex
from typing import Final

from alterd_contracts.errors import InvalidStrategy
from alterd_contracts.flags import QUEUE_FLAGS, RETAIN_ARTIFACTS

STRATEGY: Final = "spirit"
FLAGS: Final = (*QUEUE_FLAGS, RETAIN_ARTIFACTS)

RESERVED: Final = (
    # where, who and what
    *("host", "username", "password", "conf", "database", "statement", "table", "alter"),
    "replica-dsn",  # it holds a password, and others may read a program's arguments
    # how the cut-over is held, and which tables it makes and keeps
    *("defer-cutover", "respect-sentinel", "skip-drop-after-cutover", "strict"),
    # what would change more than the one table, or in another way than was said
    *("force-inplace", "checksum", "enable-experimental-multi-table-support", "interpolate-params"),
    # what would do something else
    *("lint", "lint-only", "experimental-lint-only", "help", "h", "version"),
)
"""Refused by name: the plugin sets them itself."""

SWITCHES: Final = frozenset(
    {
        *("enable-experimental-autoscaling", "enable-experimental-buffered-copy", "buffered", "unbuffered"),
        *("enable-experimental-lockless-checksum", "skip-force-kill", "force-kill"),
    }
)
"""Flags that are passed on and take no value of their own."""

_FLAG: Final = re.compile(r"--?([A-Za-z0-9][A-Za-z0-9_.-]*)(?:=(.*))?", re.DOTALL)
_SHOWN: Final = 64


def passed_on(options: str) -> tuple[str, ...]:
    """The flags of a record's `options` that are spirit's, each as one argument: ``--name`` or ``--name=value``.

    ``--threads 8`` becomes ``--threads=8``; a value can become neither a flag nor a word of its own. Raises
    `InvalidStrategy`: a reserved flag, or a word that belongs to no flag.
    """
    queue = {flag.name for flag in FLAGS}
    found: list[str] = []
    takes = False
    try:
        words = shlex.split(options)
    except ValueError as error:
        raise InvalidStrategy(f"the flags of {STRATEGY} cannot be split: {str(error).lower()}") from error
    for word in words:
        match = _FLAG.fullmatch(word)
        if match is None:
            if not takes:
                raise InvalidStrategy(
                    f"the word {word[:_SHOWN]!r} behind {STRATEGY} belongs to no flag",
                    hint="write --flag=value, with quotes around a value that holds blanks",
                    flag=word[:_SHOWN],
                )
            found[-1] += f"={word}"
            takes = False
            continue
        name, value = match[1], match[2]
        if name in RESERVED:
            raise InvalidStrategy(f"--{name} is set by the strategy {STRATEGY} itself", hint="leave it out", flag=name)
        takes = name not in queue and value is None and name not in SWITCHES
        if name not in queue:
            found.append(f"--{name}" if value is None else f"--{name}={_unquoted(value)}")
    return tuple(found)


def names_of(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """The names of arguments, without dashes."""
    return tuple(word.removeprefix("--").partition("=")[0] for word in arguments)


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] == '"'
    return value[1:-1] if quoted else value
