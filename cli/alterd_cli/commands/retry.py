"""``alterd retry``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from alterd_cli.options import KeyspaceOption, NatsOption, Output, OutputOption, ShardOption, examples


def register(app: typer.Typer) -> None:
    app.command(
        "retry",
        epilog=examples(
            "alterd retry 9e8a9249_3976_11ed_9442_0a43f95f28a3",
            "alterd retry 9e8a9249_3976_11ed_9442_0a43f95f28a3 --shard -80",
            "alterd retry all -k shop -c deploy-42",
        ),
    )(retry)


def retry(
    uuid: Annotated[str, typer.Argument(metavar="UUID", help="The migration, or all.", show_default=False)],
    shard: ShardOption = None,
    keyspace: KeyspaceOption = "",
    context: Annotated[
        str, typer.Option("--migration-context", "-c", metavar="TEXT", help="Of all, those of it.", show_default=False)
    ] = "",
    output: OutputOption = Output.TABLE,
    nats: NatsOption = "",  # noqa: ARG001
) -> int | None:
    """Queue a failed or cancelled migration again, or all of them.

    It starts from zero.
    """
    from alterd_cli.controls import command
    from alterd_contracts.requests import Command

    return asyncio.run(command(Command.RETRY, uuid, keyspace, shard or (), "", output, migration_context=context))
