"""Errors of MySQL sessions.

AlterdError
├── StatementFailed (contracts)
│   └── MySQLError               the server refused a statement; tells its number
└── Interrupted (contracts)
    ├── LostSession (contracts)  the connection ended: what the last statement did is unknown
    └── ReadOnlyServer           the primary has become a replica
"""

from __future__ import annotations

import pymysql

from alterd_contracts.errors import AlterdError, Interrupted, LostSession, StatementFailed

DUPLICATE_ENTRY = 1062
UNKNOWN_THREAD = 1094
LOCK_WAIT_TIMEOUT = 1205
DEADLOCK = 1213
QUERY_INTERRUPTED = 1317

# Numbers after which the session is of no further use: client errors, shutdown, aborted and killed sessions.
_LOST = frozenset({1053, 1080, 1152, 1158, 1159, 1160, 1161, 2006, 2013, 2014, 2027, 2055, 3169, 4031})
_OPTION_PREVENTS = 1290
_INNODB_READ_ONLY = 1836


class MySQLError(StatementFailed):
    """MySQL refused the statement."""

    @property
    def errno(self) -> int:
        """MySQL's error number, such as 1062."""
        return int(self.where.get("errno", 0))

    @property
    def sqlstate(self) -> str:
        return self.where.get("sqlstate", "")


class ReadOnlyServer(Interrupted):
    """The server is read only: it is not the primary any more."""

    code = "read_only_server"


def errno_of(error: pymysql.MySQLError) -> int:
    """MySQL's error number, 0 where PyMySQL raised for itself."""
    number = error.args[0] if error.args else 0
    return number if isinstance(number, int) else 0


def text_of(error: pymysql.MySQLError) -> str:
    """MySQL's error text."""
    return str(error.args[1]) if len(error.args) > 1 else str(error)


def is_lost(error: pymysql.MySQLError) -> bool:
    """Whether the session ended with this error."""
    number = errno_of(error)
    return number < 1000 or number in _LOST


def alterd_error(error: pymysql.MySQLError, session: str) -> AlterdError:
    """What `error` means to alterd; `session` names the session and its server."""
    number, text = errno_of(error), text_of(error)
    if is_lost(error):
        said = f": MySQL error {number}: {text}" if number else ""
        return LostSession(f"the session {session} ended{said}", session=session)
    if number == _INNODB_READ_ONLY or (number == _OPTION_PREVENTS and "read-only" in text):
        return ReadOnlyServer(f"{session}: MySQL error {number}: {text}", session=session)
    state = getattr(error, "sqlstate", None) or ""
    shown = f" ({state})" if state else ""
    return MySQLError(f"MySQL error {number}{shown}: {text}", errno=number, sqlstate=state)
