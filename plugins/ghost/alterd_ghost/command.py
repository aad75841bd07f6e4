"""What gh-ost is called with. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from alterd_contracts.strategy import Account, Login
from alterd_runtime.mysql.quoting import identifier
from alterd_runtime.sql import Clause, ClauseKind

CONF: Final = "gh-ost.cnf"
SOCKET: Final = "gh-ost.sock"
"""Beside gh-ost's own working folder: a path that fits into a socket's address, wherever the folder is."""
POSTPONE: Final = "postpone"
PANIC: Final = "panic"

GLOBAL_GRANTS: Final = ("REPLICATION CLIENT", "REPLICATION SLAVE")
SCHEMA_GRANTS: Final = (
    *("ALTER", "CREATE", "DELETE", "DROP", "INDEX", "INSERT", "LOCK TABLES", "SELECT", "TRIGGER", "UPDATE"),
)
"""gh-ost looks for exactly these, and goes no further without one."""
PERFORMANCE_TABLES: Final = ("metadata_locks", "setup_instruments", "threads")
"""It looks there whether its RENAME waits for the table."""

_HOW: Final = frozenset({ClauseKind.ALGORITHM, ClauseKind.LOCK})


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call of gh-ost."""

    program: Path
    workdir: Path
    login: Login
    """Where to; the account is in the file."""
    schema: str
    table: str
    alter: str
    """The clauses."""
    prefix: str
    """Its tables are ``_<prefix>_gho`` and so on."""
    server_id: int
    throttle_url: str
    gtid: bool
    """Positions in the binary log that hold on another server too: those can be resumed from."""
    checkpoint_seconds: int
    zero_dates: bool = False
    encrypted: bool = False
    """By TLS, as alterd's own sessions are: whose certificate it is is not looked at, unless users give one."""
    passed: tuple[str, ...] = ()

    def argv(self, *, execute: bool, resume: bool = False) -> tuple[str, ...]:
        """The dry run, or the real one."""
        return (
            str(self.program),
            f"--host={self.login.host}",
            f"--port={self.login.port}",
            f"--conf={self.workdir / CONF}",
            f"--assume-master-host={self.login.host}:{self.login.port}",
            "--allow-on-master",
            "--assume-rbr",
            f"--replica-server-id={self.server_id}",
            f"--database={self.schema}",
            f"--table={self.table}",
            f"--alter={self.alter}",
            "--approve-renamed-columns",
            f"--force-table-names={self.prefix}",
            "--panic-on-warnings",
            f"--throttle-http={self.throttle_url}",
            f"--serve-socket-file={SOCKET}",
            f"--panic-flag-file={self.workdir / PANIC}",
            "--verbose",
            *(("--gtid",) if self.gtid else ()),
            *(("--allow-zero-in-date",) if self.zero_dates else ()),
            *(self._encryption() if self.encrypted else ()),
            *(self._real(resume) if execute else ()),
            *self.passed,
        )

    def _encryption(self) -> Sequence[str]:
        chosen = any(word.startswith("--ssl") for word in self.passed)
        return () if chosen else ("--ssl", "--ssl-allow-insecure")

    def _real(self, resume: bool) -> Sequence[str]:
        words = ["--execute", f"--postpone-cut-over-flag-file={self.workdir / POSTPONE}"]
        if self.gtid:
            words += ["--checkpoint", f"--checkpoint-seconds={self.checkpoint_seconds}"]
        if resume:
            words.append("--resume")
        return words


def conf(account: Account) -> str:
    """The text of the file that holds the account."""
    return f"[client]\nuser={account.user}\npassword={account.password}\n"


def grants(schema: str) -> tuple[str, ...]:
    """What its account may do, and no more."""
    return (
        f"{', '.join(GLOBAL_GRANTS)} ON *.*",
        # the name unescaped: gh-ost looks for it so; an underscore stands for any character then
        f"{', '.join(SCHEMA_GRANTS)} ON {identifier(schema)}.*",
        *(f"SELECT ON `performance_schema`.`{table}`" for table in PERFORMANCE_TABLES),
    )


def clauses_of(clauses: Sequence[Clause]) -> str:
    """The clauses as one text, without those that say how MySQL is to do it; empty where none is left."""
    kept = [clause for clause in clauses if clause.kind not in _HOW]
    text = ""
    for clause in kept:
        between = clause.separator if text else ""
        text += (between if not text or between.strip() or _blank(clause) else ", ") + clause.text
    return text


def _blank(clause: Clause) -> bool:
    """Whether a blank alone stands before it."""
    return clause.kind in {ClauseKind.PARTITION_BY, ClauseKind.REMOVE_PARTITIONING}
