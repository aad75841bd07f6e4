"""What an account may do, read coarsely from SHOW GRANTS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from alterd_contracts.names import SCRATCH_PREFIX, SIDECAR_SCHEMA

SCHEMA_NEEDS = frozenset(
    {
        "SELECT",
        "INSERT",
        "UPDATE",
        "DELETE",
        "CREATE",
        "ALTER",
        "DROP",
        "INDEX",
        "REFERENCES",
        "LOCK TABLES",
        "CREATE TEMPORARY TABLES",
        "CREATE VIEW",
        "SHOW VIEW",
    }
)
SERVER_NEEDS = frozenset({"REPLICATION SLAVE", "REPLICATION CLIENT", "PROCESS", "XA_RECOVER_ADMIN"})
"""On the whole server, for online changes: the binary log, who has which transaction open, prepared transactions."""
SIDECAR_NEEDS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "LOCK TABLES"})
SCRATCH_NEEDS = frozenset({"SELECT", "CREATE", "ALTER", "DROP", "INDEX", "REFERENCES", "CREATE VIEW", "SHOW VIEW"})

_GRANT = re.compile(
    r"GRANT (?P<what>.+?) ON (?:TABLE )?(?P<schema>`(?:[^`]|``)*`|\*)\.(?P<table>`(?:[^`]|``)*`|\*) TO "
)


_SCRATCH = SCRATCH_PREFIX + "x"
"""Stands for every scratch schema."""
_SERVER = "*"
"""Stands for the whole server."""


def needs(schema: str) -> Mapping[str, frozenset[str]]:
    """Schema → privileges, for an account that alterd uses on a shard with `schema`."""
    return {
        schema: SCHEMA_NEEDS,
        SIDECAR_SCHEMA: SIDECAR_NEEDS,
        _SCRATCH: SCRATCH_NEEDS,
        "performance_schema": frozenset({"SELECT"}),
        _SERVER: SERVER_NEEDS,
    }


def missing(grants: Iterable[str], schema: str) -> dict[str, list[str]]:
    """Schema → privileges that the lines of SHOW GRANTS do not name. Grants on single tables are not counted."""
    held: list[tuple[str, frozenset[str]]] = []
    for line in grants:
        match = _GRANT.match(line)
        if match and match["table"] == "*":
            held.append((match["schema"], frozenset(part.strip().upper() for part in match["what"].split(","))))
    found: dict[str, list[str]] = {}
    for place, wanted in needs(schema).items():
        has: set[str] = set()
        for where, privileges in held:
            if where == "*" or (place != _SERVER and _pattern(where).fullmatch(place)):
                has |= privileges
        if "ALL PRIVILEGES" not in has and (lacking := sorted(wanted - has)):
            found[place] = lacking
    return found


def statements(lacking: Mapping[str, list[str]], account: str) -> str:
    """GRANTs that would mend it."""
    lines = []
    for place, privileges in lacking.items():
        where = "*" if place == _SERVER else f"`{_as_pattern(place)}`"
        lines.append(f"GRANT {', '.join(privileges)} ON {where}.* TO {account};")
    return " ".join(lines)


def shown(schema: str) -> str:
    """A schema of `needs` for people."""
    if schema == _SERVER:
        return "the server (*.*)"
    return f"{SCRATCH_PREFIX}*" if schema == _SCRATCH else schema


def _as_pattern(schema: str) -> str:
    """A schema's name as a GRANT takes it: its ``_`` would be wildcards."""
    escaped = (SCRATCH_PREFIX if schema == _SCRATCH else schema).replace("`", "``").replace("_", r"\_")
    return escaped.replace("%", r"\%") + ("%" if schema == _SCRATCH else "")


def _pattern(schema: str) -> re.Pattern[str]:
    r"""A schema of a grant, whose ``_`` and ``%`` are wildcards unless a backslash stands before them."""
    text = schema[1:-1].replace("``", "`")
    parts = re.split(r"(\\_|\\%|_|%)", text)
    meaning = {r"\_": "_", r"\%": "%", "_": ".", "%": ".*"}
    return re.compile("".join(meaning.get(part) or re.escape(part) for part in parts))
