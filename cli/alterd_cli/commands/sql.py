"""``alterd sql``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from alterd_cli.options import NatsOption, Output, OutputOption, examples


def register(app: typer.Typer) -> None:
    app.command(
        "sql",
        epilog=examples(
            "alterd sql -k shop \"set @@ddl_strategy='vitess --postpone-completion'; alter table t add i int\"",
            "alterd sql -k shop \"show vitess_migrations where migration_status = 'running' \\G\"",
            "alterd sql -k shop \"alter vitess_migration '9e8a9249_3976_11ed_9442_0a43f95f28a3' complete\"",
            "alterd sql -k shop -f changes.sql",
        ),
    )(sql)


def sql(
    statements: Annotated[
        str | None, typer.Argument(metavar="[SQL|-]", help="The statements; - reads stdin.", show_default=False)
    ] = None,
    keyspace: Annotated[
        str,
        typer.Option("--keyspace", "-k", metavar="NAME", envvar="ALTERD_KEYSPACE", help="Where.", show_default=False),
    ] = "",
    file: Annotated[
        Path | None, typer.Option("--file", "-f", metavar="FILE", help="Read the statements from a file; - is stdin.")
    ] = None,
    output: OutputOption = Output.TABLE,
    nats: NatsOption = "",  # noqa: ARG001
) -> int:
    """Run statements as Vitess knows them.

    All are read before the first one is carried out. The first one that fails ends it.
    """
    from alterd_cli import link
    from alterd_cli.commands.submit import script
    from alterd_cli.sql.running import run_script
    from alterd_contracts import names

    text = script(statements, file)
    if keyspace:
        names.check_keyspace(keyspace)
    return asyncio.run(run_script(text, keyspace, link.settings().intake, output))
