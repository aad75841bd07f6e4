"""``alterd priority``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from alterd_cli.options import KeyspaceOption, NatsOption, Output, OutputOption, ShardOption, examples


def register(app: typer.Typer) -> None:
    app.command(
        "priority",
        epilog=examples(
            "alterd priority 9e8a9249_3976_11ed_9442_0a43f95f28a3 10",
            "alterd priority 9e8a9249_3976_11ed_9442_0a43f95f28a3 -- -5",
        ),
    )(priority)


def priority(
    uuid: Annotated[str, typer.Argument(metavar="UUID", help="The migration, or all.", show_default=False)],
    priority: Annotated[int, typer.Argument(metavar="N", help="Higher ones first; 0 is usual.", show_default=False)],
    shard: ShardOption = None,
    keyspace: KeyspaceOption = "",
    message: Annotated[str, typer.Option("--message", "-m", help="Why, for the record.", show_default=False)] = "",
    context: Annotated[
        str, typer.Option("--migration-context", "-c", metavar="TEXT", help="Of all, those of it.", show_default=False)
    ] = "",
    output: OutputOption = Output.TABLE,
    nats: NatsOption = "",  # noqa: ARG001
) -> int | None:
    """Say which migrations begin first.

    Among those that may begin on a shard; never before an earlier one on the same table.
    """
    from alterd_cli.controls import command
    from alterd_contracts.requests import Command

    return asyncio.run(
        command(
            Command.PRIORITY, uuid, keyspace, shard or (), message, output, migration_context=context, priority=priority
        )
    )
