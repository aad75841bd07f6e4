"""What spirit is called with, and what its account may do. Pure.

Flags and the file of ``--conf``: `docs/migrate.md`. Privileges: README "Requirements" and `pkg/migration/check/
privileges.go`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import msgspec
from alterd_contracts.strategy import Account, Login

CONF: Final = "spirit.cnf"
SCHEMA_GRANTS: Final = (
    *("ALTER", "CREATE", "DELETE", "DROP", "INDEX", "INSERT", "LOCK TABLES", "SELECT", "TRIGGER", "UPDATE"),
)
GLOBAL_GRANTS: Final = ("RELOAD", "PROCESS", "REPLICATION CLIENT", "REPLICATION SLAVE")
DYNAMIC_GRANTS: Final = ("CONNECTION_ADMIN",)
"""It ends sessions that keep it from the table's lock, and cannot be told not to."""
_WILD: Final = re.compile(r"[_%\\]")
_PLAIN: Final = re.compile(r"[\w.!~^*+@%/-]+")


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call of spirit."""

    program: Path
    workdir: Path
    login: Login
    """Where to; the account is in the file."""
    schema: str
    statement: str
    """The same for every attempt: by its text spirit knows its own checkpoint."""
    passed: tuple[str, ...] = ()

    def argv(self) -> tuple[str, ...]:
        host = f"[{self.login.host}]" if ":" in self.login.host else self.login.host
        return (
            str(self.program),
            "migrate",
            f"--host={host}:{self.login.port}",
            f"--conf={self.workdir / CONF}",
            f"--database={self.schema}",
            f"--statement={self.statement}",
            "--defer-cutover",
            *self.passed,
        )


def conf(account: Account) -> str:
    """The text of the file that holds the account. Raises ValueError where its format could misread it."""
    for value in (account.user, account.password):
        if not _PLAIN.fullmatch(value):
            raise ValueError("the account has characters that mean something in an INI file")
    return f"[client]\nuser={account.user}\npassword={account.password}\n"


def identifier(name: str) -> str:
    """A name in backticks."""
    return "`" + name.replace("`", "``") + "`"


def qualified(schema: str, name: str) -> str:
    return f"{identifier(schema)}.{identifier(name)}"


def grants(schema: str, *, literal: bool) -> tuple[str, ...]:
    """What its account may do, and no more.

    `literal`: the server takes a schema's name in a GRANT as it is; else ``_`` and ``%`` in it stand for others unless
    they are escaped. spirit reads both (`pkg/utils/grants.go`).
    """
    name = schema if literal else _WILD.sub(r"\\\g<0>", schema)
    return (
        f"{', '.join(GLOBAL_GRANTS)} ON *.*",
        f"{', '.join(DYNAMIC_GRANTS)} ON *.*",
        f"{', '.join(SCHEMA_GRANTS)} ON {identifier(name)}.*",
        "SELECT ON `performance_schema`.*" if literal else r"SELECT ON `performance\_schema`.*",
    )
