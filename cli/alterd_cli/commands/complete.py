"""``alterd complete``"""

# ruff: noqa: PLC0415 - imported when the command runs, so that --help is fast

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from alterd_cli.options import KeyspaceOption, NatsOption, Output, OutputOption, ShardOption, examples


def register(app: typer.Typer) -> None:
    app.command(
        "complete",
        epilog=examples(
            "alterd complete 9e8a9249_3976_11ed_9442_0a43f95f28a3",
            "alterd complete 9e8a9249_3976_11ed_9442_0a43f95f28a3 --shard -80",
            "alterd complete 9e8a9249_3976_11ed_9442_0a43f95f28a3 --gate",
            "alterd complete all -k shop",
        ),
    )(complete)


def complete(
    uuid: Annotated[str, typer.Argument(metavar="UUID", help="The migration, or all.", show_default=False)],
    shard: ShardOption = None,
    keyspace: KeyspaceOption = "",
    message: Annotated[str, typer.Option("--message", "-m", help="Why, for the record.", show_default=False)] = "",
    gate: Annotated[bool, typer.Option("--gate", help="All shards in one step, once each of them is ready.")] = False,
    context: Annotated[
        str, typer.Option("--migration-context", "-c", metavar="TEXT", help="Of all, those of it.", show_default=False)
    ] = "",
    output: OutputOption = Output.TABLE,
    nats: NatsOption = "",  # noqa: ARG001
) -> int | None:
    """Let a postponed migration complete.

    It cuts over when it is ready: completion is no longer held back, and nothing else changes.
    """
    from alterd_cli.controls import command
    from alterd_contracts.requests import Command

    return asyncio.run(
        command(Command.COMPLETE, uuid, keyspace, shard or (), message, output, migration_context=context, gate=gate)
    )
