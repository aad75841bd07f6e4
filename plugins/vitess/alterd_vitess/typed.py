"""A temporary table with the shadow's columns and none of its keys. Pure."""

from __future__ import annotations

import re

from alterd_runtime.mysql.quoting import identifier

_KEY = re.compile(r"\s+(?:PRIMARY KEY|UNIQUE KEY|KEY|FULLTEXT KEY|SPATIAL KEY|CONSTRAINT)\b")
_CHARSET = re.compile(r" DEFAULT CHARSET=\w+(?: COLLATE=\w+)?")
_NUMBER = "  `alterd_number` bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY"
"""Some servers demand a primary key, also here."""


def typed_copy(definition: str, name: str, counter: str) -> str:
    """A CREATE TEMPORARY TABLE made of a SHOW CREATE TABLE, in which each line is one part.

    `counter`: the AUTO_INCREMENT column, an ordinary one here; empty for none.
    """
    _, *lines = definition.split("\n")
    end = next(number for number, line in enumerate(lines) if line.startswith(")"))
    parts = [line.rstrip(",") for line in lines[:end] if not _KEY.match(line)]
    if counter:
        begin = f"  {identifier(counter)} "
        at = next(number for number, line in enumerate(parts) if line.startswith(begin))
        parts[at] = parts[at].replace(" NOT NULL AUTO_INCREMENT", " NULL", 1)
    charset = _CHARSET.search(lines[end])
    columns = ",\n".join([*parts, _NUMBER])
    return (
        f"CREATE TEMPORARY TABLE {identifier(name)} (\n{columns}\n) ENGINE=InnoDB{charset.group() if charset else ''}"
    )
