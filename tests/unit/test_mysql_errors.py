"""PyMySQL's errors as alterd's."""

from __future__ import annotations

import pymysql
import pytest

from alterd_contracts.errors import AlterdError, LostSession, StatementFailed
from alterd_runtime.mysql.connect import Credentials
from alterd_runtime.mysql.errors import MySQLError, ReadOnlyServer, alterd_error


def test_a_refused_statement_keeps_its_number_over_the_wire() -> None:
    raised = pymysql.err.OperationalError(1060, "Duplicate column name 'x'")
    raised.sqlstate = "42S21"
    error = alterd_error(raised, "s")
    assert isinstance(error, MySQLError)
    assert error.message == "MySQL error 1060 (42S21): Duplicate column name 'x'"
    again = AlterdError.of(error.info())
    assert isinstance(again, StatementFailed)
    assert (again.where["errno"], again.where["sqlstate"], again.code) == ("1060", "42S21", "statement_failed")


@pytest.mark.parametrize(
    "raised",
    [
        pymysql.err.InterfaceError(0, ""),
        pymysql.err.OperationalError(2013, "Lost connection to MySQL server during query"),
        pymysql.err.OperationalError(1053, "Server shutdown in progress"),
        pymysql.err.OperationalError(4031, "The client was disconnected by the server because of inactivity."),
        pymysql.err.InternalError("Packet sequence number wrong - got 1 expected 2"),
        pymysql.err.Error("Already closed"),
    ],
)
def test_an_ended_connection_is_a_lost_session(raised: pymysql.MySQLError) -> None:
    assert isinstance(alterd_error(raised, "s"), LostSession)


def test_a_demoted_primary_interrupts() -> None:
    text = "The MySQL server is running with the --super-read-only option so it cannot execute this statement"
    assert isinstance(alterd_error(pymysql.err.OperationalError(1290, text), "s"), ReadOnlyServer)
    other = "The MySQL server is running with the --secure-file-priv option so it cannot execute this statement"
    assert isinstance(alterd_error(pymysql.err.OperationalError(1290, other), "s"), MySQLError)


def test_credentials_do_not_show_their_password() -> None:
    credentials = Credentials("alterd", "geheim")
    shown = f"{credentials} {credentials!r} {dict(credentials.__rich_repr__())}"
    assert "geheim" not in shown
