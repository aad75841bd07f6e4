"""A case: a folder of SQL, read whole. Files that do not belong there are an error: a typo must not change a case."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from alterd_cases.errors import InvalidCase
from alterd_cases.script import Transaction, statements, transactions
from alterd_contracts.errors import SyntaxRefused
from alterd_runtime.sql import split_alter

SESSIONS = 3
"""That run dml.sql at a time."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_FILES = frozenset(
    {
        *("create.sql", "alter.sql", "dml.sql", "expect_failure", "before_columns", "after_columns", "order_by"),
        *("sql_mode", "ddl_strategy", "min_version", "sessions", "README.md"),
    }
)


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What a folder says."""

    name: str
    create: tuple[str, ...]
    """Statements that make the tables and their first rows."""
    alter: str
    table: str
    """That the ALTER names."""
    writes: tuple[Transaction, ...] = ()
    """What each session runs again and again."""
    sessions: int = SESSIONS
    expect_failure: tuple[str, ...] = ()
    """Parts of the message that the change must fail with, or its error code; empty: it must not fail."""
    before_columns: tuple[str, ...] = ()
    """Columns of the old table that must hold what `after_columns` of the new one hold."""
    after_columns: tuple[str, ...] = ()
    """Columns of the new table that are compared; empty: all."""
    order_by: tuple[str, ...] = ()
    """Columns that name a row in a report; empty: the first one."""
    sql_mode: str | None = None
    """Of the server while the case runs: it runs alone then."""
    options: str = ""
    """Flags behind the strategy's name."""
    min_version: tuple[int, ...] = ()

    @property
    def clauses(self) -> tuple[str, ...]:
        """The ALTER's clauses, blanks made one."""
        return tuple(" ".join(clause.text.split()) for clause in split_alter(self.alter).clauses)

    @property
    def schema(self) -> str:
        """Of its tables on the server."""
        return f"alterd_case_{self.name.replace('-', '_')}"

    @property
    def alone(self) -> bool:
        """Whether no other case may run beside it."""
        return self.sql_mode is not None


def find_cases(folders: Sequence[Path], only: Sequence[str] = ()) -> list[Case]:
    """The cases in these folders, each a case or a folder of cases, by name. `only`: patterns of names.

    Raises `InvalidCase`.
    """
    found: dict[str, Case] = {}
    for folder in folders:
        for place in _places(folder):
            if only and not any(fnmatch.fnmatchcase(place.name, pattern) for pattern in only):
                continue
            case = read_case(place)
            if case.name in found:
                raise InvalidCase(f"there are two cases of the name {case.name}", folder=place)
            found[case.name] = case
    if not found:
        raise InvalidCase("no case was found", hint="a case is a folder with create.sql and alter.sql")
    return sorted(found.values(), key=lambda case: case.name)


def _places(folder: Path) -> list[Path]:
    if (folder / "alter.sql").exists():
        return [folder.absolute()]
    if not folder.is_dir():
        raise InvalidCase(f"{folder} is no folder", folder=folder)
    return sorted(each.absolute() for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))


def read_case(folder: Path) -> Case:
    """Raises `InvalidCase`."""
    if not _NAME.fullmatch(folder.name):
        raise InvalidCase(
            f"{folder.name!r} cannot be the name of a case", hint="a-z, 0-9 and -, up to 40 characters", folder=folder
        )
    strange = sorted({each.name for each in folder.iterdir()} - _FILES)
    if strange:
        raise InvalidCase(f"{folder.name} has files that mean nothing here: {', '.join(strange)}", folder=folder)
    alters = statements(_text(folder, "alter.sql"))
    if len(alters) != 1:
        raise InvalidCase(f"alter.sql of {folder.name} must hold one statement", folder=folder)
    try:
        table = split_alter(alters[0]).table
    except SyntaxRefused as error:
        raise InvalidCase(f"alter.sql of {folder.name} cannot be read: {error.message}", folder=folder) from error
    if (folder / "expect_failure").exists() and not _text(folder, "expect_failure").strip():
        raise InvalidCase(f"expect_failure of {folder.name} is empty", folder=folder)
    case = Case(
        name=folder.name,
        create=tuple(statements(_text(folder, "create.sql"))),
        alter=alters[0],
        table=table,
        writes=tuple(transactions(_text(folder, "dml.sql"))),
        sessions=_number(folder, "sessions", SESSIONS),
        expect_failure=tuple(filter(None, map(str.strip, _text(folder, "expect_failure").splitlines()))),
        before_columns=_names(folder, "before_columns"),
        after_columns=_names(folder, "after_columns"),
        order_by=_names(folder, "order_by"),
        sql_mode=_text(folder, "sql_mode").strip() if (folder / "sql_mode").exists() else None,
        options=_text(folder, "ddl_strategy").strip(),
        min_version=_version(folder),
    )
    if not case.create:
        raise InvalidCase(f"{folder.name} has no create.sql, or an empty one", folder=folder)
    if case.before_columns and len(case.before_columns) != len(case.after_columns):
        raise InvalidCase(f"before_columns and after_columns of {folder.name} differ in number", folder=folder)
    return case


def _text(folder: Path, name: str) -> str:
    path = folder / name
    try:
        return path.read_text(encoding="utf-8") if path.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidCase(f"{path} cannot be read: {error}", folder=folder) from error


def _names(folder: Path, name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in re.split(r"[,\n]", _text(folder, name)) if part.strip())


def _number(folder: Path, name: str, otherwise: int) -> int:
    text = _text(folder, name).strip()
    if text and (not text.isdecimal() or not 1 <= int(text) <= 50):
        raise InvalidCase(f"{name} of {folder.name} must be a number from 1 to 50", folder=folder)
    return int(text) if text else otherwise


def _version(folder: Path) -> tuple[int, ...]:
    text = _text(folder, "min_version").strip()
    if text and not re.fullmatch(r"\d+(\.\d+){1,2}", text):
        raise InvalidCase(f"min_version of {folder.name} must look like 9.0", folder=folder)
    return tuple(int(part) for part in text.split(".")) if text else ()
