"""``alterd shell``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from alterd_cli.options import NatsOption, examples


def register(app: typer.Typer) -> None:
    app.command("shell", epilog=examples("alterd shell -k shop", "alterd shell -k shop < changes.sql", "alterd shell"))(
        shell
    )


def shell(
    keyspace: Annotated[
        str,
        typer.Option("--keyspace", "-k", metavar="NAME", envvar="ALTERD_KEYSPACE", help="Where.", show_default=False),
    ] = "",
    nats: NatsOption = "",  # noqa: ARG001
) -> int:
    """Type statements as Vitess knows them.

    With a history, completion of words by Tab, and \\G for a column a line. What is not a terminal is read as a script.
    """
    from alterd_cli import link
    from alterd_cli.sql.shell import run_shell
    from alterd_contracts import names

    if keyspace:
        names.check_keyspace(keyspace)
    return asyncio.run(run_shell(keyspace, link.settings().intake))
