"""``alterd purge``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from alterd_cli.options import KeyspaceOption, NatsOption, Output, OutputOption, examples


def register(app: typer.Typer) -> None:
    app.command(
        "purge",
        epilog=examples(
            "alterd purge 9e8a9249_3976_11ed_9442_0a43f95f28a3",
            "alterd purge all -k shop -c deploy-42",
        ),
    )(purge)


def purge(
    uuid: Annotated[str, typer.Argument(metavar="UUID", help="The migration, or all.", show_default=False)],
    keyspace: KeyspaceOption = "",
    message: Annotated[str, typer.Option("--message", "-m", help="Why, for the record.", show_default=False)] = "",
    context: Annotated[
        str, typer.Option("--migration-context", "-c", metavar="TEXT", help="Of all, those of it.", show_default=False)
    ] = "",
    output: OutputOption = Output.TABLE,
    nats: NatsOption = "",  # noqa: ARG001
) -> int | None:
    """Forget the records of what has ended, on all shards at once.

    Its artifacts must be gone: `alterd cleanup`. The events stay as long as their stream keeps them.
    """
    from alterd_cli.controls import command
    from alterd_contracts.requests import Command

    return asyncio.run(command(Command.PURGE, uuid, keyspace, (), message, output, migration_context=context))
