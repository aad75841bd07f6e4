"""How the tool is called: its arguments, and the file that holds the account. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from alterd_contracts.errors import InvalidName
from alterd_contracts.strategy import Account
from alterd_runtime.sql import split_alter

ENVIRONMENT = {"PERL_UNICODE": "SA"}
"""Arguments are UTF-8, as names and values in MySQL are."""
DEFAULTS, PLUGIN, PID, CONFIG = "pt-osc.cnf", "talk.pm", "pt-osc.pid", "pt-osc.conf"
"""Files in the attempt's folder."""
PROGRESS_EVERY = 1
"""Seconds."""
_NAME = re.compile(r"[^\x00-\x1f\x7f'\"`;\\%]+")
"""What the tool can be told of names: it writes them into SQL, into a pattern and into a DSN."""


def check_names(*names: str) -> None:
    """Raises `InvalidName` for a schema or table that the tool would misunderstand."""
    for name in names:
        if not _NAME.fullmatch(name):
            raise InvalidName(
                f"pt-online-schema-change cannot be told of the name {name!a}",
                hint="use the strategy vitess or mysql",
                identifier=ascii(name),
            )


def alter_text(sql: str) -> str:
    """What follows the table's name in an ALTER TABLE."""
    alter = split_alter(sql)
    return sql[len(alter.head) :].strip()


def defaults_file(account: Account, *, encrypted: bool) -> str:
    """For the tool's MySQL client, MariaDB's or MySQL's: each leaves out what it does not know.

    Without TLS the password travels under the server's RSA key, which MySQL's client only asks for when told to.
    """
    password = account.password.replace("\\", "\\\\").replace('"', '\\"')
    lines = ["[client]", f'user="{account.user}"', f'password="{password}"', "protocol=TCP", "ssl-verify-server-cert=0"]
    lines += ["ssl-enforce=1", "ssl-mode=REQUIRED"] if encrypted else ["get-server-public-key=1"]
    return "\n".join([*lines, ""])


def dsn(workdir: Path, *, host: str, port: int, schema: str, table: str) -> str:
    """Where the table is; whoever signs in stands in the file."""
    parts = {"F": str(workdir / DEFAULTS), "h": host, "P": str(port), "D": schema, "t": table, "A": "utf8mb4"}
    return ",".join(f"{key}={value.replace(',', chr(92) + ',')}" for key, value in parts.items())


def argv(
    program: str,
    workdir: Path,
    place: str,
    *,
    alter: str,
    new_table: str,
    passed: Sequence[str],
    renames: bool,
    execute: bool,
) -> list[str]:
    """The whole command. `place`: the DSN; `renames`: the ALTER renames columns, which was looked at."""
    return [
        program,
        f"--config={workdir / CONFIG}",  # first, and empty: the machine's own files have no say
        *(["--no-check-alter"] if renames else []),
        f"--alter={alter}",
        f"--plugin={workdir / PLUGIN}",
        f"--pid={workdir / PID}",
        f"--new-table-name={new_table}",
        f"--progress=time,{PROGRESS_EVERY}",
        "--recursion-method=none",  # the throttler watches the replicas, and old versions ask MySQL 8.4 in vain
        "--no-version-check",
        *(["--no-drop-new-table", "--no-drop-old-table", "--execute"] if execute else ["--dry-run"]),
        place,
        *passed,  # last: one without its value takes none of ours
    ]
