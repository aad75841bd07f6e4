"""Which flags of the tool users may give, and how they reach it. Pure.

The tool takes any unambiguous beginning of a flag for the flag: what could stand for another one is refused, so that
none that is alterd's comes in by an abbreviation.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from alterd_contracts.errors import InvalidStrategy
from alterd_runtime.ddl_strategy import Options
from alterd_runtime.ddl_strategy.setting import shown
from alterd_tools.arguments import arguments as tool_arguments

STRATEGY = "pt-osc"

_SET_BY_ALTERD = (
    *("alter", "execute", "dry-run", "pid", "plugin", "new-table-name", "config", "pause-file", "progress", "quiet"),
    *("drop-new-table", "drop-old-table", "drop-triggers", "swap-tables", "version-check", "version", "help"),
    *("host", "port", "user", "password", "ask-pass", "socket", "database", "defaults-file", "charset", "mysql_ssl"),
    *("recursion-method", "recurse", "channel", "check-slave-lag", "check-replica-lag", "skip-check-slave-lag"),
    *("skip-check-replica-lag", "slave-user", "slave-password", "replica-user", "replica-password", "buffer-stdout"),
)
"""Names, places, the account and the replicas: the throttler watches those."""
_HARMFUL = (
    *("check-unique-key-change", "where", "preserve-triggers", "reverse-triggers", "only-same-schema-fks"),
    *("check-foreign-keys", "force", "history", "history-table", "binary-index", "resume"),
)
"""Rows, triggers or foreign keys could be lost with them, or a table would be left that nobody knows of."""
_SHORT = ("A", "D", "F", "h", "p", "P", "q", "s", "S", "u")
_NEGATABLE = (
    *("drop-new-table", "drop-old-table", "drop-triggers", "swap-tables", "version-check", "buffer-stdout"),
    *("check-unique-key-change", "check-foreign-keys"),
)
RESERVED = (
    *_SET_BY_ALTERD,
    *_HARMFUL,
    *_SHORT,
    *(f"{no}{name}" for name in _NEGATABLE for no in ("no-", "no")),
)
"""Refused by name."""

FOREIGN_KEYS_METHOD = "alter-foreign-keys-method"
VALUED = frozenset(
    {
        *(FOREIGN_KEYS_METHOD, "check-interval", "chunk-index", "chunk-index-columns", "chunk-size"),
        *("chunk-size-limit", "chunk-time", "critical-load", "data-dir", "max-flow-ctl", "max-lag", "max-load"),
        *("set-vars", "sleep", "tries"),
    }
)
"""Flags that take a value, behind ``=`` or a blank."""
_SWITCHES = ("default-engine", "null-to-not-null", "print", "remove-data-dir", "remove-tablespace", "statistics")
_NEGATABLE_SWITCHES = (
    *("analyze-before-swap", "check-alter", "check-plan", "check-replication-filters"),
    "fail-on-stopped-replication",
)
SWITCHES = frozenset({*_SWITCHES, *(f"{no}{name}" for name in _NEGATABLE_SWITCHES for no in ("", "no-", "no"))})
METHODS = ("auto", "rebuild_constraints")
"""Of foreign keys: where the table is anybody's parent, alterd refuses it all the same."""
PROTECTED = (
    *("sql_", "foreign_key_checks", "unique_checks", "autocommit", "explain_format", "character_set", "collation"),
    *("time_zone", "insert_id", "default_storage_engine"),
)
"""Beginnings of the names of variables by which rows could change or stay away unseen."""
_VARIABLES = re.compile(r"""(?:[A-Za-z]\w*=(?:[\w.:+/-]+|'[^'"`\\,\s]*')(?:,|\Z))+""")
"""What the tool writes into its SET SESSION as it stands: names, and numbers, words or texts."""
_QUOTES = frozenset("'\\")
_COMPLAINT = re.compile(
    r'^(?:Unknown option: |Value ".*" invalid for option |Option .+ requires an argument|Invalid --).*', re.M
)


def arguments(options: Options) -> tuple[str, ...]:
    """The arguments that users' flags become. Raises `InvalidStrategy`, which names the flag and never its value."""
    found = tool_arguments(options.passed, switches=SWITCHES, strategy=STRATEGY)
    for argument in found:
        name, has_value, value = argument.removeprefix("--").partition("=")
        _check_name(name)
        if name in SWITCHES and has_value:
            raise _refused(name, "it takes no value")
        if name in VALUED and not has_value:
            raise _refused(name, "its value is missing", hint=f"write --{name}=…")
        _check_value(name, value)
    return found


def with_variables(passed: Iterable[str], variables: Mapping[str, str]) -> tuple[str, ...]:
    """`passed` with session variables set, unless it sets them itself: the tool takes the last --set-vars alone."""
    rest = [argument for argument in passed if not argument.startswith("--set-vars=")]
    asked = [argument.partition("=")[2] for argument in passed if argument.startswith("--set-vars=")][-1:]
    theirs = {name for text in asked for name in _names(text)}
    ours = [f"{name}={value}" for name, value in variables.items() if name not in theirs]
    return (f"--set-vars={','.join((*ours, *asked))}", *rest)  # first: a flag without its value takes none of ours


def complaint(said: str) -> str:
    """What the tool has against its flags, in what it says when it is asked for help with them; empty for nothing."""
    found = _COMPLAINT.search(said)
    return found[0].strip() if found else ""


def _check_name(name: str) -> None:
    if name in RESERVED:
        raise _refused(name, "alterd sets it itself, or rows could be lost with it")
    known = name in SWITCHES or name in VALUED
    if not known and any(other.startswith(name) for other in (*RESERVED, *VALUED, *SWITCHES)):
        raise _refused(name, "the tool would take it for the beginning of another flag", hint="write it in full")


def _check_value(name: str, value: str) -> None:
    if "\0" in value:
        raise _refused(name, "its value holds a NUL")
    if name == FOREIGN_KEYS_METHOD and value not in METHODS:
        raise _refused(
            name,
            "with that method the table would be missing for a moment, or foreign keys would be broken",
            hint=f"write --{FOREIGN_KEYS_METHOD}=rebuild_constraints",
        )
    if name == "data-dir" and _QUOTES & set(value):
        raise _refused(name, "the tool writes its value into SQL, where quotes would end it")
    if name != "set-vars":
        return
    if not _VARIABLES.fullmatch(value):
        raise _refused(
            name,
            "the tool writes its values into SQL: they are numbers, words, or texts in single quotes without blanks",
            hint="write --set-vars=name=value,name=value",
        )
    if variable := next((each for each in _names(value) if each.startswith(PROTECTED)), ""):
        raise _refused(name, f"{variable} must stay as the server has it")


def _names(variables: str) -> list[str]:
    """Of what --set-vars sets; no value holds a comma."""
    return [each.partition("=")[0].lower() for each in variables.split(",") if each]


def _refused(name: str, why: str, hint: str = "leave it out") -> InvalidStrategy:
    flag = f"--{shown(name)}"
    return InvalidStrategy(f"{STRATEGY} does not take {flag}: {why}", hint=hint, flag=flag, strategy=STRATEGY)
