"""A temporary table with the shadow's columns and none of its keys. Pure."""

from __future__ import annotations

import re

from alterd_runtime.mysql.quoting import identifier

_KEY = re.compile(r"\s+(?:PRIMARY KEY|UNIQUE KEY|KEY|FULLTEXT KEY|SPATIAL KEY|CONSTRAINT)\b")


def typed_copy(definition: str, name: str, counter: str) -> str:
    """A CREATE TEMPORARY TABLE made of a SHOW CREATE TABLE, in which each line is one part.

    `counter`: the AUTO_INCREMENT column, which must have a key; empty for none.
    """
    _, *lines = definition.split("\n")
    end = next(number for number, line in enumerate(lines) if line.startswith(")"))
    parts = [line.rstrip(",") for line in lines[:end] if not _KEY.match(line)]
    if counter:
        parts.append(f"  KEY ({identifier(counter)})")
    # what follows the options are comments for other engines and partitions
    options = lines[end].split(" /*!")[0]
    return f"CREATE TEMPORARY TABLE {identifier(name)} (\n" + ",\n".join(parts) + f"\n{options}"
