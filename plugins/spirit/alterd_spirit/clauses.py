"""As much of an ALTER TABLE as must be understood here. Pure.

spirit first tries ALGORITHM=INSTANT, and ALGORITHM=INPLACE where every clause changes metadata alone (`pkg/migration/
change.go`, README "Attempt Instant DDL"). That happens at its start, whatever is said about the cut-over. So alterd is
told beforehand which changes are done at once: those are not begun while their completion is held back.
"""

from __future__ import annotations

import re
from typing import Final

_PART: Final = re.compile(r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`]|``)*`|[(),]|[^'"`(),]+""", re.DOTALL)
_NAME: Final = r"(?:`(?:[^`]|``)*`|[\w$]+)"
_HEAD: Final = re.compile(rf"\s*ALTER\s+TABLE\s+{_NAME}(?:\s*\.\s*{_NAME})?\s*", re.IGNORECASE)
_VARCHAR: Final = r"VARCHAR\s*\((?!.*\bNOT\s+NULL\b)(?!.*\b(?:FIRST|AFTER)\b)"
_METADATA: Final = re.compile(
    rf"RENAME\s+(?:INDEX|KEY)\b|ALTER\s+INDEX\b|DROP\s+(?:INDEX|KEY)\b|(?:ADD|DROP|TRUNCATE)\s+PARTITION\b|COMMENT\b"
    rf"|MODIFY\s+(?:COLUMN\s+)?{_NAME}\s+{_VARCHAR}|CHANGE\s+(?:COLUMN\s+)?{_NAME}\s+{_NAME}\s+{_VARCHAR}",
    re.IGNORECASE | re.DOTALL,
)
_REFUSED: Final[tuple[tuple[str, re.Pattern[str]], ...]] = (
    ("the table keeps its name", re.compile(rf"RENAME\s+(?:(?:TO|AS|=)\s*)?(?!INDEX\b|KEY\b|COLUMN\b){_NAME}", re.I)),
    ("how MySQL is to do it is spirit's to say", re.compile(r"(?:ALGORITHM|LOCK)\s*=?\s*\w+\s*$", re.I)),
    ("it is about the table's files", re.compile(r"(?:DISCARD|IMPORT)\b", re.I)),
    ("rows come or go with a partition", re.compile(r"EXCHANGE\s+PARTITION\b", re.I)),
)


def split(statement: str) -> tuple[str, ...]:
    """The clauses of an ALTER TABLE, as they were written."""
    text = statement[found.end() :] if (found := _HEAD.match(statement)) else statement
    clauses, depth = [""], 0
    for part in _PART.findall(text):
        depth += {"(": 1, ")": -1}.get(part, 0)
        if part == "," and not depth:
            clauses.append("")
        else:
            clauses[-1] += part
    return tuple(clause.strip() for clause in clauses if clause.strip())


def metadata_only(statement: str) -> bool:
    """Whether spirit may try the statement by ALGORITHM=INPLACE."""
    clauses = split(statement)
    return bool(clauses) and all(_METADATA.match(clause) for clause in clauses)


def refused(statement: str) -> tuple[str, ...]:
    """Why clauses are nothing for spirit, each with its clause."""
    return tuple(f"{why}: {clause}" for clause in split(statement) for why, how in _REFUSED if how.match(clause))


def with_algorithm(statement: str, algorithm: str, table: str) -> str:
    """The statement, about another `table`, as it fails unless MySQL can do it by `algorithm`."""
    found = _HEAD.match(statement)
    return f"ALTER TABLE {table} ALGORITHM={algorithm}, {statement[found.end() if found else 0 :]}"
